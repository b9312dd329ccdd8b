"""Bilinear doubling of maps on a processor."""

from __future__ import annotations

import torch
from torch import Tensor


def doubled(maps: Tensor) -> Tensor:
    """Return maps twice as large, bilinearly: as `interpolate` does, in less than half its time.

    A new pixel is three quarters of its old one and a quarter of the neighbour on its side. The
    columns go first, while the picture is small: they are what has to be woven together.
    """
    maps = maps.contiguous()
    n, channels, height, width = maps.shape
    wide = maps.new_empty(n, channels, height, width, 2)
    _blend(maps, wide[..., 0], wide[..., 1], axis=3)
    wide = wide.view(n, channels, height, 2 * width)
    tall = maps.new_empty(n, channels, height, 2, 2 * width)
    _blend(wide, tall[:, :, :, 0], tall[:, :, :, 1], axis=2)
    return tall.view(n, channels, 2 * height, 2 * width)


def _blend(maps: Tensor, before: Tensor, after: Tensor, axis: int) -> None:
    """Write into `before` and `after` the new pixels on both sides of each old one."""
    rest = maps.shape[axis] - 1
    first, last = maps.narrow(axis, 0, rest), maps.narrow(axis, 1, rest)
    torch.lerp(last, first, 0.25, out=before.narrow(axis, 1, rest))
    torch.lerp(first, last, 0.25, out=after.narrow(axis, 0, rest))
    before.narrow(axis, 0, 1).copy_(maps.narrow(axis, 0, 1))
    after.narrow(axis, rest, 1).copy_(maps.narrow(axis, rest, 1))
