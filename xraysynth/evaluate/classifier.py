"""Can a simple classifier tell two sets apart? The area under its curve on what it did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from xraysynth.evaluate.feature_sets import check_alike

PENALTY = 0.01
"""Weight of |w|² / 2 beside the mean loss; fixed, so that no figure is the best of several."""
FOLDS = 5


@dataclass(frozen=True)
class Logistic:
    """A regularised linear classifier on standardised features."""

    weights: np.ndarray
    """(feature,) per standard deviation of each feature; positive speaks for the first set."""
    offset: float
    mean: np.ndarray
    deviation: np.ndarray

    def score(self, features: np.ndarray) -> np.ndarray:
        """Return the log odds (sample,) of the first set."""
        standard = (features - self.mean) / self.deviation
        return np.asarray(standard @ self.weights + self.offset)


def fit_logistic(first: np.ndarray, second: np.ndarray, penalty: float = PENALTY) -> Logistic:
    """Return the classifier of least mean log loss, both sets weighing alike.

    Parameters
    ----------
    first, second : (n, feature), (m, feature)
    penalty : of the squared weights; the offset is free

    Examples
    --------
    >>> model = fit_logistic(np.array([[1.0], [2.0]]), np.array([[-1.0], [-2.0]]))
    >>> bool(model.score(np.array([[3.0]])) > 0)
    True
    """
    check_alike(first, second, least=1)
    both = np.concatenate([first, second]).astype(np.float64)
    mean, deviation = both.mean(0), both.std(0)
    deviation = np.where(deviation > 1e-12, deviation, 1.0)
    sign = np.concatenate([np.ones(len(first)), -np.ones(len(second))])
    share = np.where(sign > 0, 0.5 / len(first), 0.5 / len(second))
    standard = (both - mean) / deviation

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offset = parameters[:-1], parameters[-1]
        margin = sign * (standard @ weights + offset)
        slope = -sign * share * special.expit(-margin)
        value = (share * np.logaddexp(0, -margin)).sum() + penalty / 2 * weights @ weights
        return float(value), np.append(standard.T @ slope + penalty * weights, slope.sum())

    start = np.zeros(both.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Logistic(found[:-1], float(found[-1]), mean, deviation)


def area_under_curve(first: np.ndarray, second: np.ndarray) -> float:
    """Return the chance that a score of the first set exceeds one of the second; ties half.

    Examples
    --------
    >>> area_under_curve(np.array([2.0, 1.0]), np.array([1.0, 0.0]))
    0.875
    """
    ranks = stats.rankdata(np.concatenate([first, second]))
    n_first, n_second = len(first), len(second)
    above = ranks[:n_first].sum() - n_first * (n_first + 1) / 2
    return float(above / (n_first * n_second))


class HeldOut(NamedTuple):
    """How well scans that the classifier did not see are told apart."""

    area: float
    """Under the curve: 0.5 is chance, 1 certain. Near 1 it moves no more."""
    separation: float
    """d': difference of the sets' mean scores over their pooled deviation. 0 is chance; it goes
    on growing where the area cannot."""


def held_out(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, folds: int = FOLDS
) -> HeldOut:
    """Return the means over folds, each scored by a classifier that was fitted without it.

    Parameters
    ----------
    first, second : (n, feature), (m, feature)
        At least two samples a fold each.
    rng : deals the samples out to folds

    Raises
    ------
    InputError
        If a set has too few samples.
    """
    check_alike(first, second, least=2 * folds)
    dealt = [rng.permutation(len(part)) % folds for part in (first, second)]
    found = []
    for fold in range(folds):
        model = fit_logistic(first[dealt[0] != fold], second[dealt[1] != fold])
        one = model.score(first[dealt[0] == fold])
        two = model.score(second[dealt[1] == fold])
        found.append((area_under_curve(one, two), separation(one, two)))
    areas, separations = zip(*found, strict=True)
    return HeldOut(float(np.mean(areas)), float(np.mean(separations)))


def separation(first: np.ndarray, second: np.ndarray) -> float:
    """Return d', the difference of mean scores over their pooled standard deviation.

    Examples
    --------
    >>> separation(np.array([3.0, 5.0]), np.array([1.0, 3.0]))
    2.0
    """
    deviation = np.sqrt((first.var() + second.var()) / 2)
    return float((first.mean() - second.mean()) / max(deviation, 1e-12))
