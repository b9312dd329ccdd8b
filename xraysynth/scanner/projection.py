"""Rays of the scanner, solids placed in its tunnel, and thickness maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from xraysynth.scanner.rays import Rays
from xraysynth.scanner.shapes import Shape

Window = tuple[slice, slice]
"""Rows and columns of a picture."""
Span3 = Sequence[np.ndarray] | np.ndarray
"""Lowest and highest x, y, z of something, in mm."""
IDENTITY = np.eye(3, dtype=np.float32)


@lru_cache(maxsize=256)
def turn(yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> np.ndarray:
    """Return the rotation by roll about x, then pitch about y, then yaw in the picture."""
    yaw, pitch, roll = (math.radians(angle) for angle in (yaw_deg, pitch_deg, roll_deg))
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    rotation = np.array(rows, dtype=np.float32)
    rotation.flags.writeable = False
    return rotation


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One solid of one material, placed in the frame of its item."""

    shape: Shape
    material: str
    replaces: str | None = None
    """Material of the part that this one lies inside, where it takes its place."""
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Centre in mm."""
    rotation: np.ndarray = field(default_factory=lambda: IDENTITY)

    def span(self) -> Float[np.ndarray, "2 3"]:
        """Return lowest and highest coordinates of the box around the solid, in mm."""
        reach = np.abs(self.rotation) @ np.array(self.shape.bounds, dtype=np.float32)
        return np.array([self.at - reach, self.at + reach])


@dataclass(frozen=True, kw_only=True)
class View:
    """One picture of the tunnel: square, centred, the fan along x and the belt along y.

    Heights z are in mm over the middle plane, towards the detector; pixels are those of that
    plane. `source_mm` is the distance of the source below it; 0 means parallel rays.
    """

    size_px: int
    field_mm: float
    source_mm: float = 0.0

    @property
    def pitch_mm(self) -> float:
        """Side of a pixel in mm."""
        return self.field_mm / self.size_px

    def window(self, span: Span3) -> Window | None:
        """Return the rows and columns that can see a box, or None if it is out of view."""
        (x_low, y_low, z_low), (x_high, y_high, z_high) = (corner.tolist() for corner in span)
        if self.source_mm:
            near, far = (self.source_mm / (self.source_mm + z) for z in (z_low, z_high))
            x_low, x_high = min(x_low * near, x_low * far), max(x_high * near, x_high * far)
        slices = []
        for low, high in ((y_low, y_high), (x_low, x_high)):
            first = max(math.floor(low / self.pitch_mm + self.size_px / 2 - 0.5), 0)
            last = min(math.ceil(high / self.pitch_mm + self.size_px / 2 + 0.5), self.size_px)
            if first >= last:
                return None
            slices.append(slice(first, last))
        return slices[0], slices[1]

    def chord(self, part: Part, window: Window) -> Float[np.ndarray, "row col"]:
        """Return the length in mm of the rays of a window inside a part."""
        place, slope, upright = _grid(self)
        x, y, slope = place[window[1]], place[window[0], None], slope[window[1]]
        r = part.rotation
        across, up = x - np.float32(part.at[0]), np.float32(part.at[2])
        rays = Rays(
            start=r[0][:, None] * across - r[2][:, None] * up,
            step=r[1],
            y=y - np.float32(part.at[1]),
            direction=(r[0][:, None] * slope + r[2][:, None]) * upright[window[1]],
        )
        return part.shape.chord(rays)


@lru_cache(maxsize=8)
def _grid(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the places of columns (or rows) in mm, and each column's slope and its cosine."""
    place = (np.arange(view.size_px) - (view.size_px - 1) / 2) * view.pitch_mm
    slope = place / view.source_mm if view.source_mm else np.zeros_like(place)
    upright = 1 / np.sqrt(1 + slope * slope)
    return place.astype(np.float32), slope.astype(np.float32), upright.astype(np.float32)


def extent(parts: Iterable[Part]) -> Float[np.ndarray, "2 3"]:
    """Return the lowest and highest coordinates of the boxes around parts, in mm."""
    spans = np.array([part.span() for part in parts])
    return np.stack([spans[:, 0].min(axis=0), spans[:, 1].max(axis=0)])
