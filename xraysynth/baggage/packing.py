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
WALLS_MM = (12.0, 12.0, 7.0)
"""Kept free at every wall of the bag: shell, frame, rails and lining."""
FULL_MM = 1e4
"""Height of cells outside the bag's outline."""
STRIDE = 2
EVEN_MM = 30.0
"""How much lower a place must be to be surely preferred."""
OVER_CELLS = 1.0
"""How far an item may lie from what it is to cover, beyond the nearest place."""
SQUEEZED = 0.4
"""Share of its height that a soft item takes up: the hollows of one hold the folds of the next."""
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
        thick = relief.size[2] * (SQUEEZED if item.soft else 1.0)
        ceiling = 2 * self.half[2] * self.fill - thick
        room = np.array(self.height.shape) - relief.bottom.shape
        if room.min() < 0 or ceiling < 0:
            return None
        # Every other place is enough: a cell is small, and which ones is left to chance.
        first = np.minimum(rng.integers(0, STRIDE, 2), room)
        floors = self._floors(item, relief, first)
        if over is not None:
            local = (self.rotation.T @ np.array([*over, 0.0]) + self.half)[1::-1] / CELL_MM
            apart = first[:, None, None] + STRIDE * np.indices(floors.shape)
            apart = apart + np.array(relief.bottom.shape)[:, None, None] / 2 - local[:, None, None]
            apart = np.abs(apart).max(axis=0)
            floors = np.where(apart <= apart.min() + OVER_CELLS, floors, np.inf)
        # A little lower is not worth crowding one corner.
        liked = np.where(floors > ceiling, np.inf, floors) + rng.uniform(0, EVEN_MM, floors.shape)
        row, col = np.unravel_index(int(np.argmin(liked)), floors.shape)
        floor = float(floors[row, col])
        if floor > ceiling:
            return None
        row, col = first + STRIDE * np.array([row, col])
        self._fill(item, relief, (int(row), int(col)), floor)
        corner = np.array([col * CELL_MM, row * CELL_MM, floor])
        corner[:2] += shift_mm
        return np.asarray(self.rotation @ (corner - self.half - relief.low))

    def _floors(self, item: Item, relief: Relief, first: np.ndarray) -> np.ndarray:
        """Return how high an item would lie at every other place from the first one on."""
        windows = sliding_window_view(self.height, relief.bottom.shape)
        windows = windows[first[0] :: STRIDE, first[1] :: STRIDE]
        # What is soft drapes over the things below, what is hard rests on the highest of them.
        if item.soft:
            return np.asarray(windows.sum(axis=(2, 3)) / relief.bottom.size)
        return np.maximum((windows - relief.bottom).max(axis=(2, 3)), 0)

    def _fill(self, item: Item, relief: Relief, place: tuple[int, int], floor: float) -> None:
        """Raise the height under an item."""
        rows, cols = relief.bottom.shape
        window = self.height[place[0] : place[0] + rows, place[1] : place[1] + cols]
        top = (window + SQUEEZED * relief.top if item.soft else floor + relief.top) + GAP_MM
        # Soft things are squeezed where there is little room over something high.
        np.maximum(window, np.minimum(top, 2 * self.half[2]), out=window)
