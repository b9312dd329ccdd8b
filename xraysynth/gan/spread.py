"""Move a generator's codes away from their mean: truncation reversed, in the weights.

A generator that has trained for long repeats what it draws well. Spread out it draws more kinds of
scans, less well; trained on from there it learns to draw them, and keeps part of the variety.
"""

from __future__ import annotations

from typing import Any

import torch

from xraysynth.gan.generator import Generator


@torch.no_grad()
def spread_codes(generator: Generator, factor: float) -> None:
    """Change the weights so that scans look as they did with a truncation of `factor`.

    The last mapping layer is scaled, whose leaky ReLU lets positive factors through; the mean is
    scaled along, so every layer that reads codes takes the difference off again in its bias.

    Examples
    --------
    >>> from xraysynth.gan.config import NetworkConfig
    >>> generator = Generator(NetworkConfig(resolution=8, channel_base=64, z_dim=8, w_dim=8))
    >>> generator.mapping.w_avg += torch.randn(8)
    >>> latent_z = torch.randn(2, 8)
    >>> before = generator.synthesis(generator.mapping(latent_z, 1.5))
    >>> spread_codes(generator, 1.5)
    >>> after = generator.synthesis(generator.mapping(latent_z))
    >>> torch.allclose(before, after, atol=1e-4)
    True
    """
    mapping, mean = generator.mapping, generator.mapping.w_avg.clone()
    last: Any = mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    last.weight.mul_(factor)
    last.bias.mul_(factor)
    if generator.config.clutter:
        mapping.directions.mul_(factor)
    mapping.w_avg.mul_(factor)
    layers: list[tuple[str, Any]] = list(generator.synthesis.named_modules())
    for name, layer in layers:
        if name.endswith("affine"):
            shift = (layer.weight * layer.weight_gain) @ mean * (1.0 - factor)
            layer.bias.add_(shift / layer.bias_gain)
