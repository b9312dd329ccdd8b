"""Pixel clusters of generated scans, learned without a label.

A linear projection of hidden features and a set of prototypes are trained so that a pixel's
cluster can be told from another view of the same pixel [1]_, with cluster codes from the
Sinkhorn-Knopp iteration [2]_ done in logarithms, which cannot overflow.

References
----------
.. [1] M. Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
   Assignments", NeurIPS 2020, equations 2 and 3.
.. [2] M. Cuturi, "Sinkhorn Distances", NeurIPS 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.contents import NONE, requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.features import (
    Interpolation,
    SiteMap,
    SiteStatistics,
    device_of,
    measure_statistics,
    project,
)
from xraysynth.oneshot.views import (
    ViewConfig,
    ViewDraw,
    draw_view,
    positions_in_view,
    sample_at,
    shared_positions,
    swap_rows,
    swappable_blocks,
    warp,
)
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream
from xraysynth.settings import Settings


class ClusterConfig(Settings):
    """How pixels are clustered."""

    steps: int = Field(100, ge=0)
    """Optimiser steps; 0 leaves a random projection."""
    images: int = Field(8, ge=1)
    """Scans a step."""
    pixels: int = Field(1024, ge=16)
    """Pixels a scan."""
    sites_from_px: int = Field(32, ge=4)
    """Coarsest resolution that is read; coarser features tell where a pixel is, not what."""
    dim: int = Field(128, ge=2)
    """Values that a pixel's hidden features are projected to."""
    prototypes: int = Field(64, ge=2)
    """Number of clusters."""
    temperature: float = Field(0.2, gt=0)
    """Of the softmax over prototypes."""
    epsilon: float = Field(0.05, gt=0)
    """Entropy of the codes: small is hard."""
    sinkhorn_iterations: int = Field(5, ge=0)
    """Rounds that make prototypes used alike; 0 lets codes be a softmax of the scores."""
    learning_rate: float = Field(0.01, gt=0)
    """Of Adam, falling to 0 along a cosine."""
    normalise: bool = True
    """Whether every channel is brought to mean 0 and deviation 1 first."""
    statistics_images: int = Field(128, ge=2)
    """Scans that mean and standard deviation of every channel are measured on."""
    truncation_psi: float = Field(1.0, ge=0, le=1)
    """Truncation of the scans that are clustered."""
    views: ViewConfig = ViewConfig()
    """How the two views differ."""


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """A learned projection and its prototypes."""

    site_map: SiteMap
    """Raw hidden features to `dim` values a pixel; normalisation is folded in."""
    prototypes: Tensor
    """(prototypes, dim), unit rows."""
    losses: tuple[float, ...]
    """Swapped-prediction loss of each step."""


