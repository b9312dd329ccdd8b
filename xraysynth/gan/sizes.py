"""How large networks are by their settings, and whether what a file holds fits that."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from xraysynth.errors import CheckpointError
from xraysynth.gan.config import NetworkConfig


def generator_numbers(config: NetworkConfig) -> int:
    """Return how many numbers a generator has at least, before memory is taken for it.

    A small file may describe a huge network: compare this with what the file holds.

    Examples
    --------
    >>> from xraysynth.gan.generator import Generator
    >>> small = NetworkConfig(resolution=8, channel_base=64)
    >>> held = sum(tensor.numel() for tensor in Generator(small).state_dict().values())
    >>> generator_numbers(small) < held < 2 * generator_numbers(small)
    True
    """
    start = config.channels(4) * math.prod(config.base_grid)
    clutter = len(config.clutter) * config.w_dim
    labels = len(config.label_names)
    n_codes = config.z_dim + (config.w_dim if labels else 0)
    return (
        start
        + clutter
        + _mapping_numbers(labels, n_codes, config.w_dim, config.mapping_layers)
        + sum(
            config.channels(size) * (9 * config.channels(size) + config.w_dim)
            + math.prod(config.size_px(size))  # the constant noise
            for size in config.resolutions
        )
    )


def discriminator_numbers(config: NetworkConfig) -> int:
    """Return how many numbers a discriminator has at least, as `generator_numbers` does."""
    widths = [config.discriminator_channels(size) for size in config.resolutions]
    told = _mapping_numbers(config.n_told, widths[0], widths[0], config.mapping_layers)
    return (
        widths[0] ** 2 * math.prod(config.base_grid)
        + sum(9 * width**2 for width in widths)
        + (told if config.n_told else 0)
    )


def _mapping_numbers(n_told: int, n_codes: int, n_out: int, n_layers: int) -> int:
    """Return the weights of an embedding and of the dense layers of a mapping."""
    return n_told * n_out + n_codes * n_out + (n_layers - 1) * n_out**2


def check_size(wanted: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a few numbers that describe a huge network, before memory is taken for it."""
    held = sum(map(math.prod, shapes.values()))
    if wanted > held:
        raise CheckpointError(
            f"it holds {held} numbers for a network of its size, which has more than {wanted}"
        )


def check_shapes(network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Name the first tensor that does not fit a network."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(wanted.keys() | shapes.keys()):
        want, got = wanted.get(name), shapes.get(name)
        if want != got:
            raise CheckpointError(
                f"its tensor {name[:80]} is {'absent' if got is None else got}; a network of its "
                f"size wants {'none' if want is None else want}"
            )
