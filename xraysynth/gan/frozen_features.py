"""Four scales of EfficientNet-Lite0's features, differentiable in the picture and lean."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.gan.efficientnet import load_feature_network

TAPS = (2, 4, 10, 15)
"""Blocks after which features are taken: the last ones at 1/4, 1/8, 1/16 and 1/32 of the side."""
CHANNELS = (24, 40, 112, 320)
N_POOLED = 1280
"""Features by which the network would name a whole picture."""


class FrozenConvolution(nn.Module):
    """A convolution whose numbers are in no checkpoint."""

    weight: Tensor
    bias: Tensor

    def __init__(self, convolution: Any, *, active: bool) -> None:
        super().__init__()
        weight = convolution.weight.detach().contiguous(memory_format=torch.channels_last)
        bias = convolution.bias.detach()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.stride, self.groups = convolution.stride[0], convolution.groups
        self.active = active

    def forward(self, features: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h or ceil(h/2), w or ceil(w/2)), padded as TensorFlow."""
        size, stride = self.weight.shape[2], self.stride
        padding = size // 2
        if stride == 2 and size > 1:
            # On even sides TensorFlow pads one pixel less above and to the left.
            features = F.pad(features, (padding - 1, padding, padding - 1, padding))
            padding = 0
        weight, bias = self.weight.to(features.dtype), self.bias.to(features.dtype)
        features = F.conv2d(features, weight, bias, stride, padding, groups=self.groups)
        return F.relu6(features, inplace=True) if self.active else features


class FrozenBlock(nn.Module):
    """An inverted residual bottleneck: expand, filter each channel, project."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        layers = []
        if hasattr(block, "_expand_conv"):
            layers.append(FrozenConvolution(block._expand_conv, active=True))
        layers.append(FrozenConvolution(block._depthwise_conv, active=True))
        layers.append(FrozenConvolution(block._project_conv, active=False))
        self.layers = nn.Sequential(*layers)
        first, last = layers[0].weight.shape, layers[-1].weight.shape
        n_in = first[1] if len(layers) == 3 else first[0]
        self.adds = layers[-2].stride == 1 and n_in == last[0]

    def forward(self, features: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h or h/2, w or w/2)."""
        result: Tensor = self.layers(features)
        return result + features if self.adds else result


class FrozenFeatures(nn.Module):
    """Pictures to features of EfficientNet-Lite0 at four scales; nothing of it is learned."""

    def __init__(self) -> None:
        super().__init__()
        network: Any = load_feature_network()
        self.stem = FrozenConvolution(network._conv_stem, active=True)
        self.blocks = nn.ModuleList([FrozenBlock(block) for block in network._blocks])
        self.head = FrozenConvolution(network._conv_head, active=True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return features at 1/4, 1/8, 1/16 and 1/32 of the side, finest first.

        (n, 3, h, w) of about [-1, 1], sides multiples of 32 -> four of (n, channels, h/s, w/s)
        """
        # Lite networks take (value - 127) / 128 of values from 0 to 255.
        features = (images * 127.5 + 0.5) / 128
        features = self.stem(features.contiguous(memory_format=torch.channels_last))
        found = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in TAPS:
                found.append(features)
        return found

    def pooled(self, coarsest: Tensor) -> Tensor:
        """Return by what the network would name pictures: (n, 320, h, w) -> (n, 1280)."""
        features: Tensor = self.head(coarsest)
        return features.mean(dim=(2, 3))
