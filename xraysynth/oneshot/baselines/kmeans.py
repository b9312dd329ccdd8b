"""k-means on all features; each cluster takes the class that most of it has in the exemplars."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.feature_maps import (
    BaselineConfig,
    linear_map,
    sampled_pixels,
    standard_statistics,
)
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.lesson import lesson
from xraysynth.randomness import stream

SHARPNESS = 20.0
"""Score of a cluster's class above that of a class that the cluster does not hold at all."""


def nearest_centre(generator: Generator, config: BaselineConfig, seed: int) -> SiteMap:
    """Return the map whose largest output names the nearest centre.

    The distance to a centre is a linear function of the pixel, but for the pixel's own length.
    """
    statistics = standard_statistics(generator, config, seed)
    pixels = sampled_pixels(generator, statistics, config, seed)
    centres = lloyd(pixels, config.clusters, config.iterations, seed)
    return linear_map(generator, centres, -0.5 * centres.square().sum(1), statistics)


def lloyd(pixels: Tensor, n_clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the centres (clusters, C) of pixels (n, C); first centres are random pixels.

    Examples
    --------
    >>> corners = torch.tensor([[0.0, 0.0], [0.0, 0.2], [9.0, 9.0], [9.0, 9.2]])
    >>> lloyd(corners, 2, 5, seed=1)[:, 0].sort().values.tolist()
    [0.0, 9.0]
    """
    rng = stream(seed, "k-means")
    centres = pixels[torch.from_numpy(rng.permutation(len(pixels))[:n_clusters])].clone()
    for _ in range(iterations):
        nearest = (pixels @ centres.T - 0.5 * centres.square().sum(1)).argmax(1)
        total = torch.zeros_like(centres).index_add_(0, nearest, pixels)
        count = torch.bincount(nearest, minlength=len(centres))
        found = count > 0
        centres[found] = total[found] / count[found, None]
    return centres


def teach_names(
    generator: Generator,
    prepared: SiteMap,
    exemplars: Sequence[Exemplar],
    config: BaselineConfig,
    seed: int,
) -> PixelModel:
    """Return the model in which every cluster has the class of its pixels in the exemplars.

    A cluster without any takes that of the centre nearest to it. Neither settings nor seed matter.
    """
    taught = lesson(generator, exemplars)
    cluster = _clusters(FeatureBatch(generator, taught.latent_w), prepared)
    n_clusters = len(prepared.bias)
    pairs = torch.bincount(
        cluster.flatten() * taught.n_classes + taught.labels.flatten(),
        minlength=n_clusters * taught.n_classes,
    )
    counts = pairs.reshape(n_clusters, taught.n_classes).float()
    empty = counts.sum(1) == 0
    centres = torch.cat(prepared.weights, dim=1)
    distance = torch.cdist(centres, centres)
    distance[:, empty] = torch.inf
    counts[empty] = counts[distance.argmin(1)[empty]]
    share = SHARPNESS * counts / counts.sum(1, keepdim=True)

    return PixelModel(
        generator=generator,
        class_names=taught.class_names,
        scores=lambda batch: share[_clusters(batch, prepared)].permute(0, 3, 1, 2),
    )


def _clusters(batch: FeatureBatch, site_map: SiteMap) -> Tensor:
    """Return the cluster (n, H, W) of each pixel."""
    return batch.once(site_map, lambda: batch.mapped(site_map, "bilinear").argmax(1))
