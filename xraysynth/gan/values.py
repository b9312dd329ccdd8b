"""From pixels to the values that the networks see, and back.

Pseudo-colour and grey scans are scaled evenly to [-1, 1]. Dual-energy scans hold transmissions,
whose detail lies in the logarithm: the networks see line integrals, compressed where they are
large, so that open air is 1 and the darkest pixel that can be told from nothing is -1. Both maps
rise with the pixel, one for all channels: what is ordered in the scan (T_low <= T_high) is ordered
in the network.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ValueMap = Literal["linear", "line_integral"]

ORDER_TOLERANCE = 0.01
"""Transmission by which the low channel may exceed the high one before it counts: noise."""


SOFT = 0.25
"""Line integral up to which the map is about even. Without compression
nine in ten pixels of a bag would share the last twentieth of the range."""


def default_map(image_channels: int) -> ValueMap:
    """Return the map for scans of so many channels: line integrals for low and high energy."""
    return "line_integral" if image_channels == 2 else "linear"


def to_values(images: np.ndarray, value_map: ValueMap = "linear", shrink: int = 1) -> Tensor:
    """Turn pixels into network input of [-1, 1].

    Parameters
    ----------
    images : (n, h, w, c) uint8 or uint16
    value_map : "linear", v = 2 T - 1, or "line_integral", v = 1 - 2 c(L) / c(L_most), where T is
        the pixel over its largest value, L = -ln(T), L_most is that of a single step of the pixel,
        and c(L) = ln(1 + L / 0.25)
    shrink : side of the boxes that are averaged, before the map: a coarser detector counts quanta

    Returns
    -------
    (n, c, h / shrink, w / shrink) float32

    Examples
    --------
    >>> pixels = np.array([65535, 24109, 1, 0], np.uint16).reshape(1, 1, 4, 1)
    >>> [round(v, 3) for v in to_values(pixels, "line_integral").flatten().tolist()]
    [1.0, 0.156, -1.0, -1.0]
    """
    top = float(np.iinfo(images.dtype).max)
    pixels = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
    if shrink > 1:
        pixels = F.avg_pool2d(pixels, shrink)
    if value_map == "linear":
        # A coarser detector, too, writes whole pixels.
        return pixels.round() * (2.0 / top) - 1.0
    line_integral = (math.log(top) - pixels.clamp_min(1.0).log()).clamp_min(0.0)
    return 1.0 - (line_integral / SOFT).log1p() * (2.0 / _most(top))


def to_pixels(
    values: Tensor,
    value_map: ValueMap = "linear",
    dtype: type[np.unsignedinteger] | np.dtype[np.unsignedinteger] = np.uint8,
    bits: int | None = None,
) -> np.ndarray:
    """Turn network output of about [-1, 1] into pixels: the inverse of `to_values`.

    Parameters
    ----------
    values : (n, c, h, w)
    dtype : uint8 or uint16 of the pixels
    bits : of the pixels that the network learned from, as that fixes T_least; none for `dtype`'s

    Returns
    -------
    (n, h, w, c)
    """
    top = float(np.iinfo(dtype).max)
    share = (values.detach().float() + 1.0) / 2.0
    if value_map == "line_integral":
        learned_top = float(2**bits - 1) if bits else top
        line_integral = ((1.0 - share.clamp(0.0, 1.0)) * _most(learned_top)).expm1() * SOFT
        share = (-line_integral).exp()
    pixels = (share * top).round().clamp(0.0, top)
    return pixels.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)


def thickened(values: Tensor, factor: Tensor, bits: int) -> Tensor:
    """Multiply the line integral behind compressed values of `to_values` by a factor.

    Beyond open air and the darkest pixel, where none is, values go on with slope 1.

    Parameters
    ----------
    values : (n, c, h, w) of the map "line_integral"
    factor : (n, 1, 1, 1)
    bits : of the pixels that the values were made from

    Examples
    --------
    Twice the thickness of something that passes half the beam passes a quarter.

    >>> pixels = np.array([32768, 16384], np.uint16).reshape(1, 1, 2, 1)
    >>> half, quarter = to_values(pixels, "line_integral").flatten()
    >>> bool((thickened(half, torch.tensor(2.0), 16) - quarter).abs() < 1e-4)
    True
    """
    most = _most(2**bits - 1)
    real = values.clamp(-1.0, 1.0)
    compressed = ((1.0 - real) * (most / 2.0)).expm1().mul(factor).log1p()
    return 1.0 - compressed * (2.0 / most) + (values - real)


def as_shown(
    values: Tensor, pixel_range: tuple[int, int], bits: int, value_map: ValueMap = "linear"
) -> Tensor:
    """Return network output as its pixels will show it: clipped to a range, and rounded.

    A detector saturates in open air: the scans there hold one pixel, over and over. No network
    draws that to the last digit, and a discriminator that sees the digits need look at nothing
    else. Gradients pass as if nothing had happened, but for those that push further out of range.

    Parameters
    ----------
    values : (n, c, h, w)
    pixel_range : least and greatest pixel
    bits : of the pixels

    Returns
    -------
    (n, c, h, w) float32; compressed line integrals are clipped alone, as their steps are uneven

    Examples
    --------
    >>> seen = as_shown(torch.tensor([-1.1, 0.001, 0.99, 1.2]).reshape(1, 1, 1, 4), (0, 254), 8)
    >>> ((seen + 1) * 127.5).round().flatten().tolist()
    [0.0, 128.0, 254.0, 254.0]
    """
    ends = np.array(pixel_range, np.uint16 if bits == 16 else np.uint8).reshape(1, 1, 2, 1)
    least, greatest = to_values(ends, value_map).flatten().tolist()
    step = 2.0 / (2**bits - 1) if value_map == "linear" else 0.0
    shown: Tensor = _AsShown.apply(values.float(), least, greatest, step)  # type: ignore[no-untyped-call]
    return shown


class _AsShown(torch.autograd.Function):
    """Clipping and rounding whose gradient is that of neither, but never leads out of range."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, least: float, greatest: float, step: float) -> Tensor:
        ctx.save_for_backward(values)
        ctx.least, ctx.greatest = least, greatest
        clipped = values.clamp(least, greatest)
        return ((clipped + 1.0) / step).round() * step - 1.0 if step else clipped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (values,) = ctx.saved_tensors
        outward = (values > ctx.greatest) & (gradient < 0) | (values < ctx.least) & (gradient > 0)
        return gradient.masked_fill(outward, 0.0), None, None, None


def _most(top: float) -> float:
    """Return c(L) of a single step of a pixel whose largest value is `top`."""
    return math.log1p(math.log(top) / SOFT)


def order_violations(images: np.ndarray) -> float:
    """Return the share of pixels where less of the hard beam comes through than of the soft one.

    Never so in nature, up to noise: 1 % of the open beam is let pass.
    (n, h, w, 2) uint8 or uint16, low energy first -> [0, 1]

    Examples
    --------
    >>> order_violations(np.array([[[[100, 120], [120, 100], [101, 100]]]], np.uint8))
    0.3333333333333333
    """
    pixels = images.astype(np.float32) / np.iinfo(images.dtype).max
    return float((pixels[..., 0] > pixels[..., 1] + ORDER_TOLERANCE).mean())
