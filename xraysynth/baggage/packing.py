"""Where items go: dropped into the bag one on another, so that they never intersect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from xraysynth.baggage.items import Item
from xraysynth.scanner.projection import Part

CELL_MM = 12.0
WALLS_MM = (14.0, 14.0, 10.0)
"""Kept free at every wall of the bag: shell, frame, rails and lining."""
STEP = 2
"""Places are tried at every second cell."""
SPREAD_MM = 30.0
"""How much lower a place must be to be surely preferred."""
OVER_CELLS = 1
"""How many places the middle of an item may lie from what it is to cover."""
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
        bottom = np.full(shape, np.inf, dtype=np.float32)
        top = np.full(shape, -np.inf, dtype=np.float32)
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
    fill: float = 1.0
    """Share of the inner height up to which items may lie."""

    @classmethod
    def of_bag(cls, outer: Part) -> Space:
        """Return the empty space inside a bag's outer solid."""
        half = np.array(outer.shape.bounds) - WALLS_MM
        cells = np.floor(2 * half[:2] / CELL_MM).astype(int)
        height = np.zeros((cells[1], cells[0]), dtype=np.float32)
        return cls(rotation=outer.rotation, half=half, height=height)

    def find(
        self,
        item: Item,
        rotation: np.ndarray,
        rng: np.random.Generator,
        over: tuple[float, float] | None = None,
    ) -> Float[np.ndarray, 3] | None:
        """Find a low place for a turned item and fill it.

        Parameters
        ----------
        item, rotation : what to lay, and how it is turned
        rng : all chance comes from here
        over : x and y in mm from the bag's middle that the item's middle must lie over, about

        Returns
        -------
        Where its origin goes, in mm in the tunnel's frame, or None if it fits nowhere.
        """
        shift_mm = rng.uniform(0, CELL_MM, 2)
        relief = Relief.of_item(item, self.rotation.T @ rotation, shift_mm)
        rows, cols = relief.bottom.shape
        room = np.array(self.height.shape) - [rows, cols]
        ceiling = 2 * self.half[2] * self.fill - relief.size[2]
        if room.min() < 0 or ceiling < 0:
            return None
        windows = sliding_window_view(self.height, (rows, cols))[::STEP, ::STEP]
        floors = np.maximum((windows - relief.bottom).max(axis=(2, 3)), 0)
        floors = np.where(floors > ceiling, np.inf, floors)
        if over is not None:
            floors = np.where(self._far_from(over, (rows, cols), floors.shape), np.inf, floors)
        # A little lower is not worth crowding one corner.
        row, col = np.unravel_index(
            int(np.argmin(floors + rng.uniform(0, SPREAD_MM, floors.shape))), floors.shape
        )
        floor = float(floors[row, col])
        row, col = STEP * row, STEP * col
        if floor > ceiling:
            return None
        window = self.height[row : row + rows, col : col + cols]
        np.maximum(window, floor + relief.top + GAP_MM, out=window)
        corner = np.array([col * CELL_MM, row * CELL_MM, floor])
        corner[:2] += shift_mm
        return np.asarray(self.rotation @ (corner - self.half - relief.low))

    def _far_from(
        self, over: tuple[float, float], size: tuple[int, int], shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return in which cells an item of `size` must not begin, if it is to lie over a point."""
        local = (self.rotation.T @ np.array([*over, 0.0]) + self.half)[1::-1]
        first = np.rint((local / CELL_MM - np.array(size) / 2) / STEP).astype(int)
        nearest = np.clip(first, 0, np.array(shape) - 1)
        apart = np.indices(shape) - nearest[:, None, None]
        return np.asarray(np.abs(apart).max(axis=0) > OVER_CELLS)
