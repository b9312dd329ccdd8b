"""Hidden features of a generator, projected while they stream past.

Upsampling and a linear map commute, so projecting every layer at its own resolution and adding
coarse to fine gives what projecting the full-size concatenation would give:
`P . concat(up(f_l)) = sum_l up(P_l f_l)`. Nothing is concatenated, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.generator import Generator, Synthesis
from xraysynth.oneshot.doubling import doubled
from xraysynth.oneshot.drawing import draw_together

Interpolation = Literal["nearest", "bilinear"]


@dataclass(frozen=True, kw_only=True)
class SiteMap:
    """A linear map of all hidden features of a pixel, one matrix a site.

    It holds the projection (D outputs) while clustering, and the head folded into it (K classes)
    for inference.
    """

    weights: tuple[Tensor, ...]
    """One (outputs, channels of the site) matrix a site."""
    bias: Tensor
    """(outputs,)"""

    def folded(self, head_weight: Tensor, head_bias: Tensor) -> SiteMap:
        """Return the map followed by a linear head: weights (K, D), bias (K,)."""
        return SiteMap(
            weights=tuple(head_weight @ weight for weight in self.weights),
            bias=head_weight @ self.bias + head_bias,
        )

    def after_normalisation(self, statistics: SiteStatistics) -> SiteMap:
        """Return the map of raw features that equals this map of normalised ones.

        Normalising is `(f - mean) / std` a channel: linear, so it folds into weights and bias.
        """
        scaled = [w / s for w, s in zip(self.weights, statistics.std, strict=True)]
        shift = [w @ m for w, m in zip(scaled, statistics.mean, strict=True)]
        return SiteMap(weights=tuple(scaled), bias=self.bias - torch.stack(shift).sum(0))

    def to(self, device: torch.device) -> SiteMap:
        """Return the map on a device."""
        return SiteMap(
            weights=tuple(weight.to(device) for weight in self.weights), bias=self.bias.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class SiteStatistics:
    """Mean and standard deviation of every channel, measured once over many scans."""

    mean: tuple[Tensor, ...]
    """One (channels,) vector a site."""
    std: tuple[Tensor, ...]
    """One (channels,) vector a site, never below 1e-3 of the site's mean one."""


def device_of(generator: Generator) -> torch.device:
    """Return the device that the generator's weights are on."""
    return generator.mapping.w_avg.device


def upsample(maps: Tensor, size: int, interpolation: Interpolation) -> Tensor:
    """Return maps (n, c, h, w) doubled as often as needed to be `size` wide.

    Doubling step by step is the definition for both forms below: two bilinear doublings are not
    one bilinear quadrupling, so the order is part of the result.
    """
    while maps.shape[-1] < size:
        if interpolation == "nearest":
            maps = functional.interpolate(maps, scale_factor=2, mode="nearest")
        elif maps.is_cuda or maps.requires_grad:
            maps = functional.interpolate(
                maps, scale_factor=2, mode="bilinear", align_corners=False
            )
        else:
            maps = doubled(maps)
    return maps


class StreamedProjection:
    """An `on_activation` callback that sums `up(A_l f_l)` coarse to fine.

    Examples
    --------
    >>> site_map = SiteMap(weights=(torch.ones(1, 2), torch.ones(1, 3)), bias=torch.zeros(1))
    >>> projected = StreamedProjection(site_map, "nearest")
    >>> projected(0, torch.ones(1, 2, 4, 4))
    >>> projected(1, torch.ones(1, 3, 8, 8))
    >>> projected.result().shape, projected.result().max().item()
    (torch.Size([1, 1, 8, 8]), 5.0)
    """

    def __init__(self, site_map: SiteMap, interpolation: Interpolation) -> None:
        self._map = site_map
        self._interpolation: Interpolation = interpolation
        self._total: Tensor | None = None
        used = [weight.requires_grad or bool(weight.any()) for weight in site_map.weights]
        self._first = used.index(True) if True in used else len(used) - 1

    def __call__(self, site_index: int, activation: Tensor) -> None:
        """Add one site's share to the running sum.

        Scores lie class by class: a product with few rows and very many columns is what matrix
        libraries are good at, and the generator's channels-last maps need no copy for it.
        """
        if site_index < self._first:  # Coarse features that the map does not read.
            return
        n_samples, _, height, width = activation.shape
        weight = self._map.weights[site_index].expand(n_samples, -1, -1)
        pixels = activation.float().flatten(2)
        if self._total is None:
            bias = self._map.bias[:, None].expand(n_samples, -1, 1)
            total = torch.baddbmm(bias, weight, pixels)
        else:
            grown = upsample(self._total, width, self._interpolation)
            total = grown.flatten(2).baddbmm_(weight, pixels)
        self._total = total.unflatten(2, (height, width))

    def result(self) -> Tensor:
        """Return the projected pixels (n, outputs, H, W)."""
        if self._total is None:
            raise RuntimeError("the generator reported no activation")
        return self._total


