"""Fréchet distance between two sets of features, each taken as a Gaussian."""

from __future__ import annotations

import numpy as np

from xraysynth.evaluate.feature_sets import centred, check_alike


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) of the sets' means and covariances.

    Parameters
    ----------
    first, second : (n, feature), (m, feature)
        Features; at least two samples each.

    Raises
    ------
    InputError
        If the widths differ, a set is too small, or a value is not finite.

    Notes
    -----
    tr (C1 C2)^½ is the sum of the singular values of F1 F2ᵀ for any factors Cᵢ = Fᵢᵀ Fᵢ. The
    centred samples are such factors, so nothing here needs more samples than features, nor a
    square root of a singular matrix. With few samples the distance of two sets of one source is
    far from 0: compare it with that of two halves, at the same counts.

    On features of EfficientNet-Lite0 it is called "FD (EfficientNet-Lite0)"; FID is the name for
    features of Inception alone.

    References
    ----------
    .. [1] D. C. Dowson, B. V. Landau, J. Multivariate Analysis 12 (1982), equation 16.
    .. [2] M. Heusel et al., NeurIPS 2017, equation 6.

    Examples
    --------
    A shift of three standard units along one axis.

    >>> points = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(frechet_distance(points, points + [3.0, 0.0]), 6)
    9.0
    """
    check_alike(first, second, least=2)
    mean_1, factor_1 = _gaussian(first)
    mean_2, factor_2 = _gaussian(second)
    spread = np.square(factor_1).sum() + np.square(factor_2).sum()
    shared = np.linalg.svd(factor_1 @ factor_2.T, compute_uv=False).sum()
    return float(max(np.square(mean_1 - mean_2).sum() + spread - 2 * shared, 0.0))


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and a factor F of the covariance Fᵀ F, at most (feature, feature)."""
    mean, offsets = centred(features)
    factor = offsets / np.sqrt(len(features) - 1)
    if len(factor) > factor.shape[1]:
        # R of QR is a factor as good, and no longer as long as the set.
        factor = np.linalg.qr(factor, mode="r")
    return mean, factor
