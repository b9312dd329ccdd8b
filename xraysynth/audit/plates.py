"""Class numbers beside the regions of a picture: colour alone does not reach everybody."""

from __future__ import annotations

import numpy as np

from xraysynth.shards.regions import Region, find_regions
from xraysynth.shards.samples import DescribeConfig

_GLYPHS = (
    "111101101101111",
    "010110010010111",
    "111001111100111",
    "111001111001111",
    "101101111001001",
    "111100111001111",
    "111100111101111",
    "111001001001001",
    "111101111101111",
    "111101111001111",
)
DIGITS = np.array([[int(bit) for bit in glyph] for glyph in _GLYPHS], bool).reshape(10, 5, 3)
"""The ten digits, 5 rows by 3 columns: a font that is the same on every machine."""
LARGEST = 12
"""Only so many regions get a number: more would hide the scan."""
SMALLEST_SHARE = 1 / 400
"""Regions smaller than this share of the picture get none."""


def plate(number: int, colour: np.ndarray, size: int = 2) -> np.ndarray:
    """Return a number in black on white with a frame in its colour, as (h, w, 3) uint8.

    Examples
    --------
    >>> plate(7, np.array([255, 0, 0]), size=1).shape
    (9, 7, 3)
    """
    gap = np.zeros((5, 1), bool)
    parts = [part for digit in str(number) for part in (DIGITS[int(digit)], gap)][:-1]
    ink = np.pad(np.concatenate(parts, axis=1), 1).repeat(size, axis=0).repeat(size, axis=1)
    made = np.empty((ink.shape[0] + 2, ink.shape[1] + 2, 3), np.uint8)
    made[:] = colour
    made[1:-1, 1:-1] = np.where(ink, 0, 255)[:, :, None]
    return made


def number_regions(
    picture: np.ndarray, label_map: np.ndarray, class_ids: list[int], colours: np.ndarray
) -> None:
    """Write the class id beside the largest regions of some classes, where it hides least.

    Parameters
    ----------
    picture : (H * scale, W * scale, 3) uint8, changed
    label_map : (H, W) integer
    class_ids : classes whose regions get a number
    colours : (K, 3) uint8
    """
    scale = picture.shape[0] // label_map.shape[0]
    smallest = max(1, int(label_map.size * SMALLEST_SHARE))
    regions = find_regions(label_map, class_ids, DescribeConfig(min_area_px=smallest))
    regions.sort(key=lambda region: -int(np.count_nonzero(region.inside)))
    hides = np.isin(label_map, class_ids).astype(np.int64)
    size = max(1, round(min(picture.shape[:2]) / 90))
    cost = hides.repeat(scale, axis=0).repeat(scale, axis=1)
    for region in regions[:LARGEST]:
        made = plate(region.class_id, colours[region.class_id], size)
        height, width = made.shape[:2]
        if height > picture.shape[0] or width > picture.shape[1]:
            return
        places = [
            (
                int(np.clip(row, 0, cost.shape[0] - height)),
                int(np.clip(col, 0, cost.shape[1] - width)),
            )
            for row, col in _places(region, scale, (height, width))
        ]
        costs = [int(cost[row : row + height, col : col + width].sum()) for row, col in places]
        row, col = places[int(np.argmin(costs))]
        # Far dearer than any item: no plate covers another while there is another place.
        cost[row : row + height, col : col + width] += 1000
        picture[row : row + height, col : col + width] = made


def _places(region: Region, scale: int, plate_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return where a plate may stand, its top left corner: touching the region on four sides."""
    rows, columns = np.nonzero(region.inside)
    rows, columns = rows + region.rows.start, columns + region.columns.start
    height, width = plate_size
    places = []
    for end in (int(rows.argmin()), int(rows.argmax())):
        above = end == int(rows.argmin())
        row = rows[end] * scale - height if above else (rows[end] + 1) * scale
        places.append((int(row), int(columns[end] * scale + (scale - width) // 2)))
    for end in (int(columns.argmin()), int(columns.argmax())):
        before = end == int(columns.argmin())
        column = columns[end] * scale - width if before else (columns[end] + 1) * scale
        places.append((int(rows[end] * scale + (scale - height) // 2), int(column)))
    middle = int(((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin())
    inside = (rows[middle] * scale - height // 2, columns[middle] * scale - width // 2)
    return [*places, (int(inside[0]), int(inside[1]))]
