"""Which generated scans to label: those that hold many classes, and are like the others.

A scan crowded with every class is often an odd one, and what is learned from it does not carry
over. How typical a scan is can be told without a label: the pixels of other scans should find
pixels like themselves in it. The trade between the two was measured for one scan:
`docs/decisions/0006-one-shot-defaults.md`. Several scans shall first of all hold every class.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import ClusterConfig, cluster_statistics, mapped_latents
from xraysynth.oneshot.features import SiteMap, SiteStatistics, project

REFERENCE_SCANS = 64
REFERENCE_PIXELS = 4096
CANDIDATE_PIXELS = 1024
COMPONENTS = 16
REPEATED = 0.25
"""What a class still counts that one chosen scan shows in full."""


def strangeness(generator: Generator, latent_w: Tensor, seed: int) -> np.ndarray:
    """Return how unlike other generated scans each candidate is, without any label.

    Parameters
    ----------
    latent_w : (n, num_ws, w_dim)
        The candidates.

    Returns
    -------
    (n,)
        Mean distance from a pixel of other scans to the nearest pixel of the candidate, in the
        first 16 principal components of the hidden features that the segmenter reads.
    """
    config = ClusterConfig()
    site_map = _read_features(generator, cluster_statistics(generator, config, seed), config)
    others = mapped_latents(generator, REFERENCE_SCANS, 1.0, seed, "reference")
    reference = _pixels(generator, others, site_map, REFERENCE_PIXELS // REFERENCE_SCANS)
    components, mean = _principal(reference.flatten(0, 1))
    near = (reference.flatten(0, 1) - mean) @ components
    distances = []
    for batch in latent_w.split(16):
        found = (_pixels(generator, batch, site_map, CANDIDATE_PIXELS) - mean) @ components
        distances += [float(torch.cdist(near, pixels).min(1).values.mean()) for pixels in found]
    return np.array(distances)


def richest(n_classes: np.ndarray, strange: np.ndarray, typicality: float) -> int:
    """Return the index of the candidate with many classes and little strangeness.

    Both are compared in standard deviations over the candidates; `typicality` weighs the second.

    Examples
    --------
    >>> richest(np.array([9.0, 8.0, 3.0]), np.array([5.0, 1.0, 1.0]), 0.0)
    0
    >>> richest(np.array([9.0, 8.0, 3.0]), np.array([5.0, 1.0, 1.0]), 1.0)
    1
    """
    return int(np.argmax(_standard(n_classes) - typicality * _standard(strange)))


def covering(clear: np.ndarray, strange: np.ndarray, typicality: float, count: int) -> list[int]:
    """Return the indices of up to `count` candidates that together show many classes, greedily.

    Each next one is `richest` in what those before it lack. A class counts as many bits as it is
    rare among the candidates, and a quarter for each chosen one that shows it already. The more are
    chosen, the less any one of them must be typical.

    Parameters
    ----------
    clear : (n, classes) in [0, 1], how clearly a candidate shows a class, as `clear_classes` tells
    strange : (n,), as `strangeness` tells
    typicality : as for `richest`

    Examples
    --------
    The second candidate holds as much as the first, but the third what those lack.

    >>> clear = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 1, 0, 0, 0]])
    >>> covering(clear, np.zeros(4), 1.0, 2)
    [2, 0]
    """
    held_by = (clear > 0).mean(0)
    bits = np.where(held_by > 0, -np.log2(np.maximum(held_by, 1e-9)), 0)
    chosen: list[int] = []
    while len(chosen) < min(count, len(clear)):
        value = clear @ (bits * REPEATED ** clear[chosen].sum(0))
        left = np.setdiff1d(np.arange(len(clear)), chosen)
        best = richest(value[left], strange[left], typicality / count)
        chosen.append(int(left[best]))
    return chosen


def clear_classes(
    probability: np.ndarray, min_share: float, enough_share: float, min_confidence: float
) -> np.ndarray:
    """Return how clearly (classes,) a candidate (classes, H, W) shows each class, 0 to 1.

    Only sure pixels count, each as far as it is sure: 0 for less than `min_share` of all pixels,
    1 from `enough_share` on.

    Examples
    --------
    >>> probability = np.array([[[0.6, 0.6, 0.6, 0.2]], [[0.4, 0.4, 0.4, 0.8]]])
    >>> clear_classes(probability, 0.1, 0.4, 0.5).round(3).tolist()
    [1.0, 0.5]
    """
    label, highest = probability.argmax(0).ravel(), probability.max(0).ravel()
    sure, n_classes = highest >= min_confidence, len(probability)
    share = np.bincount(label[sure], minlength=n_classes) / label.size
    sum_sure = np.bincount(label[sure], weights=highest[sure], minlength=n_classes) / label.size
    return np.where(share >= min_share, np.minimum(sum_sure / max(enough_share, min_share), 1), 0)


def classes_present(probability: np.ndarray, min_share: float) -> list[int]:
    """Return the class ids with enough pixels, in order; pixels of the others go to these."""
    label = probability.argmax(0)
    share = np.bincount(label.ravel(), minlength=len(probability)) / label.size
    return [int(class_id) for class_id in np.flatnonzero(share >= min_share)]


def _standard(values: np.ndarray) -> np.ndarray:
    """Return values at mean 0 and deviation 1; 0 if they are all alike."""
    centred = values - values.mean()
    return centred / max(float(centred.std()), 1e-9)


def _read_features(
    generator: Generator, statistics: SiteStatistics, config: ClusterConfig
) -> SiteMap:
    """Return the map of raw features to the normalised ones that clustering reads."""
    coarsest = min(config.sites_from_px, generator.resolution)
    n_read = sum(site.channels for site in generator.sites if site.resolution >= coarsest)
    weights, row = [], 0
    for site in generator.sites:
        weight = torch.zeros(n_read, site.channels)
        if site.resolution >= coarsest:
            weight[row : row + site.channels] = torch.eye(site.channels)
            row += site.channels
        weights.append(weight.to(statistics.mean[0].device))
    bias = torch.zeros(n_read, device=statistics.mean[0].device)
    return SiteMap(weights=tuple(weights), bias=bias).after_normalisation(statistics)


def _pixels(generator: Generator, latent_w: Tensor, site_map: SiteMap, n_pixels: int) -> Tensor:
    """Return about `n_pixels` evenly spread pixels of each scan (n, pixels, features)."""
    parts = []
    for batch in latent_w.split(16):
        with torch.no_grad():
            _, maps = project(generator, batch, site_map, "bilinear")
        flat = maps.flatten(2).transpose(1, 2)
        # An odd stride does not fall into step with the rows.
        parts.append(flat[:, :: max(flat.shape[1] // n_pixels, 1) | 1])
    return torch.cat(parts)


def _principal(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first principal components (features, k) and the mean of pixels (n, features)."""
    mean = pixels.mean(0)
    centred = (pixels - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(pixels))
    return vectors[:, -COMPONENTS:].float(), mean
