"""The published one-shot recipe, as its paper describes it, to compare with.

All features, neither normalised nor smoothed, go through one bias-free linear map to 512 values;
that map and thousands of prototypes learn from pairs of views by swapped prediction. A block of
`latent_w` is replaced by another scan's in each view, coarse blocks too. Then the prototypes are
dropped, and a 3x3 convolution learns from the one labelled scan. Two things differ from the
release, both to its benefit: codes are computed in logarithms, and, unless `warp` is "apart", both
views are turned and mirrored alike, so that the pixels they share are the same ones.

References
----------
.. [1] A. Manerikar and A. C. Kak, "Self-Supervised One-Shot Learning for Automatic Segmentation of
   StyleGAN Images", arXiv 2303.05639.
.. [2] Y. You et al., "Large Batch Training of Convolutional Networks", arXiv 1708.03888.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.baselines.training import seeded, trained
from xraysynth.oneshot.clustering import mapped_latents, sinkhorn_codes
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.lesson import lesson
from xraysynth.oneshot.views import (
    ViewConfig,
    draw_view,
    sample_at,
    swap_rows,
    swappable_blocks,
    warp_matrix,
)
from xraysynth.randomness import stream, stream_seed
from xraysynth.settings import Settings

PUBLISHED_PIXELS = 256 * 256
"""Pixels of the scans that the recipe was made for."""


class PublishedConfig(Settings):
    """The recipe's numbers; [1]_ unless said otherwise."""

    steps: int = Field(100, ge=0)
    """Optimiser steps, one fresh scan each."""
    draws: int = Field(5, ge=1)
    """Draws of pixels from each pair of views; each is a step of its own."""
    pixels: int = Field(20_000, ge=16)
    """Pixels a draw of the 65,536 of a 256 px scan; of a smaller scan the same share."""
    dim: int = Field(512, ge=2)
    """Values that a pixel is projected to."""
    prototypes: int = Field(4000, ge=2)
    """Number of clusters; at most a fifth of a draw's pixels, which is what 256 px scans have."""
    temperature: float = Field(0.01, gt=0)
    """Of the softmax over prototypes."""
    epsilon: float = Field(0.005, gt=0)
    """Entropy of the codes."""
    sinkhorn_iterations: int = Field(10, ge=1)
    """Row and column normalisations."""
    learning_rate: float = Field(0.01, gt=0)
    """Of SGD with momentum 0.9."""
    trust: float = Field(0.01, gt=0)
    """LARC: a step is at most this share of a weight's norm, for a gradient of norm 1."""
    rotation_deg: float = Field(10.0, ge=0)
    """Largest rotation of the feature maps."""
    swap_from_px: int = Field(8, ge=4)
    """Coarsest block that may be replaced; 8 makes it one of six at 256 px."""
    warp: Literal["alike", "apart"] = "alike"
    """Whether both views are turned alike; "apart" is the release, which loses correspondence."""
    head_steps: int = Field(200, ge=1)
    """Steps of Adam for the head."""
    head_learning_rate: float = Field(1e-3, gt=0)
    """Of Adam for the head."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What the recipe learns without labels."""

    site_map: SiteMap
    """Raw features to `dim` values."""
    losses: tuple[float, ...]
    """Swapped-prediction loss of each step."""


