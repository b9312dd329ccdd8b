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
    _edges: tuple[np.ndarray, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Orient outer loops anticlockwise and holes clockwise, and list the edges."""
        starts, ends = [], []
        for index, loop in enumerate(self.loops):
            points = np.asarray(loop, dtype=np.float32)
            following = np.roll(points, -1, axis=0)
            area = np.sum(points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0])
            if (area > 0) != (index == 0 or self.islands):
                points, following = following, points
            starts.append(points)
            ends.append(following)
        object.__setattr__(self, "_edges", (np.concatenate(starts), np.concatenate(ends)))

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Half sides in mm of a box centred at the origin."""
        corners = np.abs(self._edges[0]).max(axis=0)
        reach = np.abs(self._edges[0] @ np.array(self.slope, dtype=np.float32)).max()
        return float(corners[0]), float(corners[1]), float(self.half + reach)

    def chord(self, origin: Vector, direction: Vector) -> np.ndarray:
        """Add up the crossings of the outline, clipped to the two faces."""
        near, far = self._faces(origin, direction)
        dx, dy = direction[0], direction[1]
        flat = np.hypot(dx, dy)
        steep = flat < TINY
        ux = np.where(steep, np.float32(1), dx / np.maximum(flat, TINY))
        uy = np.where(steep, np.float32(0), dy / np.maximum(flat, TINY))
        inverse = 1 / np.maximum(flat, TINY)
        across = origin[1] * ux - origin[0] * uy
        along = origin[0] * ux + origin[1] * uy
        total = np.zeros(np.broadcast_shapes(near.shape, across.shape), dtype=np.float32)
        step = max(int(262_144 // max(total.size, 1)), 1)
        for first in range(0, len(self._edges[0]), step):
            chosen = slice(first, first + step)
            start, end = self._edges[0][chosen], self._edges[1][chosen]
            total += _crossings(start, end, (ux, uy, inverse), (across, along), (near, far))
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
        leave = np.where(width > 0, np.maximum(first, second), np.minimum(first, second))
        return np.minimum(first, second), leave


def _crossings(
    start: np.ndarray,
    end: np.ndarray,
    heading: tuple[Component, Component, Component],
    place: tuple[Component, Component],
    span: tuple[Component, Component],
) -> np.ndarray:
    """Return the signed sum over edges of where rays cross them, clipped to `span`."""
    ux, uy, inverse = (np.asarray(part)[None] for part in heading)
    across, along = (part[None] for part in place)
    column = (slice(None), *(None,) * (across.ndim - 1))
    across_0 = start[:, 1][column] * ux - start[:, 0][column] * uy
    across_1 = end[:, 1][column] * ux - end[:, 0][column] * uy
    along_0 = start[:, 0][column] * ux + start[:, 1][column] * uy
    along_1 = end[:, 0][column] * ux + end[:, 1][column] * uy
    slope = (along_1 - along_0) / _nonzero(across_1 - across_0)
    t = (along_0 - along + (across - across_0) * slope) * inverse
    t = np.clip(t, span[0][None], span[1][None])
    sign = (across_0 <= across).astype(np.int8) - (across_1 <= across).astype(np.int8)
    return np.einsum("e...,e...->...", t, sign.astype(np.float32))


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
