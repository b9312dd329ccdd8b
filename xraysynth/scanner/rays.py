"""Rays of one view in the frame of a solid, and where they cross planes and quadrics.

A ray is `origin + t * direction` with a direction of unit length, so that a difference in t is a
length in mm. One column of the picture has one direction, and along it origins move straight:
`origin = start + y * step`. Whatever is linear in the origin is thus found per column, cheaply,
and spread over the rows with one multiplication and one addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

TINY = np.float32(1e-6)
FAR = np.float32(1e9)
SMALL = 40_000
"""Planes times rays up to which all planes at once are quicker than one by one."""
Span = tuple[np.ndarray, np.ndarray]
"""Where rays enter and leave something: arrays that broadcast to (row, col)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rays:
    """A window of rays; lengths in mm, all float32."""

    start: Float[np.ndarray, "3 col"]
    """Origins where y = 0."""
    step: Float[np.ndarray, 3]
    """How the origin moves for each mm of y."""
    y: Float[np.ndarray, "row 1"]
    direction: Float[np.ndarray, "3 col"]
    """Unit vectors."""

    def origin(self, axis: int) -> Float[np.ndarray, "row col"]:
        """Return one coordinate of every origin."""
        return self.start[axis] + self.step[axis] * self.y


def clip(
    rays: Rays, normals: Float[np.ndarray, "plane 3"], offsets: Float[np.ndarray, " plane"]
) -> Span:
    """Return where rays enter and leave the convex solid `normals @ point <= offsets`.

    The span is empty (leave < enter) where a ray misses it.

    References
    ----------
    .. [1] M. Cyrus and J. Beck, Computers & Graphics 3 (1978) 23.
    """
    approach = normals @ rays.direction
    inverse = 1 / np.where(np.abs(approach) < TINY, TINY, approach)
    base = (offsets[:, None] - normals @ rays.start) * inverse
    slope = (normals @ -rays.step)[:, None] * inverse
    leaving = inverse > 0
    if base.size * len(rays.y) <= SMALL:
        t = slope[:, None] * rays.y + base[:, None]
        leaving = leaving[:, None]
        enter = np.where(leaving, -FAR, t).max(axis=0)
        return enter, np.where(leaving, t, FAR).min(axis=0)
    return _clip_plane_by_plane(base, slope, leaving, rays.y)


def _clip_plane_by_plane(
    base: np.ndarray, slope: np.ndarray, leaving: np.ndarray, y: np.ndarray
) -> Span:
    """Do the same for large windows: in place, and level planes per column only."""
    level = (slope == 0).all(axis=1)[:, None]
    entering = np.where(leaving | ~level, -FAR, base).max(axis=0)
    exiting = np.where(leaving & level, base, FAR).min(axis=0)
    shape = (len(y), len(entering))
    enter, leave = np.broadcast_to(entering, shape).copy(), np.broadcast_to(exiting, shape).copy()
    t = np.empty(shape, dtype=np.float32)
    for plane in np.flatnonzero(~level[:, 0]):
        np.multiply(slope[plane], y, out=t)
        t += base[plane]
        # Directions turn steadily across the fan: the columns that leave stand side by side.
        n_out = np.count_nonzero(leaving[plane])
        first = 0 if leaving[plane, 0] else shape[1] - n_out
        out = slice(first, first + n_out)
        rest = slice(n_out, None) if first == 0 else slice(0, first)
        np.minimum(leave[:, out], t[:, out], out=leave[:, out])
        np.maximum(enter[:, rest], t[:, rest], out=enter[:, rest])
    return enter, leave


def quadric(rays: Rays, half: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how rays meet the unit sphere (or cylinder) stretched by `half`.

    Solves a t^2 + 2 b t + c = 0 for the first `len(half)` coordinates.

    Returns
    -------
    middle : (row, col) or (1, col)
        t of the ray's middle inside, -b / a.
    reach : (row, col)
        Half the length inside, sqrt(b^2 - a c) / a; 0 where the ray misses.
    hit : (row, col)
        Whether it hits.
    """
    axes = len(half)
    # Differences of nearly equal squares: double precision, but per column only.
    stretch = 1 / np.array(half, dtype=np.float64)[:, None]
    d = rays.direction[:axes] * stretch
    o = rays.start[:axes] * stretch
    s = rays.step[:axes, None] * stretch
    a = np.maximum((d * d).sum(axis=0), 1e-12)
    b_0, b_1 = (o * d).sum(axis=0), (s * d).sum(axis=0)
    constant = b_0**2 - a * ((o * o).sum(axis=0) - 1)
    linear = 2 * (b_0 * b_1 - a * (o * s).sum(axis=0))
    square = b_1**2 - a * (s * s).sum(axis=0)
    inside = (square.astype(np.float32) * rays.y + linear.astype(np.float32)) * rays.y
    inside += constant.astype(np.float32)
    hit = inside > 0
    reach = np.sqrt(np.maximum(inside, 0)) * (1 / a).astype(np.float32)
    middle = (-b_0 / a).astype(np.float32) - (b_1 / a).astype(np.float32) * rays.y
    return middle, reach, hit
