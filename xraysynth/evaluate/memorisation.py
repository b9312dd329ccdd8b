"""Does a generator repeat scans that it learned from? The nearest of them, beside a yardstick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xraysynth.evaluate.feature_sets import chunks, squared_distances

COPY_QUANTILE = 0.01
"""A scan nearer to a training scan than this share of fresh scans are counts as a near copy."""


@dataclass(frozen=True)
class Nearest:
    """For each sample, the most similar reference."""

    index: np.ndarray
    """(n,) which one."""
    distance: np.ndarray
    """(n,) Euclidean distance of features."""


def nearest(samples: np.ndarray, references: np.ndarray, *, same: bool = False) -> Nearest:
    """Return the nearest reference of every sample.

    Parameters
    ----------
    samples, references : (n, feature), (m, feature)
    same : whether both are one set, so that a sample's nearest is another one

    Examples
    --------
    >>> nearest(np.array([[0.0], [9.0]]), np.array([[1.0], [7.0]])).distance.tolist()
    [1.0, 2.0]
    """
    index, distance = np.empty(len(samples), np.int64), np.empty(len(samples))
    samples, references = samples.astype(np.float64), references.astype(np.float64)
    for part in chunks(len(samples)):
        squares = squared_distances(samples[part], references)
        if same:
            squares[np.arange(len(squares)), np.arange(part.start, part.stop)] = np.inf
        index[part] = squares.argmin(axis=1)
        distance[part] = np.sqrt(squares.min(axis=1))
    return Nearest(index, distance)


def copy_figures(made: Nearest, fresh: Nearest) -> dict[str, Any]:
    """Return how near generated scans come to training scans, beside fresh real ones.

    `near_copies` is the share of generated scans that are nearer than all but a hundredth of the
    fresh ones: about 0.01 for a generator that copies nothing.
    """
    limit = float(np.quantile(fresh.distance, COPY_QUANTILE))
    return {
        "median_distance": round(float(np.median(made.distance)), 6),
        "median_distance_of_fresh_scans": round(float(np.median(fresh.distance)), 6),
        "near_copies": round(float((made.distance < limit).mean()), 6),
        "distinct_neighbours": len(np.unique(made.index)),
        "samples": len(made.index),
    }