def project(
    generator: Generator, latent_w: Tensor, site_map: SiteMap, interpolation: Interpolation
) -> tuple[Tensor, Tensor]:
    """Return scans (n, C, H, W) and projected pixels (n, outputs, H, W) of one pass.

    The generator takes no gradient; the map does, if its weights ask for one. Where it need not and
    maps grow bilinearly, both are drawn as one picture (`drawing.py`): the same but for rounding.
    """
    wants_gradient = site_map.bias.requires_grad and torch.is_grad_enabled()
    plain = isinstance(generator.synthesis, Synthesis) and not latent_w.is_cuda
    if plain and interpolation == "bilinear" and not wants_gradient:
        with torch.no_grad():
            return draw_together(generator.synthesis, latent_w, site_map.weights, site_map.bias)
    streamed = StreamedProjection(site_map, interpolation)
    activations: list[tuple[int, Tensor]] = []
    with torch.no_grad():
        keep = (lambda i, a: activations.append((i, a))) if wants_gradient else streamed
        images = generator.synthesis(latent_w, noise_mode="const", on_activation=keep)
    for site_index, activation in activations:
        streamed(site_index, activation)
    return images, streamed.result()


def concatenated(generator: Generator, latent_w: Tensor, interpolation: Interpolation) -> Tensor:
    """Return all features at full size (n, sum of channels, H, W): the plain form.

    Kept as the reference that the streamed form is tested against, and for baselines.
    """
    maps: list[Tensor] = []

    def keep(site_index: int, activation: Tensor) -> None:
        maps.append(upsample(activation.float(), generator.size_px[1], interpolation))

    with torch.no_grad():
        generator.synthesis(latent_w, noise_mode="const", on_activation=keep)
    return torch.cat(maps, dim=1)


def measure_statistics(generator: Generator, latent_w_batches: Iterable[Tensor]) -> SiteStatistics:
    """Return mean and standard deviation of every channel over some scans."""
    count = [0.0] * len(generator.sites)
    total = [torch.zeros(site.channels, dtype=torch.float64) for site in generator.sites]
    square = [torch.zeros(site.channels, dtype=torch.float64) for site in generator.sites]

    def add(site_index: int, activation: Tensor) -> None:
        values = activation.double().cpu()
        count[site_index] += values.shape[0] * values.shape[2] * values.shape[3]
        total[site_index] += values.sum((0, 2, 3))
        square[site_index] += values.square().sum((0, 2, 3))

    for latent_w in latent_w_batches:
        with torch.no_grad():
            generator.synthesis(latent_w, noise_mode="const", on_activation=add)
    mean = [t / n for t, n in zip(total, count, strict=True)]
    variance = [s / n - m.square() for s, n, m in zip(square, count, mean, strict=True)]
    device = device_of(generator)
    return SiteStatistics(
        mean=tuple(value.float().to(device) for value in mean),
        std=tuple(_floored(value).to(device) for value in variance),
    )


def _floored(variance: Tensor) -> Tensor:
    """Return the standard deviation, floored so that a dead channel is not blown up."""
    std = variance.clamp_min(0).sqrt()
    return std.clamp_min(max(1e-3 * float(std.mean()), 1e-6)).float()
