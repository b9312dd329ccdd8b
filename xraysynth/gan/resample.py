"""Resampling by the [1, 3, 3, 1] filter, as depthwise convolutions.

The published networks zero-stuff and filter with a custom operator. On channels-last
tensors a native depthwise 4x4 convolution is the fastest exact form we measured, on
processor and GPU alike, so nothing has to be compiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_TAPS = (1.0, 3.0, 3.0, 1.0)


def _filter(like: Tensor, gain: float) -> Tensor:
    """Return the separable 4x4 filter, one copy a channel, with sum `gain`."""
    return _kernel(gain, like.dtype, like.device).expand(like.shape[1], 1, 4, 4)


@functools.cache
def _kernel(gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the 4x4 filter, made once: a training step asks for it 32 times and more."""
    with torch.inference_mode(False):  # It may be kept for a gradient later.
        taps = torch.tensor(_TAPS, dtype=dtype, device=device)
        taps = taps / taps.sum()
        return torch.outer(taps, taps) * gain


def at_least_float32(values: Tensor) -> Tensor:
    """Return half-width floats as float32, anything wider as it is."""
    return values.float() if values.element_size() < 4 else values


def blur(image: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Filter without changing the pitch.

    Parameters
    ----------
    image : (n, channels, height, width)
    padding : zeros added on every side; the result grows by 2 * padding - 3
    gain : sum of the filter's taps
    """
    return _blur(image, padding, gain)


class _Blur(torch.autograd.Function):
    """The filter is symmetric: the gradient of blurring is blurring, any number of times.

    PyTorch's own second derivative would compute one in the constant filter as well, slowly.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, padding: int, gain: float) -> Tensor:
        ctx.how = (padding, gain)
        return F.conv2d(image, _filter(image, gain), padding=padding, groups=image.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        padding, gain = ctx.how
        return blur(gradients[0], len(_TAPS) - 1 - padding, gain), None, None


_blur: Callable[[Tensor, int, float], Tensor] = _Blur.apply


def downsample(image: Tensor) -> Tensor:
    """Halve height and width: filter, then keep every second pixel.

    Never in half-width floats: the processor's strided depthwise kernel for them is ten
    times slower.
    """
    wide = at_least_float32(image)
    halved = F.conv2d(wide, _filter(wide, 1.0), padding=1, stride=2, groups=image.shape[1])
    return halved.to(image.dtype)


def upsample(image: Tensor) -> Tensor:
    """Double height and width.

    Zero-stuffing followed by the filter with gain 4 is bilinear interpolation of the
    zero-padded image, which every backend has as one fused kernel.
    """
    padded = F.pad(image, (1, 1, 1, 1))
    double = F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return double[:, :, 2:-2, 2:-2]
