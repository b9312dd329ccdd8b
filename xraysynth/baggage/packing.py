"""Where items go: dropped into the bag one on another, so that they never intersect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.items import Item
from xraysynth.scanner.projection import Part

CELL_MM = 12.0
TRIES = 8
WALL_MM = 14.0
"""Kept free at every wall of the bag: shell, frame and rails."""


@dataclass(kw_only=True, eq=False)
class Space:
    """The inside of a bag and how high it is filled, on a coarse grid in the bag's frame."""

    rotation: Float[np.ndarray, "3 3"]
    half: Float[np.ndarray, "3"]
    height: Float[np.ndarray, "row col"]
    """Top of what lies in each cell, in mm over the floor."""

    @classmethod
    def of_bag(cls, outer: Part) -> Space:
        """Return the empty space inside a bag's outer solid."""
        half = np.array(outer.shape.bounds) - WALL_MM
        cells = np.ceil(2 * half[:2] / CELL_MM).astype(int)
        return cls(rotation=outer.rotation, half=half, height=np.zeros((cells[1], cells[0])))

    def find(
        self, item: Item, rotation: np.ndarray, rng: np.random.Generator
    ) -> Float[np.ndarray, "3"] | None:
        """Find the lowest of a few random places for a turned item and fill it.

        Returns
        -------
        Where its origin goes, in mm in the tunnel's frame, or None if it fits nowhere.
        """
        low, high = item.extent(self.rotation.T @ rotation)
        room = 2 * self.half - (high - low)
        if (room < 0).any():
            return None
        best: tuple[float, np.ndarray, tuple[slice, slice]] | None = None
        for _ in range(TRIES):
            corner = rng.uniform(0, 1, 2) * room[:2]
            cells = self._cells(corner, (high - low)[:2])
            floor = float(self.height[cells].max())
            if best is None or floor < best[0] - 5.0:
                best = (floor, corner, cells)
        if best is None or best[0] > room[2]:
            return None
        floor, corner, cells = best
        self.height[cells] = floor + (high - low)[2] + 1.0
        at = np.array([*corner, floor + 0.5]) - self.half - low
        return np.asarray(self.rotation @ at)

    def _cells(self, corner: np.ndarray, size: np.ndarray) -> tuple[slice, slice]:
        """Return the rows and columns that a footprint touches."""
        first = np.floor(corner / CELL_MM).astype(int)
        last = np.minimum(np.ceil((corner + size) / CELL_MM).astype(int), self.height.shape[::-1])
        return slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))
