"""A discriminator that looks at scans through a network that has seen photographs.

Features of a frozen EfficientNet-Lite0 at four scales are mixed by fixed random convolutions,
across channels and from coarse to fine, so that no small part of them gives a scan away; a light
head judges each scale. The heads alone learn.

References
----------
.. [1] A. Sauer, K. Chitta, J. Müller, A. Geiger, "Projected GANs Converge Faster", NeurIPS 2021,
       sections 3.1 and 3.2.
.. [2] T. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from xraysynth.errors import InputError
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator, Judgement, append_minibatch_deviation
from xraysynth.gan.frozen_features import CHANNELS, N_POOLED, FrozenFeatures
from xraysynth.gan.layers import LEAK
from xraysynth.gan.mapping import told_or_unknown
from xraysynth.settings import Settings

LAST_SIDE = 4
"""Heads halve their features down to so many pixels."""
BEYOND = 0.1
"""Slope at which values beyond [-1, 1] go on: the network's ReLU6 would be dead there, and a
generator whose pixels have no bounds would never find back."""
CALIBRATION = 16
"""Pictures of coarse noise by whose features channels are brought to like scales."""
STEPS_AT_START = 10
"""Power iterations before the first step: the estimate of the largest singular value is good then,
and one more a step keeps it so."""


class ProjectedConfig(Settings):
    """Sizes of the projected discriminator."""

    side_px: int = Field(128, ge=64, le=512)
    """Scans are resampled to so many pixels (of a square scan) before the network sees them; 64 is
    quicker by a fifth and blinder to fine outlines. 224, as the network learned and `evaluate gan`
    looks, takes 1.6 times as long a step and is worth it (docs/results/gan-recipes.md)."""
    channels: int = Field(32, ge=8, le=512, multiple_of=8)
    """Channels of the finest scale after mixing; each coarser scale has twice as many."""
    score_gain: float = Field(0.1, gt=0, le=10)
    """Factor on the scores: how steep a spectrally normalised head may be at most."""
    learning_rate: float = Field(0.0003, gt=0, le=0.1)
    """Adam's step size for the heads: their weights are no equalised ones."""


