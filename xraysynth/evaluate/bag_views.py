"""What of a scan is compared: the middle of its bag, at half the size, framed alike.

Real scans come cut by hand, of any aspect ratio, padded when they were made square, and
compressed as JPEG; simulated ones are square and clean. None of this says anything of physics,
and a classifier would look at nothing else. So from every scan, real or simulated alike,
1. the padding is cut off (the table of scans says where it is),
2. the empty belt around the bag is cut off,
3. the largest square in the middle is kept, so that no shape shows,
4. it is averaged down to half the side of the scan: blocks of JPEG, which were 8 px in a picture
   that was shrunk once already, and ringing of resampling fall below a pixel.
Whatever else differs is left as it is, the colour of the air and the noise included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from xraysynth.errors import InputError
from xraysynth.scanfile import open_scans
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.scans.letterbox import background, resample, to_integers

BLOCK = 64
"""Scans in memory at a time."""
AIR_TOLERANCE = 0.06
"""Share of full scale by which a pixel must differ from the air to belong to the bag."""
LEAST_FILL = 0.04
"""Share of a row or column that must belong to it: a speck or a mouse pointer is no bag."""
LEAST_CROP_PX = 8
AIR_QUANTILE = 0.99


def bag_box(picture: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of what is no air, or of everything if there is nothing else.

    Parameters
    ----------
    picture : (row, col, channel) in [0, 1]
        Air is the median colour of the outermost pixels.

    Examples
    --------
    >>> picture = np.ones((20, 30, 1))
    >>> picture[4:16, 10:25] = 0.5
    >>> bag_box(picture)
    (slice(4, 16, None), slice(10, 25, None))
    """
    solid = np.abs(picture - background(picture)).max(-1) > AIR_TOLERANCE
    solid = ndimage.median_filter(solid, 3)
    found = []
    for axis in (0, 1):
        filled = np.flatnonzero(solid.mean(1 - axis) > LEAST_FILL)
        if len(filled) < LEAST_CROP_PX or filled[-1] + 1 - filled[0] < LEAST_CROP_PX:
            return slice(0, picture.shape[0]), slice(0, picture.shape[1])
        found.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return found[0], found[1]


def bag_view(picture: np.ndarray, side_px: int) -> np.ndarray:
    """Return the middle square of the bag, (side_px, side_px, channel), in the same unit.

    Parameters
    ----------
    picture : (row, col, channel) in [0, 1], without padding
    side_px : side of the result; a smaller bag is enlarged

    Examples
    --------
    >>> bag_view(np.ones((20, 30, 1)), 8).shape
    (8, 8, 1)
    """
    rows, cols = bag_box(picture)
    bag = picture[rows, cols]
    side = min(bag.shape[:2])
    top, left = (bag.shape[0] - side) // 2, (bag.shape[1] - side) // 2
    return resample(bag[top : top + side, left : left + side], side_px, side_px)


def views_of(scans: Path, chosen: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the views of some scans of a `scans.h5`, and for raw pairs their transmissions.

    Parameters
    ----------
    scans : a `scans.h5`, real or simulated
    chosen : indices, rising
    side_px : side of a view, in pixels

    Returns
    -------
    (n, side_px, side_px, 1 or 3) uint8, and (n, side_px, side_px, 2) float32 or None
        Raw pairs are shown in our own standard palette, both sides alike.

    Raises
    ------
    InputError
        If the file is none of scans.
    """
    views, raw = [], []
    for picture in _contents(scans, chosen):
        view = bag_view(picture, side_px)
        if view.shape[2] == 2:
            raw.append(view.astype(np.float32))
            views.append(pseudo_colour(view[..., 0], view[..., 1]))
        else:
            views.append(to_integers(view * 255, 8, 8))
    if not views:
        raise InputError(f"{scans} holds no scans to compare; want at least one.")
    return np.stack(views), np.stack(raw) if raw else None


def _contents(scans: Path, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (row, col, channel) in [0, 1] of each chosen scan, without padding."""
    with open_scans(scans) as file:
        images, table = file["images"], file["metadata"]
        top = np.iinfo(images.dtype).max
        for start in range(0, len(chosen), BLOCK):
            part = chosen[start : start + BLOCK]
            for image, row in zip(images[part], table[part], strict=True):
                x, y = int(row["content_x"]), int(row["content_y"])
                bottom, right = y + int(row["content_height"]), x + int(row["content_width"])
                picture = image[y:bottom, x:right] / top
                yield _against_air(picture) if picture.shape[2] == 2 else picture


def _against_air(pair: np.ndarray) -> np.ndarray:
    """Return raw signals as transmissions: the brightest hundredth of each channel is air."""
    air = np.quantile(pair, AIR_QUANTILE, axis=(0, 1))
    return np.clip(pair / np.maximum(air, 1e-6), 0, 1)