def learn_projection(generator: Generator, config: PublishedConfig, seed: int) -> Projection:
    """Return the projection after the recipe's steps; its prototypes are dropped."""
    channels = [site.channels for site in generator.sites]
    weight = _uniform((config.dim, sum(channels)), seed, "projection").to(device_of(generator))
    n_prototypes = min(config.prototypes, max(_drawn_pixels(generator, config) // 5, 2))
    prototypes = _uniform((n_prototypes, config.dim), seed, "prototypes").to(weight.device)
    momenta = [torch.zeros_like(weight), torch.zeros_like(prototypes)]
    losses: list[float] = []
    for step in range(config.steps):
        views = _views(generator, config, seed, step)
        for draw in range(config.draws):
            chosen = _chosen(generator, config, seed, (step, draw))
            prototypes = functional.normalize(prototypes, dim=1)
            parameters = [weight.requires_grad_(), prototypes.requires_grad_()]
            loss = _swapped_loss([view[chosen] for view in views], parameters, config)
            gradients = torch.autograd.grad(loss, parameters)
            weight, prototypes = (
                larc_step(parameter.detach(), gradient, momentum, config)
                for parameter, gradient, momentum in zip(
                    parameters, gradients, momenta, strict=True
                )
            )
            losses.append(float(loss.detach()))
    site_map = SiteMap(weights=weight.split(channels, dim=1), bias=weight.new_zeros(config.dim))
    return Projection(site_map=site_map, losses=tuple(losses))


def larc_step(
    parameter: Tensor, gradient: Tensor, momentum: Tensor, config: PublishedConfig
) -> Tensor:
    """Return a parameter after one step of SGD whose rate is clipped by the ratio of norms [2]_.

    `momentum` is updated in place.

    Examples
    --------
    >>> config = PublishedConfig(learning_rate=0.5, trust=0.1)
    >>> one = torch.ones(1)
    >>> round(larc_step(4 * one, 8 * one, torch.zeros(1), config).item(), 6)
    3.6
    """
    norm, slope = float(parameter.norm()), float(gradient.norm())
    rate = config.learning_rate
    if norm > 0 and slope > 0:
        rate = min(rate, config.trust * norm / slope)
    momentum.mul_(0.9).add_(gradient, alpha=rate)
    return parameter - momentum


def teach_head(
    generator: Generator,
    prepared: Projection,
    exemplars: Sequence[Exemplar],
    config: PublishedConfig,
    seed: int,
) -> PixelModel:
    """Return a 3x3 convolution on projected pixels, trained on the exemplars by Adam."""
    taught = lesson(generator, exemplars)
    head = seeded(
        lambda: FewOutputs(config.dim, taught.n_classes, 3, padding=1),
        stream_seed(seed, "published head"),
    ).to(device_of(generator))
    known = FeatureBatch(generator, taught.latent_w).mapped(prepared.site_map, "nearest")
    batches = itertools.repeat((known, taught.labels), config.head_steps)
    trained(head, batches, config.head_learning_rate)

    def scores(batch: FeatureBatch) -> Tensor:
        maps = batch.once(prepared, lambda: batch.mapped(prepared.site_map, "nearest"))
        found: Tensor = head(maps)
        return found

    return PixelModel(generator=generator, class_names=taught.class_names, scores=scores)


class FewOutputs(nn.Conv2d):
    """A 3x3 convolution with few outputs, many times faster than the general form.

    Every pixel gives its nine shares, one matrix product; they are added up where they belong.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return what the convolution of maps (n, D, H, W) gives (n, K, H, W)."""
        shares = self.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2) @ maps.flatten(2)
        summed = functional.fold(shares, tuple(maps.shape[2:]), 3, padding=1)
        assert self.bias is not None
        return summed + self.bias[:, None, None]


def _uniform(shape: tuple[int, int], seed: int, name: str) -> Tensor:
    """Return first weights of a linear layer (outputs, inputs)."""
    limit = shape[1] ** -0.5
    values = stream(seed, "published", name).uniform(-limit, limit, shape)
    return torch.from_numpy(values).float()


def _views(generator: Generator, config: PublishedConfig, seed: int, step: int) -> list[Tensor]:
    """Return all features (pixels, C) of two views of one fresh scan."""
    rng = stream(seed, "published views", step)
    blocks = swappable_blocks(generator, config.swap_from_px)
    limits = ViewConfig(rotation_deg=config.rotation_deg, shift=0)
    draws = [draw_view(limits, blocks, rng) for _ in range(2)]
    latent_w = mapped_latents(generator, 1, 1.0, seed, "published scan", step)
    views = []
    for number, draw in enumerate(draws):
        other_w = mapped_latents(generator, 1, 1.0, seed, "published other", step, number)
        turned = draw if config.warp == "apart" else draws[0]
        mixed = swap_rows(latent_w, other_w, draw)
        positions = _centres(generator.size_px) @ warp_matrix(turned).T
        views.append(_features_at(generator, mixed, positions[:, :2]))
    return views


def _centres(size: tuple[int, int]) -> Tensor:
    """Return the pixel centres (H * W, 3) as (x, y, 1) in [-1, 1]."""
    rows, columns = ((2 * torch.arange(length) + 1) / length - 1 for length in size)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 2)
    return torch.cat([grid, torch.ones(len(grid), 1)], dim=1)


def _features_at(generator: Generator, latent_w: Tensor, positions: Tensor) -> Tensor:
    """Return all features (pixels, C) of one scan, upsampled by repetition, at some positions."""
    parts: list[Tensor] = []
    width = generator.size_px[1]
    at = positions.to(latent_w.device)

    def keep(_: int, activation: Tensor) -> None:
        maps = functional.interpolate(activation.float(), scale_factor=width // activation.shape[3])
        parts.append(sample_at(maps, at)[0])

    with torch.no_grad():
        generator.synthesis(latent_w, noise_mode="const", on_activation=keep)
    return torch.cat(parts, dim=1)


def _chosen(
    generator: Generator, config: PublishedConfig, seed: int, names: tuple[int, int]
) -> Tensor:
    """Return the pixels of a draw, the same in both views."""
    n_pixels = int(np.prod(generator.size_px))
    order = stream(seed, "published pixels", *names).permutation(n_pixels)
    return torch.from_numpy(order[: _drawn_pixels(generator, config)])


def _drawn_pixels(generator: Generator, config: PublishedConfig) -> int:
    """Return how many pixels a draw has."""
    n_pixels = int(np.prod(generator.size_px))
    return min(n_pixels, max(round(config.pixels * n_pixels / PUBLISHED_PIXELS), 16))


def _swapped_loss(views: list[Tensor], parameters: list[Tensor], config: PublishedConfig) -> Tensor:
    """Return the loss of telling each view's codes from the other view's pixels."""
    weight, prototypes = parameters
    scores = [functional.normalize(view @ weight.T, dim=1) @ prototypes.T for view in views]
    iterations = config.sinkhorn_iterations
    codes = [sinkhorn_codes(s, config.epsilon, iterations, torch.float32) for s in scores]
    logs = [functional.log_softmax(s / config.temperature, dim=1) for s in scores]
    cross = (codes[0] * logs[1]).sum(1) + (codes[1] * logs[0]).sum(1)
    return -0.5 * cross.mean()
