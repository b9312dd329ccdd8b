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
    """One square picture of the tunnel: the fan along x and the belt along y.

    A view has a frame of its own: its source and detector are turned by `angle_deg` about the belt
    axis y, and `frame` carries coordinates of the tunnel there. All solids and boxes given to it
    are in that frame. Heights z are in mm over the middle plane, towards the detector; pixels are
    those of that plane. `source_mm` is the distance of the source below it; 0 means parallel rays.
    """

    size_px: int
    field_mm: float
    source_mm: float = 0.0
    angle_deg: float = 0.0
    """0 looks along z of the tunnel, 90 along its x; y, the belt, is the same in all views."""
    centre_mm: tuple[float, float] = (0.0, 0.0)
    """Where the middle of the picture lies, along x and y; the source stays at x = 0."""

    @property
    def pitch_mm(self) -> float:
        """Side of a pixel in mm."""
        return self.field_mm / self.size_px

    @property
    def frame(self) -> Float[np.ndarray, "3 3"]:
        """Rotation that carries coordinates of the tunnel into those of this view."""
        return turn(0.0, self.angle_deg)

    def shadow_mm(self, spans: Float[np.ndarray, "2 box 3"]) -> Float[np.ndarray, "box 4"]:
        """Return x_low, y_low, x_high, y_high in mm of what boxes cover in the middle plane."""
        low, high = spans
        left, right = low[:, 0], high[:, 0]
        if self.source_mm:
            near, far = (self.source_mm / (self.source_mm + corner[:, 2]) for corner in spans)
            left = np.minimum(left * near, left * far)
            right = np.maximum(right * near, right * far)
        return np.stack([left, low[:, 1], right, high[:, 1]], axis=1)

    def windows(self, spans: Float[np.ndarray, "2 box 3"], align: int = 1) -> np.ndarray:
        """Return first row, first column, last row, last column (past the end) that see each box.

        Parameters
        ----------
        spans : (2, box, 3)
            Lowest and highest coordinates in mm.
        align : int
            Windows begin and end at multiples of this many pixels; it divides `size_px`.

        Returns
        -------
        (box, 4) int
            Rows or columns that are empty (last <= first) where a box is out of view.
        """
        offset = np.array([self.centre_mm[0], self.centre_mm[1]], dtype=np.float32)
        places = self.shadow_mm(spans).reshape(-1, 2, 2) - offset
        places *= 1 / (self.pitch_mm * align)
        places += self.size_px / (2 * align)
        half = 0.5 / align
        first = np.floor(places[:, 0, ::-1] - half)
        last = np.ceil(places[:, 1, ::-1] + half)
        edges = np.clip(np.concatenate([first, last], axis=1), 0, self.size_px // align)
        return align * edges.astype(np.intp)

    def window(self, span: Span3) -> Window | None:
        """Return the rows and columns that can see a box, or None if it is out of view."""
        box = np.asarray(span, dtype=np.float32).reshape(2, 1, 3)
        top, left, bottom, right = self.windows(box)[0].tolist()
        return None if bottom <= top or right <= left else (slice(top, bottom), slice(left, right))

    def chord(self, part: Part, window: Window) -> Float[np.ndarray, "row col"]:
        """Return the length in mm of the rays of a window inside a part."""
        across_mm, along_mm, slope, upright = _grid(self)
        x, y, slope = across_mm[window[1]], along_mm[window[0], None], slope[window[1]]
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
def _grid(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the places of columns and of rows in mm, and each column's slope and its cosine."""
    place = (np.arange(view.size_px) - (view.size_px - 1) / 2) * view.pitch_mm
    across, along = place + view.centre_mm[0], place + view.centre_mm[1]
    slope = across / view.source_mm if view.source_mm else np.zeros_like(across)
    upright = 1 / np.sqrt(1 + slope * slope)
    columns = (across, along, slope, upright)
    across, along, slope, upright = (column.astype(np.float32) for column in columns)
    return across, along, slope, upright


def extent(parts: Iterable[Part]) -> Float[np.ndarray, "2 3"]:
    """Return the lowest and highest coordinates of the boxes around parts, in mm."""
    spans = np.array([part.span() for part in parts])
    return np.stack([spans[:, 0].min(axis=0), spans[:, 1].max(axis=0)])
