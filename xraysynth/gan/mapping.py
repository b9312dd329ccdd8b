"""From latent codes, and from the contents asked for, to the codes that steer the networks.

References
----------
.. [1] T. Karras et al., CVPR 2019, section 2 (mapping network), and NeurIPS 2020, appendix
       (class labels: a learned embedding joins the latent code, both normalised).
.. [2] T. Miyato and M. Koyama, "cGANs with Projection Discriminator", ICLR 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.gan.clutter import thresholds
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.layers import EPSILON, Dense

_RATE = 6.0
"""How much faster the directions of clutter learn than other weights; through the mapping's own
layers, which learn a hundred times slower, they learned nothing."""


def normalised(codes: Tensor) -> Tensor:
    """Scale every code to second moment 1: (n, values) -> (n, values)."""
    return codes * (codes.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def unknown_labels(config: NetworkConfig, count: int) -> Tensor:
    """Return the labels of scans whose contents are not said: (count, labels) float32.

    All zeros, and 1 for "unknown" where the networks learned that word.
    """
    row = [float(name == UNKNOWN) for name in config.label_names]
    return torch.tensor(row).expand(count, -1)


class Mapping(nn.Module):
    """Latent codes z, with labels if there are any, to codes w; keeps the running mean of w."""

    w_avg: Tensor
    shares: Tensor
    thresholds: Tensor

    def __init__(self, config: NetworkConfig, num_ws: int) -> None:
        super().__init__()
        self.config = config
        self.num_ws = num_ws
        self.n_layers = config.mapping_layers
        n_labels = len(config.label_names)
        if n_labels:
            self.embed = Dense(n_labels, config.w_dim)
        n_codes = config.z_dim + (config.w_dim if n_labels else 0)
        _add_layers(self, n_codes, config.w_dim)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        if config.clutter:
            self.directions = nn.Parameter(torch.zeros(len(config.clutter), config.w_dim))
            shares = torch.tensor([kind.share for kind in config.clutter])
            self.register_buffer("shares", shares, persistent=False)
            self.register_buffer("thresholds", thresholds(config.clutter), persistent=False)

    def forward(
        self, latent_z: Tensor, truncation_psi: float = 1.0, labels: Tensor | None = None
    ) -> Tensor:
        """Map codes, and move them towards the mean by `truncation_psi` < 1.

        (n, z_dim), (n, labels) -> (n, num_ws, w_dim)
        """
        latent_w = self.single(latent_z, labels)
        if truncation_psi != 1.0:
            latent_w = self.w_avg.lerp(latent_w, truncation_psi)
        return latent_w[:, None, :].expand(-1, self.num_ws, -1)

    def single(self, latent_z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map codes without truncation; without labels the contents are left open.

        (n, z_dim), (n, labels) multi-hot -> (n, w_dim)
        """
        codes = normalised(latent_z)
        if self.config.label_names:
            labels = labels_or_unknown(labels, self.config, codes)
            codes = torch.cat([codes, normalised(self.embed(labels))], dim=1)
        mapped = _through_layers(self, codes)
        if not self.config.clutter:
            return mapped
        present = (latent_z[:, : len(self.shares)] > self.thresholds).to(mapped)
        return mapped + _RATE * (present - self.shares) @ self.directions


class LabelMap(nn.Module):
    """What a discriminator is told, to the direction that it projects its features on."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.n_layers = config.mapping_layers
        width = config.discriminator_channels(4)
        self.embed = Dense(config.n_told, width)
        _add_layers(self, width, width)

    def forward(self, labels: Tensor | None, like: Tensor) -> Tensor:
        """Return the directions of labels and clutter, unknown ones if none are given.

        (n, labels and kinds) as `clutter.told`, features (n, channels) -> (n, channels)
        """
        labels = told_or_unknown(labels, self.config, like)
        return _through_layers(self, normalised(self.embed(labels)))


def _add_layers(module: Mapping | LabelMap, n_in: int, n_out: int) -> None:
    """Add the dense layers of a mapping; they learn a hundred times slower than the rest."""
    for index in range(module.n_layers):
        width = n_in if index == 0 else n_out
        module.add_module(f"fc{index}", Dense(width, n_out, active=True, multiplier=0.01))


def _through_layers(module: Mapping | LabelMap, codes: Tensor) -> Tensor:
    """Return what the dense layers make of codes."""
    for index in range(module.n_layers):
        codes = module.get_submodule(f"fc{index}")(codes)
    return codes


def labels_or_unknown(labels: Tensor | None, config: NetworkConfig, like: Tensor) -> Tensor:
    """Return the labels where and in the type in which they are needed."""
    if labels is None:
        labels = unknown_labels(config, len(like))
    return labels.to(like)


def told_or_unknown(labels: Tensor | None, config: NetworkConfig, like: Tensor) -> Tensor:
    """Return what a discriminator is told, where and in the type in which it is needed."""
    if labels is None:
        labels = F.pad(unknown_labels(config, len(like)), (0, len(config.clutter)))
    return labels.to(like)
