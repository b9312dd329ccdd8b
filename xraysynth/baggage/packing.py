"""Where items go: dropped into the bag one on another, so that they never intersect.

Soft items drape: each follows what lies below it, and is drawn at its mean height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from xraysynth.baggage.items import Item
from xraysynth.baggage.sheets import Skin
from xraysynth.scanner.projection import Part

CELL_MM = 12.0
WALLS_MM = (14.0, 14.0, 10.0)
"""Kept free at every wall of the bag: shell, frame, rails and lining."""
FULL_MM = 1e4
"""Height of cells outside the bag's outline."""
SPREAD_MM = 30.0
"""How much lower a place must be to be surely preferred."""
GAP_MM = 1.0
"""Air between items that lie on each other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Relief:
    """Underside and top of a turned item over coarse cells, in mm over its lowest point."""

    low: Float[np.ndarray, 3]
    """Lowest coordinates of the item about its origin, in the bag's frame."""
    size: Float[np.ndarray, 3]
    bottom: Float[np.ndarray, "row col"]
    """Infinite where no part is."""
    top: Float[np.ndarray, "row col"]
    """Minus infinite where no part is."""

    @classmethod
    def of_item(cls, item: Item, rotation: np.ndarray, shift_mm: np.ndarray) -> Relief:
        """Spread the boxes around the parts over cells, `shift_mm` into the first cell."""
        low, high = item.spans(rotation)[:, item.outer]
        lowest = low.min(axis=0)
        low, high = low - lowest, high - lowest
        first = np.floor((low[:, :2] + shift_mm) / CELL_MM).astype(int)
        last = np.floor((high[:, :2] + shift_mm) / CELL_MM).astype(int) + 1
        shape = tuple(last.max(axis=0)[::-1])
        bottom, top = np.full(shape, np.inf), np.full(shape, -np.inf)
        for number in range(len(low)):
            cells = (
                slice(first[number, 1], last[number, 1]),
                slice(first[number, 0], last[number, 0]),
            )
            bottom[cells] = np.minimum(bottom[cells], low[number, 2])
            top[cells] = np.maximum(top[cells], high[number, 2])
        return cls(low=lowest, size=high.max(axis=0), bottom=bottom, top=top)


@dataclass(kw_only=True, eq=False)
class Space:
    """The inside of a bag and how high it is filled, on a coarse grid in the bag's frame."""

    rotation: Float[np.ndarray, "3 3"]
    half: Float[np.ndarray, 3]
    height: Float[np.ndarray, "row col"]
    """Top of what lies in each cell, in mm over the floor."""

    @classmethod
    def of_bag(cls, outer: Part) -> Space:
        """Return the empty space inside a bag's outer solid; its rounded edges hold nothing."""
        half = np.array(outer.shape.bounds) - WALLS_MM
        cells = np.floor(2 * half[:2] / CELL_MM).astype(int)
        height = np.zeros((cells[1], cells[0]))
        if isinstance(outer.shape, Skin):
            x, y = ((np.arange(cells[k]) + 0.5) * CELL_MM - half[k] for k in range(2))
            floor = outer.shape.floor_mm(x[None, :], y[:, None]) - WALLS_MM[2]
            height = np.clip(floor, 0, FULL_MM)
        return cls(rotation=outer.rotation, half=half, height=height)

    def find(
        self, item: Item, rotation: np.ndarray, rng: np.random.Generator
    ) -> Float[np.ndarray, 3] | None:
        """Find a low place for a turned item and fill it.

        Returns
        -------
        Where its origin goes, in mm in the tunnel's frame, or None if it fits nowhere.
        """
        shift_mm = rng.uniform(0, CELL_MM, 2)
        relief = Relief.of_item(item, self.rotation.T @ rotation, shift_mm)
        rows, cols = relief.bottom.shape
        room = np.array(self.height.shape) - [rows, cols]
        ceiling = 2 * self.half[2] - relief.size[2]
        if room.min() < 0 or ceiling < 0:
            return None
        windows = sliding_window_view(self.height, (rows, cols))
        # What is soft drapes over the things below, what is hard rests on the highest of them.
        if item.soft:
            floors = windows.mean(axis=(2, 3))
        else:
            floors = np.maximum((windows - relief.bottom).max(axis=(2, 3)), 0)
        floors = np.where(floors > ceiling, np.inf, floors)
        # A little lower is not worth crowding one corner.
        row, col = np.unravel_index(
            int(np.argmin(floors + rng.uniform(0, SPREAD_MM, floors.shape))), floors.shape
        )
        floor = float(floors[row, col])
        if floor > ceiling:
            return None
        window = self.height[row : row + rows, col : col + cols]
        top = (window if item.soft else floor) + relief.top + GAP_MM
        # Squeezed where there is little room over something high.
        np.maximum(window, np.minimum(top, 2 * self.half[2]), out=window)
        corner = np.array([col * CELL_MM, row * CELL_MM, floor])
        corner[:2] += shift_mm
        return np.asarray(self.rotation @ (corner - self.half - relief.low))