def sinkhorn_codes(
    scores: Tensor, epsilon: float, n_iterations: int, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Return soft codes (pixel, prototype): rows sum to 1, prototypes are used alike.

    Parameters
    ----------
    scores : (pixel, prototype)
        Any finite similarity, of any size: the iteration is done in logarithms.
    epsilon : float
        Weight of the entropy; the smaller, the harder the codes.
    n_iterations : int
        Column and row normalisations; 0 leaves a softmax, whose prototypes may die.
    dtype : torch.dtype
        Of the logarithms; float32 is faster for thousands of prototypes.

    Examples
    --------
    >>> codes = sinkhorn_codes(torch.tensor([[900.0, 0.0], [0.0, 9.0]]), 0.05, 5)
    >>> codes.round(decimals=2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    n_pixels, n_prototypes = scores.shape
    log_codes = scores.detach().to(dtype) / epsilon
    if n_iterations == 0:
        return log_codes.softmax(1).to(scores.dtype)
    log_column = math.log(n_pixels / n_prototypes)
    for _ in range(n_iterations):
        log_codes = log_codes - log_codes.logsumexp(0, keepdim=True) + log_column
        log_codes = log_codes - log_codes.logsumexp(1, keepdim=True)
    return log_codes.exp().to(scores.dtype)


def swapped_prediction_loss(scores: tuple[Tensor, Tensor], config: ClusterConfig) -> Tensor:
    """Return the loss of telling each view's codes from the other view's pixels.

    Equation 2 of [1]_: `-1/2 (q_s . log p_t + q_t . log p_s)`, averaged over pixels.
    """
    first, second = scores
    iterations = config.sinkhorn_iterations
    codes = [sinkhorn_codes(s, config.epsilon, iterations, torch.float32) for s in scores]
    log_first = functional.log_softmax(first / config.temperature, 1)
    log_second = functional.log_softmax(second / config.temperature, 1)
    cross = (codes[0] * log_second).sum(1) + (codes[1] * log_first).sum(1)
    return -0.5 * cross.mean()


def mapped_latents(
    generator: Generator, count: int, psi: float, seed: int, *names: str | int
) -> Tensor:
    """Return `latent_w` (count, num_ws, w_dim) drawn from a named stream.

    A generator that can be asked for contents is asked for each in turn, and for none: left to
    itself it draws what it has seldom learned to draw.
    """
    device = device_of(generator)
    asked = asked_in_turn(generator, count)
    with torch.no_grad():
        return generator.mapping(
            drawn_latents(generator, count, seed, *names).to(device),
            truncation_psi=psi,
            labels=None if asked is None else asked.to(device),
        )


def drawn_latents(generator: Generator, count: int, seed: int, *names: str | int) -> Tensor:
    """Return the `latent_z` (count, z_dim) that `mapped_latents` maps."""
    latent_z = stream(seed, *names).standard_normal((count, generator.z_dim))
    return torch.from_numpy(latent_z).float()


def asked_in_turn(generator: Generator, count: int) -> Tensor | None:
    """Return what `mapped_latents` asks for: (count, labels), or None if nothing can be."""
    if not generator.config.contents:
        return None
    return requested_labels(generator.config, (NONE,), True, range(count))


def learn_clusters(
    generator: Generator,
    interpolation: Interpolation,
    config: ClusterConfig,
    seed: int,
    progress: Progress = silent,
) -> Clustering:
    """Learn projection and prototypes from scans that the generator makes on the way.

    Deterministic for a seed and a number of threads.
    """
    statistics = cluster_statistics(generator, config, seed)
    weights, bias, prototypes = _initial(generator, config, seed)
    parameters = [weight for weight in (*weights, bias, prototypes) if weight.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(config.steps, 1))
    losses: list[float] = []
    for step in range(config.steps):
        site_map = SiteMap(weights=tuple(weights), bias=bias).after_normalisation(statistics)
        pixels = _two_views(generator, site_map, interpolation, config, (seed, step))
        unit = functional.normalize(prototypes, dim=1)
        first, second = (functional.normalize(view, dim=1) @ unit.T for view in pixels)
        loss = swapped_prediction_loss((first, second), config)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        progress(step + 1, config.steps, f"cluster loss {losses[-1]:.3f}")
    frozen = SiteMap(weights=tuple(w.detach() for w in weights), bias=bias.detach())
    return Clustering(
        site_map=frozen.after_normalisation(statistics),
        prototypes=functional.normalize(prototypes.detach(), dim=1),
        losses=tuple(losses),
    )


def drawn_statistics(
    generator: Generator, count: int, batch: int, seed: int, *, psi: float = 1.0
) -> SiteStatistics:
    """Return mean and deviation of every channel over `count` generated scans."""
    latent_w = mapped_latents(generator, count, psi, seed, "statistics")
    return measure_statistics(generator, latent_w.split(batch))


def drawn_pixels(
    latent_w: Tensor, count: int, read: Callable[[Tensor], Tensor], seed: int, name: str
) -> Tensor:
    """Return up to `count` random pixels (m, D), as many of each scan.

    `read` makes maps (1, D, H, W) of the codes (1, num_ws, w_dim) of one scan.
    """
    each = -(-count // len(latent_w))
    parts = []
    for number, one in enumerate(latent_w.split(1)):
        flat = read(one)[0].flatten(1).T
        chosen = stream(seed, name, number).permutation(len(flat))[:each]
        parts.append(flat[torch.from_numpy(chosen).to(flat.device)])
    return torch.cat(parts)[:count]


def cluster_statistics(generator: Generator, config: ClusterConfig, seed: int) -> SiteStatistics:
    """Return the channel statistics that clustering normalises by."""
    statistics = drawn_statistics(
        generator, config.statistics_images, config.images, seed, psi=config.truncation_psi
    )
    if config.normalise:
        return statistics
    # One scale for all, so that learning rates mean the same.
    scale = torch.cat(statistics.std).mean()
    return SiteStatistics(
        mean=tuple(torch.zeros_like(mean) for mean in statistics.mean),
        std=tuple(torch.full_like(std, float(scale)) for std in statistics.std),
    )


def _initial(
    generator: Generator, config: ClusterConfig, seed: int
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return random site weights, bias and prototypes; those that are read take gradients."""
    rng, device = stream(seed, "projection"), device_of(generator)
    coarsest = min(config.sites_from_px, generator.resolution)
    read = [site.resolution >= coarsest for site in generator.sites]
    n_channels = sum(
        s.channels for s, is_read in zip(generator.sites, read, strict=True) if is_read
    )
    weights: list[Tensor] = []
    for site, is_read in zip(generator.sites, read, strict=True):
        values = rng.standard_normal((config.dim, site.channels)) * is_read / n_channels**0.5
        weights.append(torch.from_numpy(values).float().to(device).requires_grad_(is_read))
    prototypes = torch.from_numpy(rng.standard_normal((config.prototypes, config.dim))).float()
    return (
        weights,
        torch.zeros(config.dim, device=device, requires_grad=True),
        functional.normalize(prototypes, dim=1).to(device).requires_grad_(),
    )


def _two_views(
    generator: Generator,
    site_map: SiteMap,
    interpolation: Interpolation,
    config: ClusterConfig,
    step: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return the projected pixels (n * k, dim) of two views of the same scans."""
    rng = stream(step[0], "views", step[1])
    psi = config.truncation_psi
    latent_w = mapped_latents(generator, config.images, psi, step[0], "scans", step[1])
    blocks = swappable_blocks(generator, config.views.swap_from_px)
    draws = (draw_view(config.views, blocks, rng), draw_view(config.views, blocks, rng))
    positions = shared_positions(draws, config.pixels, generator.size_px, rng)
    views = []
    for name, draw in zip(("first", "second"), draws, strict=True):
        other_w = mapped_latents(generator, config.images, psi, step[0], name, step[1])
        _, maps = project(generator, swap_rows(latent_w, other_w, draw), site_map, interpolation)
        views.append(view_pixels(maps, positions, draw).flatten(0, 1))
    return views[0], views[1]


def view_pixels(maps: Tensor, positions: Tensor, draw: ViewDraw) -> Tensor:
    """Return the pixels (n, k, c) of a warped view that lie at generator positions (k, 2)."""
    if draw.is_warped:
        maps, positions = warp(maps, draw), positions_in_view(positions, draw)
    return sample_at(maps, positions)
