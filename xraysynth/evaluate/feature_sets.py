"""What every comparison of two sets of features asks of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xraysynth.errors import InputError

CHUNK = 512
"""Rows of a matrix of distances in memory at a time."""


def check_alike(first: np.ndarray, second: np.ndarray, *, least: int) -> None:
    """Raise unless both are (sample, feature) of one width, finite, with `least` samples.

    Examples
    --------
    >>> check_alike(np.zeros((1, 3)), np.zeros((4, 3)), least=2)
    Traceback (most recent call last):
    ...
    xraysynth.errors.InputError: a set of features holds 1 samples; want at least 2 in each.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"sets of features have shapes {first.shape} and {second.shape}; "
            "want (sample, feature) with as many features in both."
        )
    fewest = min(len(first), len(second))
    if fewest < least:
        raise InputError(
            f"a set of features holds {fewest} samples; want at least {least} in each."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("a set of features holds values that are not finite; want numbers.")


def centred(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (feature,) and the offsets from it (sample, feature), in float64."""
    values = features.astype(np.float64)
    mean: np.ndarray = values.mean(0)
    return mean, values - mean


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Yield slices that cover `count` rows.

    Examples
    --------
    >>> list(chunks(5, 4))
    [slice(0, 4, None), slice(4, 5, None)]
    """
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (n, m) squared Euclidean distances, never negative.

    Examples
    --------
    >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).item()
    25.0
    """
    lengths = np.square(first).sum(1)[:, None] + np.square(second).sum(1)
    return np.maximum(lengths - 2 * first @ second.T, 0)
