"""Does a generator repeat scans that it learned from? The nearest of them, beside a yardstick."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """(n,) Euclidean distance of features; 0 is the same scan."""


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
        # Squares are differences of large numbers: they are not quite 0 where features are equal.
        distance[part] = np.linalg.norm(samples[part] - references[index[part]], axis=1)
    return Nearest(index, distance)


def at_no_distance(found: Nearest, same: np.ndarray) -> Nearest:
    """Return the nearest with a distance of 0 where a sample is known to be one of the references.

    Features of equal pictures may differ in their last bits.

    Examples
    --------
    >>> at_no_distance(Nearest(np.arange(2), np.ones(2)), np.array([True, False])).distance.tolist()
    [0.0, 1.0]
    """
    return replace(found, distance=np.where(same, 0.0, found.distance))


def copy_figures(made: Nearest, fresh: Nearest) -> dict[str, Any]:
    """Return how near generated scans come to training scans, beside fresh real ones.

    `near_copies` is the share of generated scans that are nearer than all but a hundredth of the
    fresh ones: about 0.01 for a generator that copies nothing. One that equals a training scan is
    a copy in any case; a fresh scan that does was not fresh, and is counted in place of compared.

    Examples
    --------
    >>> made, fresh = (Nearest(np.arange(3), np.array(far)) for far in ([0, 1, 5], [0, 3, 4]))
    >>> figures = copy_figures(made, fresh)
    >>> figures["near_copies"], figures["fresh_scans_left_out"]
    (0.666667, 1)
    """
    unseen = fresh.distance[fresh.distance > 0]
    limit = float(np.quantile(unseen, COPY_QUANTILE)) if unseen.size else 0.0
    copies = (made.distance == 0) | (made.distance < limit)
    usual = round(float(np.median(unseen)), 6) if unseen.size else None
    return {
        "median_distance": round(float(np.median(made.distance)), 6),
        "median_distance_of_fresh_scans": usual,
        "fresh_scans_left_out": len(fresh.distance) - len(unseen),
        "near_copies": round(float(copies.mean()), 6),
        "distinct_neighbours": len(np.unique(made.index)),
        "samples": len(made.index),
    }
