"""Touching items of one class told apart by the shape of their common region, with caution.

Where two items touch, their common outline is dented, and either side alone is far rounder than
both together. A single item may have a notch too, such as a pistol between barrel and grip, or a
narrow part, such as a spanner between its heads; its sides are then hardly rounder than the whole.
Most pairs are left together: breaking one item is the worse fault (`benchmarks/instances.py`
counts both).

References
----------
.. [1] P. Soille, Morphological Image Analysis, 2nd edition (2003), sections 6.3.1 (h-maxima) and
   9.2.3 (watershed of the distance function).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field
from scipy import ndimage
from skimage.morphology import convex_hull_image
from skimage.segmentation import watershed

from xraysynth.settings import Settings

MOST_DIVISIONS = 4
"""Divisions of divisions: at most two to the power of this many items."""
_CORNERS = np.ones((3, 3), bool)


class SplitConfig(Settings):
    """When a connected region is two items."""

    neck: float = Field(default=0.8, ge=0, le=1)
    """Largest width between the sides, as a share of the width of either; 0 never splits."""
    part: float = Field(default=0.2, ge=0, le=0.5)
    """Smallest share of the region that a side is."""
    solidity_gain: float = Field(default=0.18, ge=0, le=1)
    """By how much either side fills more of its convex hull than the region fills of its own."""


def split_touching(inside: np.ndarray, config: SplitConfig) -> np.ndarray:
    """Return the number of the item, 1 and up, of each pixel of one connected region.

    Parameters
    ----------
    inside : (H, W) bool
        One connected region.
    config : SplitConfig
        When it is two items; each of them may be two again.

    Returns
    -------
    (H, W) int32
        0 outside; items are numbered in reading order of their first pixels.

    Examples
    --------
    Two bars that touch at their ends, at a right angle, are two items; one bar is one.

    >>> bars = np.zeros((40, 40), bool)
    >>> bars[2:8, 2:30] = True
    >>> int(split_touching(bars, SplitConfig()).max())
    1
    >>> bars[9:38, 26:33] = bars[8, 26:28] = True
    >>> int(split_touching(bars, SplitConfig()).max())
    2
    """
    parts = np.zeros(inside.shape, np.int32)
    found = _divided(np.pad(inside, 1), config, MOST_DIVISIONS) if config.neck else []
    pieces = [piece[1:-1, 1:-1] for piece in found] or [inside]
    for number, piece in enumerate(sorted(pieces, key=lambda p: int(p.argmax())), start=1):
        parts[piece] = number
    return parts


def _divided(inside: np.ndarray, config: SplitConfig, divisions: int) -> list[np.ndarray]:
    """Return the items of a region that reaches no border."""
    pair = _pair(inside, config) if divisions else None
    if pair is None:
        return [inside]
    return [item for half in pair for item in _divided(half, config, divisions - 1)]


def _pair(inside: np.ndarray, config: SplitConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the sides that fill their hulls best, or None if no sides do well enough."""
    wanted = _solidity(inside) + config.solidity_gain
    if wanted > 1:  # Nothing fills its hull so well: most regions end here, and cost little.
        return None
    transform: Any = ndimage.distance_transform_edt
    depth = transform(inside)
    best = None
    for level in np.arange(0.5, config.neck * depth.max(), 0.5):
        halves = _halves(inside, depth, float(level), config)
        if halves is None:
            continue
        solidity = min(_solidity(half) for half in halves)
        if solidity >= wanted:
            wanted, best = solidity, halves
    return best


def _halves(
    inside: np.ndarray, depth: np.ndarray, level: float, config: SplitConfig
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the region divided where it is no wider than twice the level, or None."""
    cores, count = ndimage.label(depth > level, _CORNERS)
    if count < 2:
        return None
    peaks = np.asarray(ndimage.maximum(depth, cores, np.arange(1, count + 1)))
    deep = np.flatnonzero(peaks * config.neck >= level) + 1
    if len(deep) < 2:
        return None
    seeds = np.where(np.isin(cores, deep), cores, 0)
    parts = watershed(-depth, seeds, mask=inside, connectivity=2)
    first = parts == np.bincount(parts[inside]).argmax()
    second = inside & ~first
    share = min(int(first.sum()), int(second.sum())) / int(inside.sum())
    if share < config.part or ndimage.label(second, _CORNERS)[1] > 1:
        return None
    return first, second


def _solidity(region: np.ndarray) -> float:
    """Return the share of its convex hull that a region fills."""
    hull: Any = convex_hull_image
    return float(region.sum() / hull(region).sum())
