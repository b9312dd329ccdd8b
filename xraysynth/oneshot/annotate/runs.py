"""Label maps as short lists of numbers, as they travel between page and server."""

from __future__ import annotations

from typing import Any

import numpy as np

from xraysynth.errors import InputError


def runs_from(label_map: np.ndarray) -> list[int]:
    """Return a label map (H, W) as value, length, value, length, ..., row by row.

    Examples
    --------
    >>> runs_from(np.array([[0, 0], [0, 2]], np.uint8))
    [0, 3, 2, 1]
    """
    flat = label_map.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[0] + 1 if flat[0] < 255 else 0))
    lengths = np.diff(starts, append=len(flat))
    return np.stack([flat[starts].astype(int), lengths], 1).ravel().tolist()


def label_map_from(runs: Any, shape: tuple[int, int], n_classes: int) -> np.ndarray:
    """Return the label map (H, W) uint8 of such a list.

    Raises
    ------
    InputError
        It is not a list of whole numbers for this shape and these classes.

    Examples
    --------
    >>> label_map_from([0, 3, 2, 1], (2, 2), 3).tolist()
    [[0, 0], [0, 2]]
    """
    if not isinstance(runs, list) or len(runs) % 2 or not all(type(n) is int for n in runs):
        raise InputError("the labels are no list of values and lengths.", code="annotate-work")
    values, lengths = runs[::2], runs[1::2]
    fits = all(0 <= value < n_classes for value in values) and all(n > 0 for n in lengths)
    if not fits or sum(lengths) != shape[0] * shape[1]:
        raise InputError(
            f"the labels are not those of {shape[1]} x {shape[0]} pixels in {n_classes} classes.",
            code="annotate-work",
        )
    return np.repeat(np.array(values, np.uint8), lengths).reshape(shape)
