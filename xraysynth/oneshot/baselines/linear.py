"""Linear heads, trained by Adam on the exemplars alone: on all features, or on fewer dimensions.

References
----------
.. [1] J. Xu and C. Zheng, "Linear Semantics in Generative Adversarial Networks", CVPR 2021
   (LinearGAN: a linear head on all upsampled features).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.feature_maps import (
    BaselineConfig,
    linear_map,
    sampled_pixels,
    standard_statistics,
)
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.baselines.training import pixels_of, seeded, trained
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.lesson import lesson
from xraysynth.randomness import stream


def all_features(generator: Generator, config: BaselineConfig, seed: int) -> SiteMap:
    """Return the map that keeps every feature, standardised."""
    statistics = standard_statistics(generator, config, seed)
    n_features = sum(site.channels for site in generator.sites)
    eye = torch.eye(n_features, device=device_of(generator))
    return linear_map(generator, eye, torch.zeros_like(eye[0]), statistics)


def principal_components(generator: Generator, config: BaselineConfig, seed: int) -> SiteMap:
    """Return the map to the first principal components, each at deviation 1."""
    statistics = standard_statistics(generator, config, seed)
    pixels = sampled_pixels(generator, statistics, config, seed)
    mean = pixels.mean(0)
    centred = (pixels - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(pixels))
    dim = min(config.dim, len(values))
    weight = (vectors[:, -dim:] / values[-dim:].clamp_min(1e-9).sqrt()).T.float()
    return linear_map(generator, weight, -weight @ mean, statistics)


def random_projection(generator: Generator, config: BaselineConfig, seed: int) -> SiteMap:
    """Return a map to random directions."""
    statistics = standard_statistics(generator, config, seed)
    n_features = sum(site.channels for site in generator.sites)
    rng = stream(seed, "random projection")
    drawn = rng.standard_normal((config.dim, n_features)) / n_features**0.5
    weight = torch.from_numpy(drawn).float().to(device_of(generator))
    return linear_map(generator, weight, torch.zeros_like(weight[:, 0]), statistics)


def teach_linear(
    generator: Generator,
    prepared: SiteMap,
    exemplars: Sequence[Exemplar],
    config: BaselineConfig,
    seed: int,
) -> PixelModel:
    """Return a linear head on mapped pixels, folded into the map; the seed is not needed."""
    taught = lesson(generator, exemplars)
    pixels = pixels_of(FeatureBatch(generator, taught.latent_w).mapped(prepared, "bilinear"))
    head = seeded(lambda: nn.Linear(pixels.shape[1], taught.n_classes), 0).to(pixels.device)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    batches = itertools.repeat((pixels, taught.labels.flatten()), config.steps)
    trained(head, batches, config.learning_rate)
    folded = prepared.folded(head.get_parameter("weight"), head.get_parameter("bias"))
    return PixelModel(
        generator=generator,
        class_names=taught.class_names,
        scores=lambda batch: batch.mapped(folded, "bilinear"),
    )
