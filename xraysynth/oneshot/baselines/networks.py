"""Networks on all features: an ensemble of per-pixel ones, and a small convolutional one.

References
----------
.. [1] Y. Zhang et al., "DatasetGAN", CVPR 2021, section 3.1: ten three-layer networks a pixel,
   whose votes are averaged here.
.. [2] N. Tritrong et al., "Repurposing GANs for One-shot Semantic Part Segmentation", CVPR 2021:
   a small network with dilated convolutions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.feature_maps import (
    BaselineConfig,
    standard_features,
    standard_statistics,
)
from xraysynth.oneshot.baselines.model import PixelModel, model_of
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
    features = standard_features(generator, taught.latent_w, prepared)
    flat, labels = features.permute(0, 2, 3, 1).flatten(0, 2), taught.labels.flatten()
    networks = []
    for number in range(config.networks):
        network = _seeded(
            lambda: per_pixel(flat.shape[1], taught.n_classes), stream_seed(seed, "mlp", number)
        ).to(flat.device)
        rng = stream(seed, "mlp pixels", number)
        shape = (config.network_steps, config.network_pixels)
        chosen = torch.from_numpy(rng.integers(0, len(flat), shape))
        batches = ((flat[some], labels[some]) for some in chosen)
        networks.append(_trained(network, batches, config.learning_rate))

    def scores(latent_w: Tensor) -> Tensor:
        maps = standard_features(generator, latent_w, prepared)
        pixels = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
        votes = [functional.softmax(network(pixels), dim=1) for network in networks]
        mean = torch.stack(votes).mean(0).clamp_min(1e-12).log()
        return mean.reshape(len(maps), *maps.shape[2:], -1).permute(0, 3, 1, 2)

    return model_of(generator, taught.class_names, scores)


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
    network = _seeded(
        lambda: convolutions(features.shape[1], taught.n_classes), stream_seed(seed, "cnn")
    ).to(device_of(generator))
    batches = itertools.repeat((features, taught.labels), config.steps)
    trained = _trained(network, batches, config.learning_rate)
    return model_of(
        generator,
        taught.class_names,
        lambda w: trained(standard_features(generator, w, prepared)),
    )


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


def _seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a network with weights from a seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _trained(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], rate: float
) -> nn.Module:
    """Return a network after a step of Adam on the cross-entropy of each batch, ready to use."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for values, labels in batches:
        loss = functional.cross_entropy(network(values), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)
