"""Rays of the scanner, solids placed in its tunnel, and thickness maps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from xraysynth.scanner.rays import Rays
from xraysynth.scanner.shapes import Shape

IDENTITY = np.eye(3, dtype=np.float32)


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
    return np.array(rows, dtype=np.float32)


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

    def window(self, span: Float[np.ndarray, "2 3"]) -> tuple[slice, slice] | None:
        """Return the rows and columns that can see a box, or None if it is out of view."""
        (x_low, y_low, z_low), (x_high, y_high, z_high) = span.tolist()
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

    def chord(self, part: Part, window: tuple[slice, slice]) -> Float[np.ndarray, "row col"]:
        """Return the length in mm of the rays of a window inside a part."""
        middle = (self.size_px - 1) / 2
        rows = np.arange(window[0].start, window[0].stop, dtype=np.float32)
        cols = np.arange(window[1].start, window[1].stop, dtype=np.float32)
        x = ((cols - middle) * self.pitch_mm).astype(np.float32)
        y = ((rows - middle) * self.pitch_mm).astype(np.float32)[:, None]
        slope = x / np.float32(self.source_mm) if self.source_mm else np.zeros_like(x)
        upright = 1 / np.sqrt(1 + slope * slope)
        r = part.rotation.astype(np.float32)
        across, up = x - np.float32(part.at[0]), np.float32(part.at[2])
        rays = Rays(
            start=r[0][:, None] * across - r[2][:, None] * up,
            step=r[1],
            y=y - np.float32(part.at[1]),
            direction=(r[0][:, None] * slope + r[2][:, None]) * upright,
        )
        length = part.shape.chord(rays)
        return np.broadcast_to(length, (len(rows), len(cols)))


def extent(parts: Iterable[Part]) -> Float[np.ndarray, "2 3"]:
    """Return the lowest and highest coordinates of the boxes around parts, in mm."""
    spans = np.array([part.span() for part in parts])
    return np.stack([spans[:, 0].min(axis=0), spans[:, 1].max(axis=0)])
