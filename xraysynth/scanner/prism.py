"""Extruded outlines: with holes, and with tapering faces (blades)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from xraysynth.scanner.rays import TINY, Rays, Span, clip
from xraysynth.scanner.shapes import Size

CHUNK = 131_072
"""Rays times edges worked on at once: stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Prism:
    """A polygon extruded along z, with holes; its two faces may taper (a blade).

    `loops` are closed outlines in mm, the first the outer one; others are holes or, where
    `islands` is set, further outlines. The faces lie at z = +-(half + slope_x x + slope_y y).
    """

    loops: tuple[np.ndarray, ...]
    half: float
    slope: tuple[float, float] = (0.0, 0.0)
    islands: bool = False
    _bounds: Size = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the bounds."""
        points = np.concatenate(self.loops)
        x, y = np.abs(points).max(axis=0)
        rise = float(np.abs(points @ np.array(self.slope)).max())
        object.__setattr__(self, "_bounds", (float(x), float(y), float(self.half) + rise))

    @cached_property
    def _outlines(self) -> tuple[Outline, ...]:
        """The outlines ready for rays, all anticlockwise, holes counted negative.

        Prepared late: many an item is made that finds no room in a bag.
        """
        signs = [1.0 if index == 0 or self.islands else -1.0 for index in range(len(self.loops))]
        pairs = zip(self.loops, signs, strict=True)
        return tuple(Outline.of_loop(loop, sign) for loop, sign in pairs)

    @property
    def bounds(self) -> Size:
        """Half sides in mm of a box centred at the origin."""
        return self._bounds

    @property
    def faces(self) -> tuple[Float[np.ndarray, "2 3"], Float[np.ndarray, 2]]:
        """Normals and offsets of the two faces."""
        x, y = self.slope
        normals = np.array([[-x, -y, 1], [-x, -y, -1]], dtype=np.float32)
        return normals, np.full(2, self.half, dtype=np.float32)

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Add up the lengths inside the outlines, between the two faces."""
        span: Span | None = None
        total = np.zeros((len(rays.y), rays.start.shape[1]), dtype=np.float32)
        for outline in self._outlines:
            if outline.convex:
                total += np.float32(outline.sign) * self._clipped(outline, rays)
            else:
                span = span or clip(rays, *self.faces)
                total += np.float32(outline.sign) * outline.crossed(rays, span)
        return np.maximum(total, 0)

    def _clipped(self, outline: Outline, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Clip to the planes of a convex outline and to the faces at once."""
        normals, offsets = self.faces
        enter, leave = clip(
            rays,
            np.concatenate([normals, outline.normals]),
            np.concatenate([offsets, outline.offsets]),
        )
        return np.maximum(leave - enter, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Outline:
    """One closed outline in the xy plane, ready for rays."""

    points: Float[np.ndarray, "point 2"]
    """In mm, anticlockwise."""
    sign: float
    """1, or -1 for a hole."""
    convex: bool
    normals: Float[np.ndarray, "edge 3"]
    """Unit vectors out of each edge."""
    offsets: Float[np.ndarray, " edge"]
    """Distance of each edge from the origin, in mm."""

    @classmethod
    def of_loop(cls, loop: np.ndarray, sign: float) -> Outline:
        """Orient a loop and see whether it is convex."""
        points = np.asarray(loop, dtype=np.float32)
        following = np.concatenate([points[1:], points[:1]])
        if points[:, 0] @ following[:, 1] < points[:, 1] @ following[:, 0]:
            points = points[::-1]
            following = np.concatenate([points[1:], points[:1]])
        step = following - points
        step /= np.maximum(np.hypot(step[:, 0], step[:, 1]), TINY)[:, None]
        normals = np.zeros((len(points), 3), dtype=np.float32)
        normals[:, 0], normals[:, 1] = step[:, 1], -step[:, 0]
        offsets = (normals[:, :2] * points).sum(axis=1)
        # Convex: no point lies outside any edge.
        outside = points @ normals[:, :2].T - offsets
        return cls(
            points=points,
            sign=sign,
            convex=bool(outside.max() < 1e-3),
            normals=normals,
            offsets=offsets,
        )

    def crossed(self, rays: Rays, span: Span) -> Float[np.ndarray, "row col"]:
        """Add up where the rays cross the edges, inwards negative, clipped to `span`."""
        flat = np.hypot(rays.direction[0], rays.direction[1])
        steep = flat < TINY
        inverse = 1 / np.maximum(flat, TINY)
        # A ray along z crosses no edge; any direction then tells inside from outside.
        ux = np.where(steep, np.float32(1), rays.direction[0] * inverse)
        uy = np.where(steep, np.float32(0), rays.direction[1] * inverse)
        x, y = rays.origin(0), rays.origin(1)
        place = (y * ux - x * uy, (x * ux + y * uy) * inverse)
        total = np.zeros(x.shape, dtype=np.float32)
        following = np.concatenate([self.points[1:], self.points[:1]])
        step = max(CHUNK // max(total.size, 1), 1)
        for first in range(0, len(self.points), step):
            chosen = slice(first, first + step)
            edges = (self.points[chosen], following[chosen])
            total += _crossings(edges, (ux, uy, inverse), place, span)
        return total


def _crossings(
    edges: tuple[np.ndarray, np.ndarray],
    heading: tuple[np.ndarray, np.ndarray, np.ndarray],
    place: tuple[np.ndarray, np.ndarray],
    span: Span,
) -> Float[np.ndarray, "row col"]:
    """Return the signed sum over edges of where rays cross them, clipped to `span`."""
    ux, uy, inverse = heading
    across, along = place
    (x0, y0), (x1, y1) = (edge.T[:, :, None, None] for edge in edges)
    across_0, across_1 = y0 * ux - x0 * uy, y1 * ux - x1 * uy
    along_0, along_1 = x0 * ux + y0 * uy, x1 * ux + y1 * uy
    width = across_1 - across_0
    slope = (along_1 - along_0) / np.where(np.abs(width) < TINY, TINY, width)
    t = across * (slope * inverse) + ((along_0 - across_0 * slope) * inverse - along)
    np.maximum(t, span[0], out=t)
    np.minimum(t, span[1], out=t)
    crossed = np.minimum(across_0, across_1) <= across
    crossed &= across < np.maximum(across_0, across_1)
    t *= crossed
    return np.asarray((t * np.sign(width)).sum(axis=0))