class Standardised(nn.Module):
    """Bring every channel of every scale to mean 0 and deviation 1, as they were on noise."""

    def __init__(self, network: FrozenFeatures) -> None:
        super().__init__()
        coarse = torch.rand(CALIBRATION, 3, 16, 16) * 2 - 1
        with torch.no_grad():
            found = network(F.interpolate(coarse, size=(64, 64), mode="bilinear"))
        for scale, features in enumerate(found):
            mean, variance = features.mean((0, 2, 3)), features.var((0, 2, 3))
            # A channel that hardly moved on noise is not blown up beyond reason.
            gain = (variance + 0.1 * variance.mean()).rsqrt()
            self.register_buffer(f"mean{scale}", mean[:, None, None])
            self.register_buffer(f"gain{scale}", gain[:, None, None])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four of (n, channels, h, w), the same."""
        return [
            (found - self.get_buffer(f"mean{scale}")) * self.get_buffer(f"gain{scale}")
            for scale, found in enumerate(features)
        ]


class FixedConvolution(nn.Module):
    """A random convolution that never learns, and keeps the second moment of white features."""

    weight: Tensor

    def __init__(self, n_in: int, n_out: int, size: int) -> None:
        super().__init__()
        weight = torch.randn(n_out, n_in, size, size) / math.sqrt(n_in * size * size)
        self.register_buffer("weight", weight)

    def forward(self, features: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h, w)."""
        return F.conv2d(features, self.weight.to(features), padding=self.weight.shape[2] // 2)


class Mixing(nn.Module):
    """Fixed random mixing across channels, then across scales from coarse to fine."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widths = [channels * 2**scale for scale in range(len(CHANNELS))]
        self.across_channels = nn.ModuleList(
            [FixedConvolution(*pair, 1) for pair in zip(CHANNELS, self.widths, strict=True)]
        )
        self.from_coarser = nn.ModuleList(
            [
                FixedConvolution(coarse, fine, 1)
                for fine, coarse in zip(self.widths, self.widths[1:], strict=False)
            ]
        )
        self.across_scales = nn.ModuleList([FixedConvolution(w, w, 3) for w in self.widths])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Mix features that come finest first; sizes stay, channels become `widths`."""
        mixed: list[Tensor] = []
        for scale in reversed(range(len(features))):
            here: Tensor = self.across_channels[scale](features[scale])
            if mixed:
                coarser = self.from_coarser[scale](mixed[0])
                larger = F.interpolate(coarser, size=here.shape[2:], mode="bilinear")
                here = (here + larger) * math.sqrt(0.5)
            mixed.insert(0, self.across_scales[scale](here))
        return mixed


class SpectralConvolution(nn.Module):
    """Convolution whose weight matrix is divided by its largest singular value.

    One step of power iteration follows the weights whenever the layer is used in training.
    """

    direction: Tensor

    def __init__(self, n_in: int, n_out: int, size: int, *, halve: bool = False) -> None:
        super().__init__()
        weight = torch.randn(n_out, n_in, size, size) / math.sqrt(n_in * size * size)
        self.weight = nn.Parameter(weight)
        self.register_buffer("direction", F.normalize(torch.randn(n_out), dim=0))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.stride, self.padding = (2, size // 2 - 1) if halve else (1, size // 2)
        for _ in range(STEPS_AT_START):
            self._follow()

    def forward(self, features: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h or h/2, w or w/2)."""
        if self.training:
            self._follow()
        left, matrix = self.direction.clone(), self.weight.flatten(1)
        with torch.no_grad():
            right = F.normalize(matrix.T @ left, dim=0)
        weight = self.weight / torch.dot(left, matrix @ right)
        return F.conv2d(
            features, weight.to(features), self.bias.to(features), self.stride, self.padding
        )

    @torch.no_grad()
    def _follow(self) -> None:
        """Take one step of power iteration."""
        matrix = self.weight.flatten(1)
        self.direction.copy_(
            F.normalize(matrix @ F.normalize(matrix.T @ self.direction, dim=0), dim=0)
        )


class Head(nn.Module):
    """Halve one scale's features down to 4 px, and score every place there."""

    def __init__(self, n_in: int, side: int, n_labels: int, gain: float) -> None:
        super().__init__()
        self.gain = gain
        halvings = max(int(math.log2(side / LAST_SIDE)), 0)
        layers = [SpectralConvolution(n_in, n_in, 4, halve=True) for _ in range(halvings)]
        self.layers = nn.ModuleList(layers or [SpectralConvolution(n_in, n_in, 3)])
        self.last = SpectralConvolution(n_in + 1, n_in, 3)
        self.out = SpectralConvolution(n_in, 1, 1)
        if n_labels:
            self.embed = SpectralConvolution(n_labels, n_in, 1)

    def forward(self, features: Tensor, labels: Tensor | None, parts: int = 1) -> Tensor:
        """(n, n_in, h, w), (n, labels) -> (n, places)."""
        for layer in self.layers:
            features = F.leaky_relu(layer(features), LEAK)
        features = self.last(append_minibatch_deviation(features, parts))
        features = F.leaky_relu(features, LEAK)
        score: Tensor = self.out(features)
        if labels is not None:
            direction = self.embed(labels[:, :, None, None])
            score = score + (features * direction).sum(dim=1, keepdim=True)
        return (score * self.gain).flatten(1)


def bounded(values: Tensor) -> Tensor:
    """Let values beyond [-1, 1] go on at a tenth of their slope.

    Examples
    --------
    >>> bounded(torch.tensor([0.5, 1.0, 3.0, -2.0]))
    tensor([ 0.5000,  1.0000,  1.2000, -1.1000])
    """
    inside = values.clamp(-1.0, 1.0)
    return inside + BEYOND * (values - inside)


class ProjectedDiscriminator(nn.Module):
    """Scans, with what they are said to hold, to realness scores of places at four scales."""

    def __init__(self, config: NetworkConfig, sizes: ProjectedConfig) -> None:
        super().__init__()
        if config.image_channels not in (1, 3):
            raise InputError(
                f"a projected discriminator sees grey or colour; the scans have "
                f"{config.image_channels} channels. Set `discriminator: residual`."
            )
        self.config = config
        self.size_px = config.size_px(sizes.side_px)
        self.features = FrozenFeatures()
        self.standardised = Standardised(self.features)
        self.mixing = Mixing(sizes.channels)
        n_labels = config.n_told
        self.heads = nn.ModuleList(
            [
                Head(width, min(self.size_px) // 4 // 2**scale, n_labels, sizes.score_gain)
                for scale, width in enumerate(self.mixing.widths)
            ]
        )

    def forward(
        self, images: Tensor, labels: Tensor | None = None, parts: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Score scans of about [-1, 1]; also return by what the frozen network would name them.

        (n, 1 or 3, height, width), (n, labels and kinds) -> (n, places), (n, features)
        """
        # bfloat16 slows depthwise convolutions down.
        images = images.float().expand(-1, 3, -1, -1)
        if images.shape[2:] != self.size_px:
            images = F.interpolate(images, size=self.size_px, mode="bilinear")
        found = self.features(bounded(images))
        pooled = self.features.pooled(found[-1])
        mixed = self.mixing(self.standardised(found))
        if self.config.n_told:
            labels = told_or_unknown(labels, self.config, mixed[0])
        scores = [head(scale, labels, parts) for head, scale in zip(self.heads, mixed, strict=True)]
        return torch.cat(scores, dim=1), pooled


class JointDiscriminator(nn.Module):
    """A residual and a projected discriminator that judge together, as one half each.

    The residual one sees every pixel and learns contents; the projected one knows shapes from the
    start. Penalties and fine-tuning concern the residual one alone.
    """

    def __init__(self, config: NetworkConfig, sizes: ProjectedConfig) -> None:
        super().__init__()
        self.config = config
        self.residual = Discriminator(config)
        self.projected = ProjectedDiscriminator(config, sizes)
        if config.names_contents and config.clutter:
            self.clutter = nn.Linear(N_POOLED, len(config.clutter))

    @property
    def halvings(self) -> tuple[int, ...]:
        """Resolutions of the residual blocks, finest first."""
        return self.residual.halvings

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the residual one's score, whose slope is to be bounded: (n, 1)."""
        score: Tensor = self.residual(images, labels)
        return score

    def judge(self, images: Tensor, labels: Tensor | None = None, parts: int = 1) -> Judgement:
        """Return scores, half of them the residual one's, its names of contents, and features.

        (n, 1 or 3, height, width), (n, labels and kinds) -> 2 places scores each
        """
        score, named, _ = self.residual.judge(images, labels, parts)
        places, pooled = self.projected(images, labels, parts)
        scores = torch.cat([score.expand_as(places), places], dim=1)
        if named is not None and self.config.clutter:
            known = len(self.config.contents)
            more = self.clutter(pooled)
            named = torch.cat([named[:, :known], named[:, known:] + more], dim=1)
        return Judgement(scores, named, pooled)
