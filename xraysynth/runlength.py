"""Masks as run lengths in COCO's order: column by column, the first run counts zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Corner = tuple[int, int]
"""Row and column of a window's first pixel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Run lengths of many masks in one flat array, and what follows from them."""

    runs: np.ndarray
    """uint32: the runs of all masks, one mask after another."""
    n_runs: np.ndarray
    """(mask,) int64: how many of `runs` belong to each."""
    area_px: np.ndarray
    """(mask,) int64: pixels that are set."""
    boxes: np.ndarray
    """(mask, 4) float32: x_min, y_min, x_max, y_max around the set pixels; zeros if there are none.
    Pixel column c spans c to c + 1."""

    @property
    def starts(self) -> np.ndarray:
        """Where each mask begins in `runs`."""
        return np.cumsum(self.n_runs) - self.n_runs


def encode(windows: Sequence[np.ndarray], corners: Sequence[Corner], shape: Corner) -> Encoded:
    """Encode masks that are known inside windows of a picture, all at once.

    Parameters
    ----------
    windows : boolean arrays (row, col), of any sizes
    corners : where the first pixel of each lies in the picture
    shape : rows and columns of the picture

    Returns
    -------
    Encoded
        For every mask the `counts` of COCO's uncompressed run lengths: their sum is the number of
        pixels, and a mask without pixels is one run of zeros.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Microsoft COCO", ECCV 2014, arXiv 1405.0312; the form of `counts` is
       that of `annotations.segmentation` with `iscrowd` 1.

    Examples
    --------
    >>> square = np.ones((2, 2), dtype=bool)
    >>> encode([square], [(1, 0)], (4, 3)).runs.tolist()
    [1, 2, 2, 2, 5]
    """
    start, stop, owner, where = _segments(
        windows, np.array(corners, np.int64).reshape(-1, 2), shape[0]
    )
    n_segments = np.bincount(owner, minlength=len(windows))
    area = np.bincount(owner, weights=stop - start, minlength=len(windows)).astype(np.int64)
    boxes = _boxes(where, n_segments)
    # Columns that are set to their last pixel go on in the next one: one run.
    apart = (start[1:] != stop[:-1]) | (owner[1:] != owner[:-1])
    first, last = (
        np.concatenate(ends)[: len(start)] for ends in (([True], apart), (apart, [True]))
    )
    start, stop, owner = start[first], stop[last], owner[first]
    runs, n_runs = _lengths(start, stop, owner, (len(windows), shape[0] * shape[1]))
    return Encoded(runs=runs, n_runs=n_runs, area_px=area, boxes=boxes)


def decode(runs: np.ndarray, shape: Corner) -> np.ndarray:
    """Return the mask (row, col) bool that run lengths describe.

    Raises
    ------
    ValueError
        If the runs do not fill the picture.

    Examples
    --------
    >>> decode(np.array([1, 2, 2, 2, 5]), (4, 3)).astype(int).tolist()
    [[0, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    counts = np.asarray(runs, dtype=np.int64)
    if counts.sum() != shape[0] * shape[1]:
        raise ValueError(
            f"the runs fill {counts.sum()} pixels; want {shape[0]} x {shape[1]}, the whole picture."
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, counts).reshape(shape[1], shape[0]).T)


def _segments(
    windows: Sequence[np.ndarray], corners: np.ndarray, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the runs of set pixels within columns: first and past-last place, mask, box."""
    sizes = np.array([window.shape for window in windows], dtype=np.int64).reshape(-1, 2)
    # All windows column by column in one line; a zero after each column ends its runs.
    lengths = sizes[:, 1] * (sizes[:, 0] + 1)
    offsets = np.cumsum(lengths) - lengths + 1
    line = np.zeros(int(lengths.sum()) + 1, dtype=bool)
    for window, offset, length in zip(windows, offsets.tolist(), lengths.tolist(), strict=True):
        rows, cols = window.shape
        line[offset : offset + length].reshape(cols, rows + 1)[:, :rows] = window.T
    edges = np.flatnonzero(line[1:] != line[:-1]) + 1
    first, last = edges[::2], edges[1::2] - 1
    owner = np.searchsorted(offsets, first, side="right") - 1
    column, row = np.divmod(first - offsets[owner], sizes[owner, 0] + 1)
    column += corners[owner, 1]
    row += corners[owner, 0]
    end_row = row + last - first + 1
    start = column * height + row
    where = np.stack([column, row, column + 1, end_row], axis=1)
    return start, start + end_row - row, owner, where


def _boxes(where: np.ndarray, n_segments: np.ndarray) -> np.ndarray:
    """Return the boxes around each mask's segments."""
    boxes = np.zeros((len(n_segments), 4), dtype=np.float32)
    some = n_segments > 0
    if some.any():
        first = (np.cumsum(n_segments) - n_segments)[some]
        boxes[some, :2] = np.minimum.reduceat(where[:, :2], first, axis=0)
        boxes[some, 2:] = np.maximum.reduceat(where[:, 2:], first, axis=0)
    return boxes


def _lengths(
    start: np.ndarray, stop: np.ndarray, owner: np.ndarray, size: Corner
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of zeros and ones in turn for `size` = (masks, pixels)."""
    n_masks, n_pixels = size
    n_ones = np.bincount(owner, minlength=n_masks)
    # Borders of every mask: 0, then starts and stops in turn, then the end of the picture.
    n_borders = 2 * n_ones + 2
    first = np.cumsum(n_borders) - n_borders
    borders = np.zeros(int(n_borders.sum()), dtype=np.int64)
    borders[first + n_borders - 1] = n_pixels
    place = np.arange(len(start)) * 2 + 2 * owner + 1
    borders[place], borders[place + 1] = start, stop
    lengths, mask = np.diff(borders), np.repeat(np.arange(n_masks), n_borders)
    within = mask[1:] == mask[:-1]
    # A mask that is set to the last pixel needs no run of zeros after it.
    is_last = np.zeros(len(borders), dtype=bool)
    is_last[first[1:] - 1] = True
    is_last[-1:] = True
    kept = within & ~(is_last[1:] & (lengths == 0))
    return lengths[kept].astype(np.uint32), np.bincount(mask[1:][kept], minlength=n_masks)
