"""Thin and soft solids, seen through their faces: skin of a bag, heap of cloth, bent wire.

Their lengths are those of the rays where they cross a plane of the solid, divided by the ray's
cosine. Exact for flat things; seen from the side, where folds blur into each other, each stands
for a box (hollow if the solid is) of the same size and mean filling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.textures import sampled
from xraysynth.scanner.rays import Rays
from xraysynth.scanner.shapes import Box, Size

GRAZING = 0.45
"""Cosine to the z axis under which a solid is seen from the side."""
MEAN_SHARE = 0.5
"""Of a heap in the box around it."""
BULGE_MM = 40.0
"""How far the faces of a bag bulge."""
Picture = Float[np.ndarray, "row col"]


def _from_the_side(rays: Rays) -> bool:
    """Return whether the rays run rather along the sheet than through it."""
    return bool(np.abs(rays.direction[2]).min() < GRAZING)


def _crossing(rays: Rays, height: float) -> tuple[Picture, Picture]:
    """Return x and y in mm where the rays cross the plane z = height."""
    lean = rays.direction[:2] / rays.direction[2]
    base = rays.start[:2] + (np.float32(height) - rays.start[2]) * lean
    rise = rays.step[:2, None] - rays.step[2] * lean
    x, y = base[:, None] + rise[:, None] * rays.y
    return x, y


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A rounded rectangle, its lower and upper corners unlike, that may narrow and be dented."""

    half: tuple[float, float]
    """Half sides along x and y, in mm."""
    radius: float
    """Of the corners at y < 0, in mm."""
    radius_far: float = 0.0
    """Of the corners at y > 0, in mm; 0 for the same."""
    taper: float = 0.0
    """Half width lost from the middle to y = half, as a share; gained at y = -half."""
    dents: tuple[tuple[float, float, float], ...] = ()
    """Waves of the outline along x + y: depth in mm, radians a mm, phase."""

    def from_the_side(self, deep: float) -> Size:
        """Return half sides of the box that stands for the outline, dents evened out."""
        lost = sum(size for size, _, _ in self.dents)
        return self.half[0] - lost, self.half[1] - lost, deep / 2

    def inside(self, x: Picture, y: Picture) -> Picture:
        """Return how deep points lie inside, in mm, negative outside."""
        wide, high = (np.float32(side) for side in self.half)
        across = np.abs(x)
        if self.taper:
            across = across * (1 + np.float32(self.taper / self.half[1]) * y)
        radius: np.ndarray | np.float32 = np.float32(self.radius)
        if self.radius_far:
            radius = np.where(y > 0, np.float32(self.radius_far), radius)
        right, up = across - (wide - radius), np.abs(y) - (high - radius)
        corner = np.sqrt(np.maximum(right, 0) ** 2 + np.maximum(up, 0) ** 2)
        depth = radius - corner - np.minimum(np.maximum(right, up), 0)
        for size, cycles, phase in self.dents:
            depth -= np.float32(size) * (
                1 + np.cos(np.float32(cycles) * (x + np.float32(0.7) * y) + np.float32(phase))
            )
        return np.asarray(depth)


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Where on a table of `textures` a solid lies."""

    name: str
    variant: int
    at: tuple[float, float]
    """Shift in mm."""
    scale: float = 1.0

    def share(self, x: Picture, y: Picture) -> Picture:
        """Return the share of the full thickness at places in mm."""
        scale = np.float32(self.scale)
        return sampled(
            self.name,
            self.variant,
            x * scale + np.float32(self.at[0]),
            y * scale + np.float32(self.at[1]),
        )


@dataclass(frozen=True, kw_only=True)
class Skin:
    """The thin skin of a bag: two faces, rounded towards an outline, wrinkled as a texture says."""

    outline: Outline
    deep: float
    """From face to face, in mm."""
    edge: float
    """Radius of the rounding from face to side, at most half of `deep`, in mm."""
    wall: float
    """Thickness in mm where it is flat."""
    textures: tuple[Texture, Texture]
    """Of the lower and the upper face."""

    @property
    def bounds(self) -> Size:
        """Half sides in mm."""
        return (*self.outline.half, self.deep / 2)

    def chord(self, rays: Rays) -> Picture:
        """Add up both faces; each is crossed a little inside its highest plane."""
        if _from_the_side(rays):
            wide, high, thick = self.outline.from_the_side(self.deep)
            inner = Box((wide - self.wall, high - self.wall, thick - self.wall))
            shell = Box((wide, high, thick)).chord(rays) - inner.chord(rays)
            # A bulging face: a ray that grazes it leaves its wall again.
            longest = 2 * max(self.outline.half) * np.sqrt(self.wall / BULGE_MM)
            return np.clip(shell, 0, np.float32(longest))
        total = np.zeros((len(rays.y), rays.start.shape[1]), dtype=np.float32)
        level = self.deep / 2 - 0.4 * self.edge
        for height, texture in zip((-level, level), self.textures, strict=True):
            x, y = _crossing(rays, height)
            total += self._face(self.outline.inside(x, y)) * texture.share(x, y)
        return np.asarray(total / np.abs(rays.direction[2]))

    def _face(self, depth: Picture) -> Picture:
        """Return the length inside a skin that bends down over `edge`, as between two circles."""
        edge = np.float32(self.edge)
        beyond = np.clip(edge - depth, 0, edge) ** 2
        within = np.sqrt(edge * edge - beyond)
        hollow = np.sqrt(np.maximum(np.float32((self.edge - self.wall) ** 2) - beyond, 0))
        return np.asarray(np.where(depth > 0, within - hollow, np.float32(0)))

    def floor_mm(self, x: Picture, y: Picture) -> Picture:
        """Return how high the lower face lies over its lowest plane; infinite outside."""
        depth = self.outline.inside(x.astype(np.float32), y.astype(np.float32))
        beyond = np.clip(1 - depth / self.edge, 0, 1)
        return np.where(depth > 0, self.edge * (1 - np.sqrt(1 - beyond**2)), np.inf)


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """A flat heap of soft stuff: thickness from a texture, thinning out towards its outline."""

    outline: Outline
    thick: float
    """Where the texture says 1, in mm."""
    texture: Texture
    edge: float = 10.0
    """Over which the heap reaches its height, in mm."""

    @property
    def bounds(self) -> Size:
        """Half sides in mm."""
        return (*self.outline.half, self.thick / 2)

    def chord(self, rays: Rays) -> Picture:
        """Return the heap's height where the ray crosses the middle plane, along the ray."""
        if _from_the_side(rays):
            box = Box(self.outline.from_the_side(self.thick))
            return np.asarray(np.float32(MEAN_SHARE) * box.chord(rays))
        x, y = _crossing(rays, 0.0)
        share = self.texture.share(x, y)
        rim = np.clip(self.outline.inside(x, y) * np.float32(1 / self.edge), 0, 1)
        rim *= 2 - rim
        share *= rim
        share *= np.float32(self.thick)
        return np.asarray(np.minimum(share, np.float32(self.thick)) / np.abs(rays.direction[2]))


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A round wire bent along an outline: ring, hoop, frame, link."""

    outline: Outline
    """The wire's middle line."""
    radius: float
    """In mm."""

    @property
    def bounds(self) -> Size:
        """Half sides in mm."""
        wide, high = self.outline.half
        return wide + self.radius, high + self.radius, self.radius

    def chord(self, rays: Rays) -> Picture:
        """Return the length across the wire's round section, averaged over a ray's own width."""
        if _from_the_side(rays):
            wide, high, thick = self.bounds
            hole = Box((wide - 2 * self.radius, high - 2 * self.radius, 2 * thick))
            return np.maximum(Box(self.bounds).chord(rays) - hole.chord(rays), 0)
        depth = self.outline.inside(*_crossing(rays, 0.0))
        # A wire thinner than a pixel would be hit by chance: spread its section over the pixel.
        pitch_mm = float(rays.y[1, 0] - rays.y[0, 0]) if len(rays.y) > 1 else 0.0
        half = max(self.radius, pitch_mm)
        inside = np.sqrt(np.maximum(1 - (depth * np.float32(1 / half)) ** 2, 0))
        return np.asarray(
            np.float32(2 * self.radius**2 / half) * inside / np.abs(rays.direction[2])
        )
