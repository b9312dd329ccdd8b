"""Solids and the closed-form lengths of rays inside them, each in a frame centred on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from xraysynth.errors import PhysicsError
from xraysynth.scanner.rays import Rays, clip, quadric
from xraysynth.scanner.torus import torus_chord

Size = tuple[float, float, float]
"""Half sides along x, y, z in mm."""
SIGNED_AXES = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)


class Shape(Protocol):
    """A solid that knows how long each ray runs inside it."""

    @property
    def bounds(self) -> Size:
        """Half sides of the box around the solid, in mm."""

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Return the length in mm of each ray inside the solid."""


@dataclass(frozen=True)
class Box:
    """A cuboid with the given half sides in mm."""

    half: Size

    @property
    def bounds(self) -> Size:
        """Half sides in mm."""
        return self.half

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Clip to the six faces."""
        enter, leave = clip(rays, SIGNED_AXES, np.array([*self.half, *self.half], dtype=np.float32))
        return np.maximum(leave - enter, 0)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid with the given half axes in mm."""

    half: Size

    @property
    def bounds(self) -> Size:
        """Half axes in mm."""
        return self.half

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Solve the quadratic of the unit sphere in stretched space."""
        return 2 * quadric(rays, self.half)[1]


@dataclass(frozen=True)
class Cylinder:
    """A cylinder along its own z axis, elliptic if two radii are given, all in mm."""

    radius: float
    half_length: float
    radius_y: float = 0.0

    @property
    def bounds(self) -> Size:
        """Radii and half length in mm."""
        return self.radius, self.radius_y or self.radius, self.half_length

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Intersect the infinite cylinder with the slab between its ends."""
        middle, reach, hit = quadric(rays, self.bounds[:2])
        half = np.full(2, self.half_length, dtype=np.float32)
        enter, leave = clip(rays, SIGNED_AXES[[2, 5]], half)
        inside = np.minimum(leave, middle + reach) - np.maximum(enter, middle - reach)
        return np.where(hit, np.maximum(inside, 0), np.float32(0))


@dataclass(frozen=True)
class Torus:
    """A ring around its own z axis; radii of the ring's middle line and of the tube, in mm."""

    ring_radius: float
    tube_radius: float

    def __post_init__(self) -> None:
        """Refuse rings that run through themselves.

        Raises
        ------
        PhysicsError
            If the tube is wider than the ring.
        """
        if not 0 < self.tube_radius <= self.ring_radius:
            raise PhysicsError(
                f"a torus with ring_radius {self.ring_radius:g} and tube_radius "
                f"{self.tube_radius:g} mm runs through itself; want 0 < tube_radius <= ring_radius."
            )

    @property
    def bounds(self) -> Size:
        """Outer radius twice, and the radius of the tube, in mm."""
        outer = self.ring_radius + self.tube_radius
        return outer, outer, self.tube_radius

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Solve the quartic."""
        return torus_chord(rays, self.ring_radius, self.tube_radius)


@dataclass(frozen=True, eq=False)
class Cloth:
    """A soft heap: its height over the plane is a sum of waves inside a rounded outline."""

    half: Size
    waves: Float[np.ndarray, "wave 4"]
    """Radians per half side along x and y, phase in radians, weight."""

    @property
    def bounds(self) -> Size:
        """Half sides in mm."""
        return self.half

    def chord(self, rays: Rays) -> Float[np.ndarray, "row col"]:
        """Return the height where the ray crosses the middle plane, along the ray.

        Exact for flat heaps only: the slope of the surface within one chord is left out.
        """
        steep = rays.direction[2]
        steep = np.where(np.abs(steep) < 0.2, np.float32(0.2), steep)
        size = np.array(self.half[:2], dtype=np.float32)
        lean = rays.direction[:2] / steep
        base = (rays.start[:2] - rays.start[2] * lean) / size[:, None]
        rise = (rays.step[:2, None] - rays.step[2] * lean) / size[:, None]
        waves = self.waves.astype(np.float32)
        phases = waves[:, :2] @ base + waves[:, 2:3]
        slopes = waves[:, :2] @ rise
        bend = np.zeros((len(rays.y), phases.shape[1]), dtype=np.float32)
        for phase, slope, weight in zip(phases, slopes, waves[:, 3], strict=True):
            bend += weight * np.cos(slope * rays.y + phase)
        x, y = base[0] + rise[0] * rays.y, base[1] + rise[1] * rays.y
        edge = 1 - (x * x) ** 3 - (y * y) ** 3 + np.float32(0.12) * bend
        height = np.clip(4 * edge, 0, 1) * np.clip(0.55 + 0.3 * bend, 0.1, 1)
        return np.float32(2 * self.half[2]) * height / np.abs(steep)
