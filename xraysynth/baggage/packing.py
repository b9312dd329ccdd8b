"""Where items go: dropped into the bag one on another, so that they never intersect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.items import Item
from xraysynth.scanner.projection import Part

CELL_MM = 12.0
TRIES = 12
WALLS_MM = (14.0, 14.0, 10.0)
"""Kept free at every wall of the bag: shell, frame, rails and lining."""
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
        """Return the empty space inside a bag's outer solid."""
        half = np.array(outer.shape.bounds) - WALLS_MM
        cells = np.floor(2 * half[:2] / CELL_MM).astype(int)
        return cls(rotation=outer.rotation, half=half, height=np.zeros((cells[1], cells[0])))

    def find(
        self, item: Item, rotation: np.ndarray, rng: np.random.Generator
    ) -> Float[np.ndarray, 3] | None:
        """Find the lowest of a few random places for a turned item and fill it.

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
        best = (np.inf, 0, 0)
        for row, col in rng.integers(0, room + 1, (TRIES, 2)):
            floor = float((self.height[row : row + rows, col : col + cols] - relief.bottom).max())
            # A little lower is not worth crowding one corner.
            if floor < best[0] - 5.0:
                best = (floor, int(row), int(col))
        floor, row, col = max(best[0], 0.0), best[1], best[2]
        if floor > ceiling:
            return None
        window = self.height[row : row + rows, col : col + cols]
        np.maximum(window, floor + relief.top + GAP_MM, out=window)
        corner = np.array([col * CELL_MM, row * CELL_MM, floor])
        corner[:2] += shift_mm
        return np.asarray(self.rotation @ (corner - self.half - relief.low))
