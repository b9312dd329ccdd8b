"""Improved precision and recall: is what is made real, and is all that is real made?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xraysynth.evaluate.feature_sets import check_alike, chunks, squared_distances

NEIGHBOURS = 3


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]."""

    precision: float
    """Of the made samples, those that lie among real ones."""
    recall: float
    """Of the real samples, those that lie among made ones."""


def precision_recall(
    real: np.ndarray, made: np.ndarray, neighbours: int = NEIGHBOURS
) -> PrecisionRecall:
    """Return the shares of each set inside the other's manifold.

    A set's manifold is the union of balls around its samples, each as large as the distance to
    its `neighbours`-th nearest sample of the same set.

    Parameters
    ----------
    real, made : (n, feature), (m, feature)
        Features; more samples than `neighbours` each. Sets of one size are comparable.

    Raises
    ------
    InputError
        If the widths differ, a set is too small, or a value is not finite.

    References
    ----------
    .. [1] T. Kynkäänniemi et al., NeurIPS 2019, equations 1 and 2.

    Examples
    --------
    The made samples sit on one of two real clusters: all real, half missed.

    >>> cluster = np.arange(4.0)[:, None]
    >>> precision_recall(np.concatenate([cluster, cluster + 100]), cluster)
    PrecisionRecall(precision=1.0, recall=0.5)
    """
    check_alike(real, made, least=neighbours + 1)
    real, made = real.astype(np.float64), made.astype(np.float64)
    return PrecisionRecall(
        precision=_share_inside(made, real, neighbours),
        recall=_share_inside(real, made, neighbours),
    )


def _radii(samples: np.ndarray, neighbours: int) -> np.ndarray:
    """Return (n,) squared distances to the k-th nearest other sample."""
    radii = np.empty(len(samples))
    for part in chunks(len(samples)):
        distances = squared_distances(samples[part], samples)
        # The sample itself comes first, at exactly 0 whatever the rounding.
        distances[np.arange(len(distances)), np.arange(part.start, part.stop)] = 0
        radii[part] = np.partition(distances, neighbours, axis=1)[:, neighbours]
    return radii


def _share_inside(points: np.ndarray, samples: np.ndarray, neighbours: int) -> float:
    """Return the share of points inside any ball around the samples."""
    radii = _radii(samples, neighbours)
    inside = sum(
        int((squared_distances(points[part], samples) <= radii).any(1).sum())
        for part in chunks(len(points))
    )
    return inside / len(points)
