"""Fit a scan into a fixed size without stretching it: scale, then pad with its own background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

STRIP_VALUES = 2**19
"""Values that are resampled at a time."""
ROUNDING_GUARD = 1e-6
"""Halves round up even where the mean is a rounding error short of them."""


@dataclass(frozen=True)
class Content:
    """Where the scan lies inside its letterbox, in pixels."""

    x: int
    y: int
    width: int
    height: int


def content_of(width_px: int, height_px: int, out_width_px: int, out_height_px: int) -> Content:
    """Return the largest centred rectangle of the scan's shape, to within a pixel.

    Examples
    --------
    >>> content_of(640, 480, 64, 64)
    Content(x=0, y=8, width=64, height=48)
    """
    scale = min(out_width_px / width_px, out_height_px / height_px)
    width = min(max(round(width_px * scale), 1), out_width_px)
    height = min(max(round(height_px * scale), 1), out_height_px)
    return Content((out_width_px - width) // 2, (out_height_px - height) // 2, width, height)


def background(image: np.ndarray) -> np.ndarray:
    """Return the (channel,) median of the outermost pixels: open belt, white or grey.

    The median, because bags touch the border of tightly cut scans.
    """
    ring = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    median: np.ndarray = np.median(ring, axis=0)
    return median


def resample(image: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """Return (row, col, channel) float64 of another size.

    Shrinking averages over the exact area of each new pixel, as a coarser detector
    would collect it, so that the mean is kept; enlarging interpolates linearly.
    """
    return _along_rows(_along_rows(image, height_px).swapaxes(0, 1), width_px).swapaxes(0, 1)


def area_weights(n_old: int, n_new: int) -> sparse.csr_array:
    """Return (new, old): the share of each new pixel that each old one covers, along one axis.

    Edges are counted in units of 1 / (n_old * n_new) of the axis, so whole numbers
    and exact. The matrix has fewer than n_old + n_new entries.

    Examples
    --------
    >>> area_weights(3, 2).toarray().round(3).tolist()
    [[0.667, 0.333, 0.0], [0.0, 0.333, 0.667]]
    """
    edges = np.union1d(np.arange(n_old + 1) * n_new, np.arange(n_new + 1) * n_old)
    start, length = edges[:-1], np.diff(edges)
    places = (start // n_old, start // n_new)
    return sparse.csr_array((length / n_old, places), shape=(n_new, n_old))


def linear_weights(n_old: int, n_new: int) -> sparse.csr_array:
    """Return (new, old): each new pixel between the two old ones whose centres are nearest.

    Examples
    --------
    >>> linear_weights(2, 4).toarray().tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    centre = np.clip((np.arange(n_new) + 0.5) * n_old / n_new - 0.5, 0, n_old - 1)
    before = np.minimum(centre.astype(int), max(n_old - 2, 0))
    after = np.minimum(before + 1, n_old - 1)
    share = centre - before
    values = np.concatenate([1 - share, share])
    places = (np.tile(np.arange(n_new), 2), np.concatenate([before, after]))
    return sparse.csr_array((values, places), shape=(n_new, n_old))


def _along_rows(image: np.ndarray, n_new: int) -> np.ndarray:
    """Resample along the first axis."""
    n_old = len(image)
    weights = area_weights(n_old, n_new) if n_new <= n_old else linear_weights(n_old, n_new)
    columns = image.reshape(n_old, -1)
    resampled = np.empty((n_new, columns.shape[1]))
    # In strips, because the product takes a copy of its input as float64.
    width = max(STRIP_VALUES // n_old, 1)
    for start in range(0, columns.shape[1], width):
        strip = slice(start, start + width)
        resampled[:, strip] = weights @ columns[:, strip]
    return resampled.reshape(n_new, *image.shape[1:])


def letterbox(image: np.ndarray, width_px: int, height_px: int) -> tuple[np.ndarray, Content]:
    """Return the scan inside a frame of the wanted size, and where it lies.

    Parameters
    ----------
    image : (row, col, channel) uint8 or uint16
    width_px, height_px : size of the frame

    Returns
    -------
    (height_px, width_px, channel) float64 in the units of `image`, not rounded; and the content

    Examples
    --------
    >>> framed, content = letterbox(np.full((20, 40, 1), 200, np.uint8), 8, 8)
    >>> framed.shape, content, float(framed.min())
    ((8, 8, 1), Content(x=0, y=2, width=8, height=4), 200.0)
    """
    content = content_of(image.shape[1], image.shape[0], width_px, height_px)
    frame = np.empty((height_px, width_px, image.shape[2]))
    frame[:] = background(image)
    rows = slice(content.y, content.y + content.height)
    cols = slice(content.x, content.x + content.width)
    frame[rows, cols] = resample(image, content.width, content.height)
    return frame, content


def to_integers(values: np.ndarray, from_bits: int, to_bits: int) -> np.ndarray:
    """Round intensities to another bit depth; full scale stays full scale.

    Examples
    --------
    >>> to_integers(np.array([0.0, 127.5, 255.0]), 8, 16).tolist()
    [0, 32768, 65535]
    """
    top = 2**to_bits - 1
    scaled = values * (top / (2**from_bits - 1))
    whole = np.floor(scaled + 0.5 + ROUNDING_GUARD)
    integers: np.ndarray = np.clip(whole, 0, top).astype(np.uint8 if to_bits == 8 else np.uint16)
    return integers
