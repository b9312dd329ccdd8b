"""Where items go: dropped into the bag one on another, so that they never intersect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from xraysynth.baggage.items import Item
from xraysynth.scanner.projection import Part

CELL_MM = 12.0
EVEN_MM = 5.0
"""Places that are so little higher than the lowest are as good."""
OVER_CELLS = 1
"""How far an item may lie from what it is to cover."""
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
    fill: float = 1.0
    """Share of the inner height up to which items may lie."""

    @classmethod
    def of_bag(cls, outer: Part) -> Space:
        """Return the empty space inside a bag's outer solid."""
        half = np.array(outer.shape.bounds) - WALLS_MM
        cells = np.floor(2 * half[:2] / CELL_MM).astype(int)
        return cls(rotation=outer.rotation, half=half, height=np.zeros((cells[1], cells[0])))

    def find(
        self,
        item: Item,
        rotation: np.ndarray,
        rng: np.random.Generator,
        over: tuple[float, float] | None = None,
    ) -> Float[np.ndarray, 3] | None:
        """Find one of the lowest places for a turned item and fill it.

        Parameters
        ----------
        over : x and y in mm from the bag's middle that the item's middle must lie over, about

        Returns
        -------
        Where its origin goes, in mm in the tunnel's frame, or None if it fits nowhere.
        """
        shift_mm = rng.uniform(0, CELL_MM, 2)
        relief = Relief.of_item(item, self.rotation.T @ rotation, shift_mm)
        rows, cols = relief.bottom.shape
        ceiling = 2 * self.half[2] * self.fill - relief.size[2]
        if rows > self.height.shape[0] or cols > self.height.shape[1] or ceiling < 0:
            return None
        # Every place at once: how high the item would lie with its corner in each cell.
        below = sliding_window_view(self.height, (rows, cols))
        floors = (below - relief.bottom).max(axis=(2, 3))
        if over is not None:
            local = (self.rotation.T @ np.array([*over, 0.0]) + self.half)[1::-1]
            corner = np.rint(local / CELL_MM - np.array([rows, cols]) / 2).astype(int)
            near = np.clip(corner, 0, np.array(floors.shape) - 1)
            apart = np.indices(floors.shape) - near[:, None, None]
            floors = np.where(np.abs(apart).max(axis=0) <= OVER_CELLS, floors, np.inf)
        lowest = max(float(floors.min()), 0.0)
        if lowest > ceiling:
            return None
        # A little lower is not worth crowding one corner.
        usable = np.flatnonzero(floors <= min(lowest + EVEN_MM, ceiling))
        row, col = divmod(int(usable[rng.integers(len(usable))]), floors.shape[1])
        floor = max(float(floors[row, col]), 0.0)
        window = self.height[row : row + rows, col : col + cols]
        np.maximum(window, floor + relief.top + GAP_MM, out=window)
        corner = np.array([col * CELL_MM, row * CELL_MM, floor])
        corner[:2] += shift_mm
        return np.asarray(self.rotation @ (corner - self.half - relief.low))
