"""The residual discriminator with minibatch standard deviation.

References
----------
.. [1] T. Karras et al., CVPR 2020, figure 7 (residual), and ICLR 2018, section 3 (minibatch).
.. [2] T. Miyato and M. Koyama, ICLR 2018, equation 4 (projection on the label).
.. [3] A. Odena, C. Olah, J. Shlens, ICML 2017 (auxiliary classifier).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.distributed import MINIBATCH_GROUP
from xraysynth.gan.layers import EPSILON, Convolution, Dense
from xraysynth.gan.mapping import LabelMap
from xraysynth.gan.resample import at_least_float32

NAMING_LAYER = "b4.contents."
"""Where the weights are named that tell contents apart."""
TOLD = "mapping.embed.weight"
"""What a discriminator is told, by column: labels, then clutter."""


class Judgement(NamedTuple):
    """What a discriminator says of scans."""

    score: Tensor
    """(n, scores), logits of being real."""
    named: Tensor | None
    """(n, contents and clutter), logits of what they hold; None where that is not named."""
    features: Tensor | None = None
    """(n, features), by what a frozen network would name them, if one looks."""


class DiscriminatorBlock(nn.Module):
    """One halving of the resolution; the finest block also reads the image."""

    def __init__(self, config: NetworkConfig, resolution: int) -> None:
        super().__init__()
        n_in, n_out = (
            config.discriminator_channels(size) for size in (resolution, resolution // 2)
        )
        self.reads_image = resolution == config.resolution
        if self.reads_image:
            self.fromrgb = Convolution(config.image_channels, n_in, 1)
        self.conv0 = Convolution(n_in, n_in, 3)
        self.conv1 = Convolution(n_in, n_out, 3, halve=True, gain=math.sqrt(0.5))
        self.skip = Convolution(n_in, n_out, 1, halve=True, active=False, gain=math.sqrt(0.5))

    def forward(self, features: Tensor) -> Tensor:
        """(n, image or feature channels, r, r) -> (n, channels at r/2, r/2, r/2)."""
        if self.reads_image:
            features = self.fromrgb(features)
        shortcut: Tensor = self.skip(features)
        return shortcut + self.conv1(self.conv0(features))


class Epilogue(nn.Module):
    """Minibatch statistics, last convolution and score."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels = config.discriminator_channels(4)
        height, width = config.base_grid
        self.conv = Convolution(channels + 1, channels, 3)
        self.fc = Dense(channels * height * width, channels, active=True)
        self.out = Dense(channels, channels if config.n_told else 1)
        if config.names_contents:
            self.contents = Dense(channels, len(config.contents) + len(config.clutter))

    def forward(self, features: Tensor, parts: int = 1) -> tuple[Tensor, Tensor | None]:
        """Return what the score is made from, and logits of the contents if they are named.

        (n, channels, base height, base width) -> (n, 1), or (n, channels) to project; (n, contents)
        """
        features = self.conv(append_minibatch_deviation(at_least_float32(features), parts))
        features = self.fc(features.flatten(1))
        return self.out(features), self.contents(features) if hasattr(self, "contents") else None


class Discriminator(nn.Module):
    """Scans, with what they are said to hold, to realness scores (logits)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.halvings = tuple(
            resolution for resolution in reversed(config.resolutions) if resolution > 4
        )
        for resolution in self.halvings:
            self.add_module(f"b{resolution}", DiscriminatorBlock(config, resolution))
        self.b4 = Epilogue(config)
        if config.n_told:
            self.mapping = LabelMap(config)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score scans of about [-1, 1]; a conditional network compares them with what it is told.

        (n, image_channels, height, width), (n, labels and kinds) -> (n, 1)
        """
        return self.judge(images, labels).score

    def judge(self, images: Tensor, labels: Tensor | None = None, parts: int = 1) -> Judgement:
        """Score scans, and name their contents if the network does that.

        Of `parts` sets of scans, one after the other, each has minibatch statistics of its own.
        (n, image_channels, height, width), (n, labels and kinds) -> one score each
        """
        features = images.contiguous(memory_format=torch.channels_last)
        for resolution in self.halvings:
            features = self.get_submodule(f"b{resolution}")(features)
        score, named = self.b4(features, parts)
        if self.config.n_told:
            direction = self.mapping(labels, score)
            score = (score * direction).sum(dim=1, keepdim=True) / math.sqrt(score.shape[1])
        return Judgement(score, named)


def append_minibatch_deviation(features: Tensor, parts: int = 1) -> Tensor:
    """Append one channel: the mean standard deviation over groups of four samples.

    Sample i of a part belongs to the group of samples congruent to i modulo a quarter of the part.
    Real and generated scans are parts: in groups of both, all would have the same deviation, and a
    generator that repeats itself would not show.
    (n, channels, h, w) -> (n, channels + 1, h, w)
    """
    n_samples = len(features) // parts
    group = math.gcd(n_samples, MINIBATCH_GROUP)
    members = features.reshape(parts, group, n_samples // group, *features.shape[1:])
    # Twice as fast as `var` over the leading dimension on the processor.
    variance = (members - members.mean(dim=1, keepdim=True)).square().mean(dim=1)
    deviation = (variance + EPSILON).sqrt().mean(dim=(2, 3, 4))
    channel = deviation.repeat(1, group).flatten()[:, None, None, None]
    channel = channel.expand(-1, 1, *features.shape[2:])
    return torch.cat([features, channel], dim=1)
