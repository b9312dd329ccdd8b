"""StyleGAN2's networks as the papers say them, in plain PyTorch, on the weights of ours.

The textbook form that `gan_speed.py` compares with: one modulated weight a sample in a grouped
convolution, zero-stuffing and a 4x4 FIR filter a channel, bias, activation and gain one after
another, NCHW, float32. The strided convolutions before or after a filter are the published ones,
not the slower ones over zero-stuffed features.

References
----------
.. [1] T. Karras et al., CVPR 2020, sections 2.2 and 3.2, figures 2 and 7.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from xraysynth.gan.discriminator import (
    Discriminator,
    DiscriminatorBlock,
    append_minibatch_deviation,
)
from xraysynth.gan.generator import Generator
from xraysynth.gan.layers import Convolution, SynthesisLayer, ToImage

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def resampled(image: Tensor, padding: tuple[int, int], up: int, down: int, gain: float) -> Tensor:
    """Zero-stuff, pad before and after, filter every channel, keep every `down`-th pixel."""
    n_samples, channels, height, width = image.shape
    image = image.reshape(n_samples, channels, height, 1, width, 1)
    image = F.pad(image, [0, up - 1, 0, 0, 0, up - 1])
    image = image.reshape(n_samples, channels, height * up, width * up)
    kernel = (torch.outer(TAPS, TAPS) * gain).to(image.dtype).expand(channels, 1, 4, 4)
    before, after = padding
    image = F.conv2d(F.pad(image, [before, after, before, after]), kernel, groups=channels)
    return image[:, :, ::down, ::down]


def modulated(features: Tensor, weight: Tensor, style: Tensor, *, double: bool) -> Tensor:
    """Convolve every sample with its own weights, as one grouped convolution."""
    n_samples, n_in, height, width = features.shape
    n_out, _, size, _ = weight.shape[-4:]
    if size == 3:
        weight = weight * style[:, None, :, None, None]
        weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    else:
        weight = weight * style[:, None, :, None, None]
    features = features.reshape(1, n_samples * n_in, height, width)
    if double:
        stacked = weight.transpose(1, 2).reshape(n_samples * n_in, n_out, size, size)
        features = F.conv_transpose2d(features, stacked, stride=2, groups=n_samples)
    else:
        stacked = weight.reshape(n_samples * n_out, n_in, size, size)
        features = F.conv2d(features, stacked, padding=size // 2, groups=n_samples)
    features = features.reshape(n_samples, n_out, *features.shape[2:])
    return resampled(features, (1, 1), up=1, down=1, gain=4.0) if double else features


def biased_and_active(features: Tensor, bias: Tensor, gain: float) -> Tensor:
    return F.leaky_relu(features + bias[:, None, None], 0.2) * gain


def textbook_images(generator: Generator, latent_w: Tensor, rng: torch.Generator) -> Tensor:
    """Return generated images, with fresh noise."""
    features = generator.synthesis.block(4).const.expand(len(latent_w), -1, -1, -1)
    image, row = None, 0
    for resolution in generator.synthesis.resolutions:
        block = generator.synthesis.block(resolution)
        for _, layer in block.convolutions:
            assert isinstance(layer, SynthesisLayer)
            style = layer.affine(latent_w[:, row])
            features = modulated(features, layer.weight, style, double=layer.doubles)
            shape = (len(latent_w), 1, *features.shape[2:])
            features = (
                features
                + torch.randn(shape, generator=rng).to(features.dtype) * layer.noise_strength
            )
            features = biased_and_active(features, layer.bias, math.sqrt(2))
            row += 1
        skip: ToImage = block.torgb
        style = skip.affine(latent_w[:, row]) * skip.weight_gain
        added = modulated(features, skip.weight, style, double=False) + skip.bias[:, None, None]
        image = added if image is None else added + resampled(image, (2, 1), 2, 1, 4.0)
    assert image is not None
    return image


def textbook_convolution(features: Tensor, layer: Convolution) -> Tensor:
    weight = layer.weight * layer.weight_gain
    if not layer.halve:
        features = F.conv2d(features, weight, padding=layer.padding)
    elif layer.padding == 0:
        features = F.conv2d(resampled(features, (1, 1), 1, 2, 1.0), weight)
    else:
        features = F.conv2d(resampled(features, (2, 2), 1, 1, 1.0), weight, stride=2)
    if layer.bias is None:
        return features * layer.gain
    return biased_and_active(features, layer.bias, layer.gain)


def textbook_score(discriminator: Discriminator, images: Tensor) -> Tensor:
    features = images.contiguous()
    for resolution in discriminator.halvings:
        block = discriminator.get_submodule(f"b{resolution}")
        assert isinstance(block, DiscriminatorBlock)
        if block.reads_image:
            features = textbook_convolution(features, block.fromrgb)
        shortcut = textbook_convolution(features, block.skip)
        features = textbook_convolution(textbook_convolution(features, block.conv0), block.conv1)
        features = features + shortcut
    last = discriminator.b4
    features = textbook_convolution(append_minibatch_deviation(features), last.conv)
    score: Tensor = last.out(last.fc(features.flatten(1)))
    return score
