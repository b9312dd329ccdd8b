"""Can a simple classifier tell two sets apart? The area under its curve on what it did not see."""

from __future__ import annotations

from dataclasses import dataclass

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


def held_out_auc(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, folds: int = FOLDS
) -> float:
    """Return the mean area under the curve over folds, each scored by a classifier without it.

    Parameters
    ----------
    first, second : (n, feature), (m, feature)
        At least `folds` samples each.
    rng : deals the samples out to folds

    Returns
    -------
    float
        0.5 for sets that cannot be told apart, give or take chance; 1 for certain ones.

    Raises
    ------
    InputError
        If a set has fewer samples than folds.
    """
    check_alike(first, second, least=folds)
    dealt = [rng.permutation(len(part)) % folds for part in (first, second)]
    areas = []
    for fold in range(folds):
        model = fit_logistic(first[dealt[0] != fold], second[dealt[1] != fold])
        held = (first[dealt[0] == fold], second[dealt[1] == fold])
        areas.append(area_under_curve(model.score(held[0]), model.score(held[1])))
    return float(np.mean(areas))


def separation(area: float, n_pairs: int) -> float:
    """Return d', the distance in deviations of two Gaussians whose curve has this area.

    An area near 1 moves no more, however far apart the sets are; d' still does. An area of
    exactly 0 or 1 is taken as half a pair from it.

    Examples
    --------
    >>> round(separation(0.7602, 10**6), 2)
    1.0
    """
    edge = 0.5 / max(n_pairs, 1)
    return float(np.sqrt(2) * special.ndtri(np.clip(area, edge, 1 - edge)))
