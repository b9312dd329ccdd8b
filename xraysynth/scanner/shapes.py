"""Closed-form chords of rays through solids.

Every solid lives in its own frame, centred at the origin. A ray is `origin + t * direction` in
that frame, with the direction of unit length, so that a difference in t is a length in mm.
All components are arrays that broadcast to (row, col).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

TINY = np.float32(1e-6)
Component = np.ndarray
Vector = tuple[Component, Component, Component]


class Shape(Protocol):
    """A solid that knows how long each ray runs inside it."""

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half sides of the box around the solid, in mm."""

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Return the length in mm of each ray inside the solid."""


def _nonzero(value: Component) -> Component:
    """Keep a divisor away from zero, whatever its sign."""
    return np.where(np.abs(value) < TINY, TINY, value)


def _slab(origin: Component, direction: Component, half: float) -> tuple[Component, Component]:
    """Return where the ray enters and leaves -half..half along one axis."""
    inverse = 1 / _nonzero(direction)
    middle = -origin * inverse
    reach = np.abs(half * inverse)
    return middle - reach, middle + reach


def _dot(first: Vector, second: Vector) -> Component:
    """Return the inner product."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


@dataclass(frozen=True)
class Box:
    """A cuboid with the given half sides in mm."""

    half: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half sides in mm."""
        return self.half

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Intersect the three slabs."""
        enter, leave = _slab(origin[2], direction[2], self.half[2])
        for axis in (0, 1):
            near, far = _slab(origin[axis], direction[axis], self.half[axis])
            enter, leave = np.maximum(enter, near), np.minimum(leave, far)
        return np.maximum(leave - enter, 0)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with the given half axes in mm."""

    half: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half axes in mm."""
        return self.half

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Solve the quadratic of the unit sphere in stretched space."""
        o = tuple(part / np.float32(h) for part, h in zip(origin, self.half, strict=True))
        d = tuple(part / np.float32(h) for part, h in zip(direction, self.half, strict=True))
        a, b, c = _dot(d, d), _dot(o, d), _dot(o, o) - 1
        return 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along its own z axis, elliptic if two radii are given, all in mm."""

    radius: float
    half_length: float
    radius_y: float = 0.0

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Radii and half length in mm."""
        return self.radius, self.radius_y or self.radius, self.half_length

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Intersect the infinite cylinder with the slab between its ends."""
        rx, ry, half = (np.float32(bound) for bound in self.bounds)
        ox, oy, dx, dy = origin[0] / rx, origin[1] / ry, direction[0] / rx, direction[1] / ry
        a = np.maximum(dx * dx + dy * dy, TINY * TINY)
        b = ox * dx + oy * dy
        root = b * b - a * (ox * ox + oy * oy - 1)
        reach = np.sqrt(np.maximum(root, 0)) / a
        middle = -b / a
        near, far = _slab(origin[2], direction[2], half)
        inside = np.minimum(far, middle + reach) - np.maximum(near, middle - reach)
        return np.where(root > 0, np.maximum(inside, 0), 0)


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
    _outlines: tuple[Outline, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare the outlines: all anticlockwise, holes counted negative."""
        outlines = [
            Outline.of_loop(loop, 1.0 if index == 0 or self.islands else -1.0)
            for index, loop in enumerate(self.loops)
        ]
        object.__setattr__(self, "_outlines", tuple(outlines))

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half sides in mm of a box centred at the origin."""
        points = np.concatenate([outline.points for outline in self._outlines])
        x, y = np.abs(points).max(axis=0)
        reach = abs(points @ np.array(self.slope, dtype=np.float32)).max() if any(self.slope) else 0
        return float(x), float(y), float(self.half + reach)

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Add up the lengths inside the outlines, between the two faces."""
        span = self._faces(origin, direction)
        total = sum(outline.chord(origin, direction, span) for outline in self._outlines)
        return np.maximum(total, 0)

    def _faces(self, origin: Vector, direction: Vector) -> tuple[Component, Component]:
        """Return where the ray enters and leaves the space between the two faces."""
        if self.slope == (0.0, 0.0):
            return _slab(origin[2], direction[2], self.half)
        sx, sy = (np.float32(value) for value in self.slope)
        rise = sx * direction[0] + sy * direction[1]
        width = np.float32(self.half) + sx * origin[0] + sy * origin[1]
        first = (width - origin[2]) / _nonzero(direction[2] - rise)
        second = (-width - origin[2]) / _nonzero(direction[2] + rise)
        return np.minimum(first, second), np.maximum(first, second)


@dataclass(frozen=True, eq=False)
class Outline:
    """One closed outline in the xy plane, ready for rays."""

    points: np.ndarray
    """(point, 2) in mm, anticlockwise."""
    sign: float
    """1, or -1 for a hole."""
    convex: bool

    @classmethod
    def of_loop(cls, loop: np.ndarray, sign: float) -> Outline:
        """Orient a loop and see whether it is convex."""
        points = np.asarray(loop, dtype=np.float32)
        x, y = points.T
        step_x, step_y = np.roll(x, -1) - x, np.roll(y, -1) - y
        if np.dot(x, step_y) - np.dot(y, step_x) < 0:
            return cls.of_loop(points[::-1], sign)
        bend = step_x * np.roll(step_y, -1) - step_y * np.roll(step_x, -1)
        # Anticlockwise all the way round, and round only once.
        heading = np.unwrap(np.arctan2(step_y, step_x))
        once = heading[-1] - heading[0] < 2 * np.pi
        return cls(points, sign, bool((bend >= -1e-4).all() and once))

    def chord(
        self, origin: Vector, direction: Vector, span: tuple[Component, Component]
    ) -> np.ndarray:
        """Return the signed length of rays inside the outline and inside `span`."""
        if self.convex:
            return np.float32(self.sign) * self._clip(origin, direction, span)
        return np.float32(self.sign) * self._cross(origin, direction, span)

    def _clip(
        self, origin: Vector, direction: Vector, span: tuple[Component, Component]
    ) -> np.ndarray:
        """Cut the rays edge by edge: fast, for convex outlines only."""
        enter, leave = span
        step = np.roll(self.points, -1, axis=0) - self.points
        long = np.maximum(np.hypot(step[:, 0], step[:, 1]), TINY)
        normal_x, normal_y = step[:, 1] / long, -step[:, 0] / long
        offset = normal_x * self.points[:, 0] + normal_y * self.points[:, 1]
        for nx, ny, where in zip(normal_x, normal_y, offset, strict=True):
            approach = _nonzero(direction[0] * nx + direction[1] * ny)
            inverse = -1 / approach
            t = origin[0] * (nx * inverse) + (origin[1] * (ny * inverse) - where * inverse)
            leaving = approach > 0
            if leaving.all():
                leave = np.minimum(leave, t)
            elif not leaving.any():
                enter = np.maximum(enter, t)
            else:
                leave = np.where(leaving, np.minimum(leave, t), leave)
                enter = np.where(leaving, enter, np.maximum(enter, t))
        return np.maximum(leave - enter, 0)

    def _cross(
        self, origin: Vector, direction: Vector, span: tuple[Component, Component]
    ) -> np.ndarray:
        """Add up where the rays cross the edges, inwards negative, clipped to `span`."""
        flat = np.hypot(direction[0], direction[1])
        steep = flat < TINY
        inverse = 1 / np.maximum(flat, TINY)
        # A ray along z crosses no edge; any direction then tells inside from outside.
        ux = np.where(steep, np.float32(1), direction[0] * inverse)
        uy = np.where(steep, np.float32(0), direction[1] * inverse)
        across = origin[1] * ux - origin[0] * uy
        along = (origin[0] * ux + origin[1] * uy) * inverse
        span = np.broadcast_arrays(*span, across)[:2] if span[0].ndim < 2 else span
        total = np.zeros(np.broadcast_shapes(span[0].shape, across.shape), dtype=np.float32)
        start, end = self.points, np.roll(self.points, -1, axis=0)
        step = max(int(131_072 // max(total.size, 1)), 1)
        for first in range(0, len(start), step):
            chosen = slice(first, first + step)
            heading = (ux, uy, inverse)
            total += _crossings((start[chosen], end[chosen]), heading, (across, along), span)
        return total


def _crossings(
    edges: tuple[np.ndarray, np.ndarray],
    heading: tuple[Component, Component, Component],
    place: tuple[Component, Component],
    span: tuple[Component, Component],
) -> np.ndarray:
    """Return the signed sum over edges of where rays cross them, clipped to `span`."""
    ux, uy, inverse = (part[None] for part in heading)
    across, along = (part[None] for part in place)
    (x0, y0), (x1, y1) = (edge.T[:, :, None, None] for edge in edges)
    across_0, across_1 = y0 * ux - x0 * uy, y1 * ux - x1 * uy
    along_0, along_1 = x0 * ux + y0 * uy, x1 * ux + y1 * uy
    slope = (along_1 - along_0) / _nonzero(across_1 - across_0)
    t = across * (slope * inverse) + ((along_0 - across_0 * slope) * inverse - along)
    np.maximum(t, span[0], out=t)
    np.minimum(t, span[1], out=t)
    crossed = np.minimum(across_0, across_1) <= across
    crossed &= across < np.maximum(across_0, across_1)
    t *= crossed
    return np.asarray((t * np.sign(across_1 - across_0)).sum(axis=0))


@dataclass(frozen=True, eq=False)
class Cloth:
    """A soft heap: its height over the plane is a sum of waves inside a rounded outline."""

    half: tuple[float, float, float]
    waves: np.ndarray
    """(wave, 4): cycles along x and y, phase in radians, weight."""

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half sides in mm."""
        return self.half

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Return the height where the ray crosses the middle plane."""
        back = origin[2] / _nonzero(direction[2])
        x = (origin[0] - back * direction[0]) / np.float32(self.half[0])
        y = (origin[1] - back * direction[1]) / np.float32(self.half[1])
        bend = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
        for kx, ky, phase, weight in self.waves.astype(np.float32):
            bend += weight * np.cos(kx * x + ky * y + phase)
        edge = 1 - (x * x) ** 3 - (y * y) ** 3 + 0.12 * bend
        height = np.clip(4 * edge, 0, 1) * np.clip(0.55 + 0.3 * bend, 0.1, 1)
        return 2 * np.float32(self.half[2]) * height / np.maximum(np.abs(direction[2]), 0.3)
