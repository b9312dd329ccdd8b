"""Networks on all features: an ensemble of per-pixel ones, and a small convolutional one.

References
----------
.. [1] Y. Zhang et al., "DatasetGAN", CVPR 2021, section 3.1: ten three-layer networks a pixel,
   whose votes are averaged here.
.. [2] N. Tritrong et al., "Repurposing GANs for One-shot Semantic Part Segmentation", CVPR 2021:
   a small network with dilated convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.feature_maps import (
    BaselineConfig,
    standard_features,
    standard_statistics,
)
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.baselines.training import (
    per_pixel_layers,
    pixels_of,
    seeded,
    split_first,
    through_layers,
    trained,
)
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteStatistics, device_of
from xraysynth.oneshot.lesson import lesson
from xraysynth.randomness import stream, stream_seed

HIDDEN = (128, 32)
"""Widths of a per-pixel network for up to thirty classes, as in [1]_."""

prepare = standard_statistics


def teach_ensemble(
    generator: Generator,
    prepared: SiteStatistics,
    exemplars: Sequence[Exemplar],
    config: BaselineConfig,
    seed: int,
) -> PixelModel:
    """Return ten per-pixel networks; their probabilities are averaged."""
    taught = lesson(generator, exemplars)
    pixels = pixels_of(standard_features(generator, taught.latent_w, prepared))
    labels = taught.labels.flatten()
    networks = []
    for number in range(config.networks):
        rng = stream(seed, "mlp pixels", number)
        shape = (config.network_steps, config.network_pixels)
        chosen = torch.from_numpy(rng.integers(0, len(pixels), shape))
        batches = ((pixels[some], labels[some]) for some in chosen)
        build = partial(per_pixel, pixels.shape[1], taught.n_classes)
        own_seed = stream_seed(seed, "mlp", number)
        first, learned = _learned(generator, prepared, build, batches, (config, own_seed))
        networks.append((first, per_pixel_layers(learned)))

    def scores(batch: FeatureBatch) -> Tensor:
        votes = [
            functional.softmax(through_layers(first(batch), layers), dim=1)
            for first, layers in networks
        ]
        return torch.stack(votes).mean(0).clamp_min(1e-12).log()

    return PixelModel(generator=generator, class_names=taught.class_names, scores=scores)


def teach_convolutions(
    generator: Generator,
    prepared: SiteStatistics,
    exemplars: Sequence[Exemplar],
    config: BaselineConfig,
    seed: int,
) -> PixelModel:
    """Return a small convolutional network on the concatenated features."""
    taught = lesson(generator, exemplars)
    features = standard_features(generator, taught.latent_w, prepared)
    build = partial(convolutions, features.shape[1], taught.n_classes)
    batches = _crops(features, taught.labels, config, seed)
    settings = (config, stream_seed(seed, "cnn"))
    first, learned = _learned(generator, prepared, build, batches, settings)
    others = nn.Sequential(*list(learned.children())[1:])
    return PixelModel(
        generator=generator,
        class_names=taught.class_names,
        scores=lambda batch: others(first(batch)),
    )


def _learned(
    generator: Generator,
    statistics: SiteStatistics,
    build: Callable[[], nn.Module],
    batches: Iterable[tuple[Tensor, Tensor]],
    settings: tuple[BaselineConfig, int],
) -> tuple[Callable[[FeatureBatch], Tensor], nn.Module]:
    """Return a network after training, its first layer also as a map of each site's features."""
    config, seed = settings
    network = seeded(build, seed).to(device_of(generator))
    learned = trained(network, batches, config.learning_rate)
    return split_first(generator, learned, statistics), learned


def per_pixel(n_features: int, n_classes: int) -> nn.Module:
    """Return a per-pixel network, as in [1]_: features (n, C) to scores (n, K)."""
    first, second = HIDDEN
    return nn.Sequential(
        *(nn.Linear(n_features, first), nn.ReLU(), nn.BatchNorm1d(first)),
        *(nn.Linear(first, second), nn.ReLU(), nn.BatchNorm1d(second)),
        nn.Linear(second, n_classes),
    )


def convolutions(n_features: int, n_classes: int) -> nn.Module:
    """Return a network in the manner of [2]_: features (n, C, H, W) to scores (n, K, H, W)."""
    return nn.Sequential(
        *(nn.Conv2d(n_features, 128, 1), nn.ReLU()),
        *(nn.Conv2d(128, 64, 3, padding=2, dilation=2), nn.ReLU()),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(64, 32, 3, padding=1), nn.ReLU()),
        nn.Conv2d(32, n_classes, 1),
    )


def _crops(
    features: Tensor, labels: Tensor, config: BaselineConfig, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a random part of the scans a step, features (n, C, h, w) and labels (n, h, w)."""
    rng = stream(seed, "cnn crops")
    for _ in range(config.steps):
        where = []
        for length in labels.shape[1:]:
            side = max(round(length * config.crop), 1)
            start = int(rng.integers(length - side + 1))
            where.append(slice(start, start + side))
        yield features[:, :, where[0], where[1]], labels[:, where[0], where[1]]
