"""Class scores drawn to the edges of the scan: a few steps of a joint bilateral filter.

Features of a generator are smoother than what it draws, so labels reach over the edges of items by
a pixel. Each step replaces the scores of a pixel by a mean over itself and its four neighbours, in
which a neighbour counts by how alike both look in the scan. The same code for CPU and CUDA.

References
----------
.. [1] G. Petschnigg et al., "Digital Photography with Flash and No-Flash Image Pairs", SIGGRAPH
   2004, equation 3 (joint bilateral filter; here over the nearest neighbours, in several steps).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from xraysynth.settings import Settings

OFFSETS = ((0, 1), (1, 0))
"""Rows and columns to the neighbours after a pixel; those before it mirror them. The diagonal ones
were worth less than a second step, which costs less."""


class RefineConfig(Settings):
    """How class scores are drawn to edges."""

    steps: int = Field(0, ge=0, le=16)
    """Steps, each one pixel wide; 0 leaves the scores as they are."""
    contrast: float = Field(0.05, gt=0, le=1)
    """Difference of two pixels that counts as an edge, in shares of full scale."""


def refined(scores: Tensor, images: Tensor, config: RefineConfig) -> Tensor:
    """Return class scores that follow the edges of the scans.

    Parameters
    ----------
    scores : (n, K, H, W)
    images : (n, C, H, W)
        What the generator drew, in [-1, 1].

    Examples
    --------
    A step of the scan between the second and third pixel keeps both sides apart.

    >>> image = torch.tensor([[-1.0, -1.0, 1.0, 1.0]])[None, None]
    >>> scores = torch.tensor([[0.0, 1.0, 5.0, 6.0]])[None, None]
    >>> refined(scores, image, RefineConfig(steps=1)).flatten().tolist()
    [0.5, 0.5, 5.5, 5.5]
    """
    if config.steps == 0:
        return scores
    alike = _alikeness(images.float().clamp(-1, 1) / 2, config.contrast)
    size = (scores.shape[0], 1, *scores.shape[2:])
    weight = scores.new_ones(size)
    for offset, share in alike:
        before, after = _sides(weight, offset)
        before += share
        after += share
    scale = weight.reciprocal_()
    for _ in range(config.steps):
        total = scores.clone(memory_format=torch.contiguous_format)
        for offset, share in alike:
            target_before, target_after = _sides(total, offset)
            before, after = _sides(scores, offset)
            target_before.addcmul_(after, share)
            target_after.addcmul_(before, share)
        scores = total.mul_(scale)
    return scores


def _alikeness(guide: Tensor, contrast: float) -> list[tuple[tuple[int, int], Tensor]]:
    """Return, for each offset, how alike pixels and their neighbours are: 1 is equal."""
    found = []
    for offset in OFFSETS:
        before, after = _sides(guide, offset)
        square = (before - after).square().sum(1, keepdim=True)
        found.append((offset, torch.exp(square / (-2 * contrast**2))))
    return found


def _sides(maps: Tensor, offset: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return views on the pixels that have a neighbour at an offset, and on those neighbours."""
    (height, width), (down, right) = maps.shape[2:], offset
    return maps[:, :, : height - down, : width - right], maps[:, :, down:, right:]
