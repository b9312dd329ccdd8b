"""Layers of StyleGAN2 with equalised learning rate; names of parameters as published.

References
----------
.. [1] T. Karras et al., "Progressive Growing of GANs", ICLR 2018, section 4.1 (equalised rate).
.. [2] T. Karras et al., CVPR 2020, section 2.2 (modulation and demodulation).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.gan.resample import blur, downsample

LEAK = 0.2
GAIN = math.sqrt(2.0)
EPSILON = 1e-8


def activate(values: Tensor) -> Tensor:
    """Leaky ReLU 0.2, scaled so that the second moment is kept."""
    return F.leaky_relu(values, LEAK) * GAIN


class Dense(nn.Module):
    """Fully connected layer whose weights are stored with unit variance.

    `multiplier` scales the layer's effective learning rate (0.01 in the mapping network).
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        active: bool = False,
        multiplier: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / multiplier)
        self.bias = nn.Parameter(torch.full((n_out,), bias))
        self.weight_gain = multiplier / math.sqrt(n_in)
        self.bias_gain = multiplier
        self.active = active

    def forward(self, values: Tensor) -> Tensor:
        """(n, n_in) -> (n, n_out)."""
        values = F.linear(values, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return activate(values) if self.active else values


class Convolution(nn.Module):
    """Convolution of the discriminator: optional halving, bias, activation and gain."""

    def __init__(  # noqa: PLR0913
        self,
        n_in: int,
        n_out: int,
        size: int,
        *,
        halve: bool = False,
        active: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.bias = nn.Parameter(torch.zeros(n_out)) if active else None
        self.weight_gain = 1.0 / math.sqrt(n_in * size * size)
        self.padding = size // 2
        self.halve = halve
        self.gain = gain * (GAIN if active else 1.0)

    def forward(self, features: Tensor) -> Tensor:
        """(n, n_in, h, w) -> (n, n_out, h or h/2, w or w/2)."""
        # Leaky ReLU commutes with a positive gain: scaling the small weights spares a full pass.
        weight = (self.weight * (self.weight_gain * self.gain)).to(features.dtype)
        bias = None if self.bias is None else (self.bias * self.gain).to(features.dtype)
        if not self.halve:
            features = F.conv2d(features, weight, bias, padding=self.padding)
        elif self.padding == 0:
            features = F.conv2d(downsample(features), weight, bias)
        else:
            features = F.conv2d(blur(features, self.padding + 1), weight, bias, stride=2)
        return features if bias is None else F.leaky_relu(features, LEAK)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution with demodulation, noise, bias and activation.

    Modulating the input and demodulating the output equals modulating the weights, and lets
    one ordinary convolution serve the whole batch (a grouped one is several times slower).
    """

    noise_const: Tensor

    def __init__(
        self, n_in: int, n_out: int, w_dim: int, resolution: tuple[int, int], *, double: bool
    ) -> None:
        super().__init__()
        self.affine = Dense(w_dim, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution))
        self.doubles = double

    def forward(self, features: Tensor, latent_w: Tensor, noise: Tensor | None) -> Tensor:
        """(n, n_in, h, w), (n, w_dim), noise (n or 1, 1, H, W) -> (n, n_out, H, W)."""
        style = self.affine(latent_w)
        square = self.weight.square().sum(dim=(2, 3))
        # The activation's gain rides on the small factors instead of costing a full pass.
        demodulation = (style.square() @ square.t() + EPSILON).rsqrt() * GAIN
        weight = self.weight.to(features.dtype)
        features = features * style.to(features.dtype)[:, :, None, None]
        if self.doubles:
            features = F.conv_transpose2d(features, weight.transpose(0, 1), stride=2)
            features = blur(features, 1, gain=4.0)
        else:
            features = F.conv2d(features, weight, padding=1)
        bias = (self.bias * GAIN).to(features.dtype)[None, :, None, None]
        features = torch.addcmul(bias, features, demodulation.to(features.dtype)[:, :, None, None])
        if noise is not None:
            features = features + (noise * (self.noise_strength * GAIN)).to(features.dtype)
        return F.leaky_relu(features, LEAK)


class ToImage(nn.Module):
    """Modulated 1x1 convolution without demodulation: features to image channels."""

    def __init__(self, n_in: int, n_out: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Dense(w_dim, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.weight_gain = 1.0 / math.sqrt(n_in)

    def forward(self, features: Tensor, latent_w: Tensor) -> Tensor:
        """(n, n_in, h, w), (n, w_dim) -> (n, n_out, h, w)."""
        style = self.affine(latent_w) * self.weight_gain
        features = features * style.to(features.dtype)[:, :, None, None]
        return F.conv2d(features, self.weight.to(features.dtype), self.bias.to(features.dtype))
