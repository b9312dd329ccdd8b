"""Features for baselines: those of every convolution, standardised, and linear maps of them."""

from __future__ import annotations

from functools import partial

import torch
from pydantic import Field
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import drawn_pixels, drawn_statistics, mapped_latents
from xraysynth.oneshot.features import (
    SiteMap,
    SiteStatistics,
    concatenated,
)
from xraysynth.settings import Settings


class BaselineConfig(Settings):
    """How the baselines learn."""

    statistics_images: int = Field(64, ge=2)
    """Scans that the channels' mean and deviation, components and clusters are measured on."""
    pixels: int = Field(16384, ge=64)
    """Pixels of those scans that components and clusters are found in."""
    dim: int = Field(64, ge=2)
    """Values that PCA and random projection leave of a pixel."""
    clusters: int = Field(64, ge=2)
    """Clusters of k-means."""
    iterations: int = Field(25, ge=1)
    """Rounds of k-means."""
    steps: int = Field(200, ge=1)
    """Steps of Adam for linear heads and the small network, all pixels of the exemplars a step."""
    learning_rate: float = Field(0.001, gt=0)
    """Of Adam; larger ones overfit the one scan sooner."""
    networks: int = Field(10, ge=1)
    """Networks of the ensemble."""
    network_steps: int = Field(200, ge=1)
    """Steps of Adam for each network of the ensemble."""
    network_pixels: int = Field(256, ge=2)
    """Pixels a step for each network of the ensemble."""
    crop: float = Field(0.5, gt=0, le=1)
    """Share of the scan's side that the small network sees a step, another part each time."""


def standard_statistics(generator: Generator, config: BaselineConfig, seed: int) -> SiteStatistics:
    """Return mean and deviation of every channel."""
    return drawn_statistics(generator, config.statistics_images, 8, seed)


def standard_features(generator: Generator, latent_w: Tensor, statistics: SiteStatistics) -> Tensor:
    """Return all features at full size, each channel at mean 0 and deviation 1 (n, C, H, W)."""
    mean, std = torch.cat(statistics.mean), torch.cat(statistics.std)
    maps = concatenated(generator, latent_w, "bilinear")
    return maps.sub_(mean[:, None, None]).div_(std[:, None, None])


def sampled_pixels(
    generator: Generator, statistics: SiteStatistics, config: BaselineConfig, seed: int
) -> Tensor:
    """Return standardised features (n, C) of random pixels of generated scans."""
    latent_w = mapped_latents(generator, config.statistics_images, 1.0, seed, "pixels")
    read = partial(standard_features, generator, statistics=statistics)
    return drawn_pixels(latent_w, config.pixels, read, seed, "pixels")


def linear_map(
    generator: Generator, weight: Tensor, bias: Tensor, statistics: SiteStatistics
) -> SiteMap:
    """Return the map of raw features that equals weight (D, C) and bias of standardised ones."""
    channels = [site.channels for site in generator.sites]
    plain = SiteMap(weights=tuple(weight.split(channels, dim=1)), bias=bias)
    return plain.after_normalisation(statistics)
