"""Give a trained generator more channels, or clutter to know, without changing what it draws.

A narrow generator learns soonest; when it draws what it can, more channels let it go on. The new
ones start with random weights and are read by nobody: layers that were there take them with weight
0, so every scan stays as it was, while the gradient of those zeros does not vanish.

References
----------
.. [1] T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer",
       ICLR 2016 (function-preserving growth).
"""

from __future__ import annotations

import torch
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.config import Clutter
from xraysynth.gan.generator import Generator
from xraysynth.gan.layers import ToImage


@torch.no_grad()
def widened(generator: Generator, channel_base: int, channel_max: int) -> Generator:
    """Return a generator with `min(channel_base / resolution, channel_max)` channels.

    New weights are drawn from the global random generator; the caller seeds or forks it.

    Raises
    ------
    InputError
        If any resolution would have fewer channels than it has.

    Examples
    --------
    >>> from xraysynth.gan.config import NetworkConfig
    >>> narrow = Generator(NetworkConfig(resolution=8, channel_base=64, z_dim=8, w_dim=8))
    >>> latent_z = torch.randn(2, 8)
    >>> torch.allclose(widened(narrow, 128, 32)(latent_z), narrow(latent_z), atol=1e-4)
    True
    """
    # The discriminator beside it is as wide as it was.
    same = generator.config.discriminator_base or generator.config.channel_base
    sizes = {
        "channel_base": channel_base,
        "channel_max": channel_max,
        "discriminator_base": same,
    }
    wide = Generator(generator.config.model_copy(update=sizes))
    fewer = [old for old, new in zip(generator.sites, wide.sites, strict=True) if new[2] < old[2]]
    if fewer:
        raise InputError(
            f"{fewer[0].name} has {fewer[0].channels} channels, and channel_base {channel_base} "
            f"with channel_max {channel_max} leaves it fewer; want as many or more."
        )
    old = generator.state_dict()
    wide.load_state_dict({name: _placed(old[name], t) for name, t in wide.state_dict().items()})
    for narrow, layer in zip(generator.modules(), wide.modules(), strict=True):
        if isinstance(layer, ToImage) and isinstance(narrow, ToImage):
            layer.weight.mul_(narrow.weight_gain / layer.weight_gain)
    return wide


@torch.no_grad()
def with_clutter(generator: Generator, clutter: Clutter) -> Generator:
    """Return a generator that knows kinds of clutter; those it knew come first, in their order.

    The directions of new kinds are 0, for training to find.
    """
    result = Generator(generator.config.model_copy(update={"clutter": clutter}))
    state, old = result.state_dict(), generator.state_dict()
    known = old.pop("mapping.directions", None)
    if known is not None:
        state["mapping.directions"][: len(known)] = known
    result.load_state_dict(state | old)
    return result


def _placed(old: Tensor, new: Tensor) -> Tensor:
    """Return `new` with `old` in its first places; what was there does not read what is new."""
    if old.shape == new.shape:
        return old
    result = new.clone()
    if old.ndim == 4:  # (out, in, rows, columns) of a convolution
        result[: len(old)] = 0.0
    result[tuple(slice(size) for size in old.shape)] = old
    return result
