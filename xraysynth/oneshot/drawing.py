"""Scans and class scores drawn together, as one picture with more channels.

What turns a block's last features into colours is a small matrix a scan, and so is what turns them
into scores: one product of both reads the features once. Colours and scores grow to the next size
together; both grow bilinearly and differ at the border only, where colours fade into zeros and
scores go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xraysynth.gan.generator import Synthesis
from xraysynth.oneshot.doubling import doubled

FADE = 0.75
"""Share of a border pixel in what the filter [1, 3, 3, 1] makes beside it, where zeros follow."""


def draw_together(
    synthesis: Synthesis, latent_w: Tensor, weights: Sequence[Tensor], bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Return scans (n, C, H, W) and scores (n, outputs, H, W) of `latent_w` (n, num_ws, w_dim).

    `weights` holds one (outputs, channels) matrix a site, `bias` (outputs,). The same as drawing,
    and summing `up(A_l f_l)` of bilinear doublings, but for rounding.
    """
    colour_biases = [synthesis.block(size).torgb.bias for size in synthesis.resolutions]
    painter = _Painter(weights, bias, colour_biases)
    for to_image, features, style_w in synthesis.walk(latent_w, on_activation=painter.convolution):
        painter.end_of_block(to_image.matrix(style_w), features)
    return painter.result()


class _Painter:
    """Colours and scores (n, C + outputs, h, w), summed coarse to fine."""

    def __init__(
        self, weights: Sequence[Tensor], bias: Tensor, colour_biases: Sequence[Tensor]
    ) -> None:
        self._weights, self._bias = weights, bias
        self._colour_biases = iter(colour_biases)
        self._outputs = len(bias)
        self._used = [bool(weight.any()) for weight in weights]
        self._site = -1
        self._total: Tensor | None = None

    def convolution(self, site: int, features: Tensor) -> None:
        """Add the scores of a convolution, but for a block's last one: they come with its end."""
        self._site = site
        if self._total is None or self._total.shape[2:] == features.shape[2:]:
            return
        self._total = _grown(self._total, next(self._colour_biases))
        if self._used[site]:  # The map may not read coarse features.
            rows = self._weights[site].expand(len(features), -1, -1)
            self._total[:, -self._outputs :].flatten(2).baddbmm_(rows, features.flatten(2))

    def end_of_block(self, matrix: Tensor, features: Tensor) -> None:
        """Add colours and scores of a block's last convolution."""
        n_samples = len(features)
        rows = self._weights[self._site].expand(n_samples, -1, -1)
        both = torch.cat([matrix, rows], 1)
        pixels = features.flatten(2)
        if self._total is None:
            start = torch.cat([next(self._colour_biases), self._bias])
            total = torch.baddbmm(start[:, None].expand(n_samples, -1, 1), both, pixels)
            self._total = total.unflatten(2, features.shape[2:])
            return
        self._total.flatten(2).baddbmm_(both, pixels)

    def result(self) -> tuple[Tensor, Tensor]:
        """Return colours and scores."""
        if self._total is None:
            raise RuntimeError("the generator drew no block")
        return self._total[:, : -self._outputs], self._total[:, -self._outputs :]


def _grown(total: Tensor, bias: Tensor) -> Tensor:
    """Return colours and scores twice as large, and `bias` (C,) added to the colours.

    It is added while the picture is small; at the border, where colours fade, it does not.
    """
    level = bias[:, None, None]
    total[:, : len(bias)] += level
    total = doubled(total)
    height, width = total.shape[2:]
    total[:, : len(bias), :: height - 1].lerp_(level, 1 - FADE)
    total[:, : len(bias), :, :: width - 1].lerp_(level, 1 - FADE)
    return total
