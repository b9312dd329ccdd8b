"""The linear head: fitted to labelled pixels, and to what unlabelled scans may hold.

The problem is convex; L-BFGS solves it in some tens of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.oneshot.lesson import Lesson
from xraysynth.oneshot.unlabelled import (
    Unlabelled,
    UnlabelledConfig,
    common_classes,
    guessed_classes,
    partial_loss,
    possible_classes,
)
from xraysynth.oneshot.views import ViewConfig
from xraysynth.settings import Settings

LinearHead = tuple[Tensor, Tensor]
"""Weights (K, D) and bias (K,)."""


class HeadConfig(Settings):
    """How the head learns from the exemplars."""

    reads: Literal["features", "clusters"] = "features"
    """What it reads of a pixel: the hidden features, or their projection by the clustering."""
    sites_from_px: int = Field(32, ge=4)
    """Coarsest resolution whose features are read; coarser ones tell where a pixel is, not what."""
    dim: int = Field(512, ge=2)
    """More features than this are projected to so many values, at random."""
    views: int = Field(1, ge=1)
    """Views of each exemplar: the first in its own style, the others restyled."""
    pixels: int = Field(65536, ge=64)
    """At most so many pixels of all views together are learned from."""
    steps: int = Field(60, ge=1)
    """Most iterations of L-BFGS."""
    weight_decay: float = Field(0.01, ge=0)
    """Of the weights, which read standardised values."""
    balance: float = Field(0.5, ge=0, le=1)
    """Loss weight of a class is its share to the power of minus this."""
    swap: ViewConfig = ViewConfig(swap_from_px=16, flip_probability=0, rotation_deg=0, shift=0)
    """Which rows may be swapped; warps are not used."""
    unlabelled: UnlabelledConfig = UnlabelledConfig()
    """What scans without labels count."""


@dataclass(frozen=True, kw_only=True)
class LabelledPixels:
    """What the exemplars show."""

    pixels: Tensor
    """(m, D)"""
    classes: Tensor
    """(m,) int64"""


def fit_head(
    known: Lesson, labelled: LabelledPixels, unlabelled: Unlabelled, config: HeadConfig
) -> LinearHead:
    """Return the head by class-balanced cross-entropy, held back by unlabelled scans."""
    own = config.unlabelled
    weights = known.class_weights(config.balance)

    def labelled_loss(head: LinearHead) -> Tensor:
        scores = _scores(labelled.pixels, head)
        return functional.cross_entropy(scores, labelled.classes, weight=weights)

    size = (known.n_classes, labelled.pixels.shape[1])
    start = (labelled.pixels.new_zeros(size), labelled.pixels.new_zeros(size[0]))
    if not own.weight:
        return _minimised(labelled_loss, start, config)
    pixels, each = unlabelled.flat(), unlabelled.pixels.shape[1]
    common = common_classes(known, own.common_share)
    possible = possible_classes(known.class_names, common, unlabelled).repeat_interleave(each, 0)
    head = _minimised(
        lambda h: labelled_loss(h) + own.weight * partial_loss(_scores(pixels, h), possible),
        start,
        config,
    )
    rule = unlabelled.rule(known.class_names, len(known.latent_w))
    for _ in range(own.rounds if rule else 0):
        assert rule is not None
        guess = guessed_classes(unlabelled, head, rule)
        sure = guess < known.n_classes
        guessed_loss = _guessed_loss(pixels[sure], guess[sure], known.n_classes, config)
        head = _minimised(lambda h: labelled_loss(h) + guessed_loss(h), head, config)  # noqa: B023
    return head


def _guessed_loss(
    pixels: Tensor, guess: Tensor, n_classes: int, config: HeadConfig
) -> Callable[[LinearHead], Tensor]:
    """Return the weighted loss of a head on pixels and their guessed classes."""
    count = torch.bincount(guess, minlength=n_classes).float().clamp_min(1.0)
    weights = (count / count.sum()).pow(-config.balance)

    def loss(head: LinearHead) -> Tensor:
        entropy = functional.cross_entropy(_scores(pixels, head), guess, weight=weights)
        return config.unlabelled.weight * entropy

    return loss


def _scores(pixels: Tensor, head: LinearHead) -> Tensor:
    """(m, D) -> (m, K)."""
    return torch.addmm(head[1], pixels, head[0].T)


def _minimised(
    objective: Callable[[LinearHead], Tensor], start: LinearHead, config: HeadConfig
) -> LinearHead:
    """Return the head with the least loss and weights, searched from a start."""
    weight, bias = (part.clone().requires_grad_() for part in start)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=config.steps, line_search_fn="strong_wolfe"
    )

    def loss() -> float:
        optimiser.zero_grad()
        value = objective((weight, bias)) + 0.5 * config.weight_decay * weight.square().sum()
        value.backward()
        return float(value.detach())

    optimiser.step(loss)
    return weight.detach(), bias.detach()
