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

from xraysynth.gan.convolve import convolve, convolve_biased, convolve_transposed
from xraysynth.gan.resample import at_least_float32, blur, downsample

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
        values = torch.addmm(
            self.bias, values, self.weight.t(), beta=self.bias_gain, alpha=self.weight_gain
        )
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
            features = convolve_biased(features, weight, bias, padding=self.padding)
        elif self.padding == 0:
            features = convolve_biased(downsample(features), weight, bias)
        else:
            features = convolve_biased(blur(features, self.padding + 1), weight, bias, stride=2)
        # In place: the convolution's gradient does not need what it gave.
        return features if bias is None else F.leaky_relu_(features, LEAK)


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
        """(n, n_in, h, w), (n, w_dim), noise (n or 1, 1, H, W) -> (n, n_out, H, W).

        Computed in the precision of `features`; style, demodulation and noise come in float32.
        """
        style = self.affine(latent_w)
        square = self.weight.square().sum(dim=(2, 3))
        # The activation's gain rides on the small factors instead of costing a full pass.
        demodulation = (style.square() @ square.t() + EPSILON).rsqrt() * GAIN
        weight = self.weight.to(features.dtype)
        features = features * style.to(features.dtype)[:, :, None, None]
        if self.doubles:
            features = convolve_transposed(features, weight.transpose(0, 1), stride=2)
            features = blur(features, 1, gain=4.0)
        else:
            features = convolve(features, weight, padding=1)
        strength = None if noise is None else noise * (self.noise_strength * GAIN)
        return demodulated(features, demodulation, self.bias * GAIN, strength)


class ToImage(nn.Module):
    """Modulated 1x1 convolution without demodulation: features to image channels."""

    def __init__(self, n_in: int, n_out: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Dense(w_dim, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.weight_gain = 1.0 / math.sqrt(n_in)

    def forward(self, features: Tensor, latent_w: Tensor) -> Tensor:
        """(n, n_in, h, w), (n, w_dim) -> (n, n_out, h, w), at least float32."""
        n_samples, n_in, height, width = features.shape
        matrix = self.matrix(latent_w).to(features.dtype)
        pixels = features.permute(0, 2, 3, 1).reshape(n_samples, height * width, n_in)
        image = at_least_float32(pixels @ matrix.transpose(1, 2)) + self.bias
        return image.reshape(n_samples, height, width, -1).permute(0, 3, 1, 2)

    def matrix(self, latent_w: Tensor) -> Tensor:
        """(n, w_dim) -> (n, n_out, n_in): what a pixel's features are multiplied by.

        With so few outputs, one small matrix a sample is cheaper than modulating the features.
        """
        style = self.affine(latent_w) * self.weight_gain
        return self.weight[:, :, 0, 0] * style[:, None, :]


def demodulated(
    features: Tensor, demodulation: Tensor, bias: Tensor, noise: Tensor | None
) -> Tensor:
    """Scale each sample's channels, add bias and noise, activate: leaky ReLU without its gain.

    Half-width floats take the sum of bias and noise from one matrix product, [noise, 1] times
    [1, bias]: their broadcast addition is up to ten times slower where channels are few.
    (n, c, h, w), (n, c), (c,), (n or 1, 1, h, w) -> (n, c, h, w)
    """
    factor = demodulation.to(features.dtype)
    if features.element_size() >= 4 or noise is None:
        offset = bias.to(features.dtype)[None, :, None, None]
        features = torch.addcmul(offset, features, factor[:, :, None, None])
        if noise is not None:
            features = features.add_(noise.to(features.dtype))
        return F.leaky_relu_(features, LEAK)
    n_samples, channels, height, width = features.shape
    pixels = features.permute(0, 2, 3, 1).reshape(n_samples, -1, channels)
    levels = noise.expand(n_samples, 1, height, width).reshape(n_samples, -1)
    left = torch.stack([levels, torch.ones_like(levels)], dim=2).to(features.dtype)
    right = torch.stack([torch.ones_like(bias), bias]).to(features.dtype)
    scaled = pixels * factor[:, None, :]
    active = F.leaky_relu_(scaled.baddbmm_(left, right.expand(n_samples, -1, -1)), LEAK)
    return active.reshape(n_samples, height, width, channels).permute(0, 3, 1, 2)
