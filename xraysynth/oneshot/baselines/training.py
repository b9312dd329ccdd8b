"""How every baseline's head learns: Adam on the cross-entropy of the exemplars' pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.features import SiteMap, SiteStatistics


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a network with weights from a seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def trained(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], rate: float) -> nn.Module:
    """Return a network after a step of Adam on the cross-entropy of each batch, ready to use."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for values, labels in batches:
        loss = functional.cross_entropy(network(values), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


def pixels_of(maps: Tensor) -> Tensor:
    """Return the pixels (n * H * W, C) of maps (n, C, H, W)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def split_first(
    generator: Generator, network: nn.Module, statistics: SiteStatistics
) -> Callable[[FeatureBatch], Tensor]:
    """Return what the first layer of a network, linear a pixel, makes of scans (n, D, H, W).

    It commutes with upsampling, so it is applied to each site at the site's own size: the same
    values at a fraction of the work.
    """
    weight = network.get_parameter("0.weight").flatten(1)
    bias = network.get_parameter("0.bias")
    channels: Sequence[int] = [site.channels for site in generator.sites]
    plain = SiteMap(weights=tuple(weight.split(channels, dim=1)), bias=bias)
    raw = plain.after_normalisation(statistics)
    return lambda batch: batch.mapped(raw, "bilinear")


def per_pixel_layers(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each linear layer after the first of a per-pixel network.

    The network is linear, ReLU, batch normalisation and so on; a normalisation, whose figures no
    longer change, is folded into the layer after it.
    """
    layers: list[tuple[Tensor, Tensor]] = []
    scale, shift = torch.ones(()), torch.zeros(1)
    for layer in list(network.children())[1:]:
        if isinstance(layer, nn.BatchNorm1d):
            assert layer.running_var is not None and layer.running_mean is not None
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            shift = layer.bias - layer.running_mean * scale
        elif isinstance(layer, nn.Linear):
            layers.append((layer.weight * scale, layer.bias + layer.weight @ shift))
    return layers


def through_layers(maps: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return what the rest of a per-pixel network makes of its first layer's maps (n, D, H, W)."""
    values = maps.flatten(2)
    for weight, bias in layers:
        values = weight @ values.relu_() + bias[:, None]
    return values.unflatten(2, maps.shape[2:])
