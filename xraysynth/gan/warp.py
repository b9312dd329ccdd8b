"""Affine transformation of scans with hardly any aliasing: the sym6 wavelet as low-pass filter.

The picture is taken to continue by reflection for ever. That continuation is periodic, so
the doubled picture is computed over one period and looked up modulo the period: no margins
that depend on the draw, hence fixed shapes and no waiting for an accelerator. Padding,
zero-stuffing and filtering are one small matrix along each axis.

References
----------
.. [1] T. Karras et al., NeurIPS 2020, appendix B, lines 33 to 47 of the pseudocode.
.. [2] I. Daubechies, "Ten Lectures on Wavelets", SIAM 1992, section 8.1 (least asymmetric).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Orthonormal low-pass filter of the symlet with six vanishing moments."""

_REACH = 5
"""The tap of the filter that lies on the pixel itself: its largest, near its centre of mass."""


def warp(images: Tensor, affine: Tensor) -> Tensor:
    """Transform every image by its own matrix: double, look up bilinearly, halve.

    Linear in `images`, and differentiable in them any number of times.

    Parameters
    ----------
    images : (n, channels, height, width)
        At least 2 pixels high and wide.
    affine : (n, 3, 3)
        Where a point (x, y, 1) of the image goes, in pixels; origin at the image's centre,
        x to the right, y downwards. Invertible.

    Returns
    -------
    (n, channels, height, width)

    Examples
    --------
    >>> image = torch.rand(1, 1, 8, 8)
    >>> bool(torch.allclose(warp(image, torch.eye(3)[None]), image, atol=1e-5))
    True
    """
    height, width = images.shape[2:]
    size = height, width
    with torch.autocast(images.device.type, enabled=False):
        scans = images.float()
        rows, columns = (doubling_matrix(length).to(scans) for length in size)
        doubled = rows @ (scans @ columns.T)
        looked_up = _look_up(doubled, _lookup_grid(affine, size).to(scans))
        rows, columns = (halving_matrix(length).to(scans) for length in size)
        return (rows @ (looked_up @ columns.T)).to(images.dtype)


def doubling_matrix(length: int) -> Tensor:
    """Return the matrix from pixels to one period, at half the pitch, of their reflection.

    Row 2 i lies on pixel i; the last row repeats row 0, for the lookup.
    (4 * (length - 1) + 1, length), float64
    """
    period = 2 * (length - 1)
    fine = torch.arange(2 * period + 1)[:, None]
    tap = torch.arange(len(SYM6))[None, :]
    stuffed = fine + _REACH - tap
    pixel = (
        period // 2 - (torch.div(stuffed, 2, rounding_mode="floor") % period - period // 2).abs()
    )
    weight = torch.tensor(SYM6, dtype=torch.float64) * 2**0.5 * (stuffed % 2 == 0)
    matrix = torch.zeros(len(fine), length, dtype=torch.float64)
    return matrix.scatter_add_(1, pixel, weight)


def halving_matrix(length: int) -> Tensor:
    """Return the matrix from doubled pixels, with the filter's reach at both ends, to pixels.

    (length, 2 * length + 10), float64
    """
    taps = torch.tensor(SYM6, dtype=torch.float64) / 2**0.5
    matrix = torch.zeros(length, 2 * (length + _REACH), dtype=torch.float64)
    columns = 2 * torch.arange(length)[:, None] + torch.arange(len(SYM6))[None, :]
    return matrix.scatter_(1, columns, taps.expand(length, -1))


def _lookup_grid(affine: Tensor, size: tuple[int, int]) -> Tensor:
    """Return where, in [-1, 1] over the doubled period, every doubled output pixel looks.

    (n, 3, 3) -> (n, 2 * height + 10, 2 * width + 10, 2), float32
    """
    inverse = torch.linalg.inv(affine)
    y, x = (torch.arange(2 * (length + _REACH)) - _REACH - (length - 1) for length in size)
    axes = []
    for row, length in enumerate(reversed(size)):
        period = 4 * (length - 1)
        along_x, along_y, start = (inverse[:, row] / period).unbind(1)
        offset = 2 * start + (length - 1) / period
        columns = along_x[:, None] * x.to(inverse) + offset[:, None]
        rows = along_y[:, None] * y.to(inverse)
        place = columns.float()[:, None, :] + rows.float()[:, :, None]
        axes.append((place - place.floor()) * 2 - 1)
    return torch.stack(axes, dim=3)


class _Lookup(torch.autograd.Function):
    """Bilinear lookup, whose gradient has a gradient.

    `grid_sample` has no second derivative in the oldest PyTorch that we support; R1 on
    augmented scans needs one.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return torch.grid_sampler(images, grid, 0, 0, True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _spread(gradients[0], grid, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transpose of the lookup."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = values.new_empty(shape)  # only its shape is read
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            values, images, grid, 0, 0, True, [True, False]
        )[0]
        return spread

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _look_up(gradients[0], grid), None, None


_look_up: Callable[[Tensor, Tensor], Tensor] = _Lookup.apply
_spread: Callable[[Tensor, Tensor, torch.Size], Tensor] = _Spread.apply
