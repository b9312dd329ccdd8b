"""What scans that nobody labelled tell the head: most of their pixels are nothing special.

One labelled scan shows few things that are not the threat, so its head takes all that is dark and
metallic for it. Other generated scans show what else there is, free of charge. Their pixels are
held, with a small weight, to be of some class that is common in the labelled scan, of whichever
the head likes best; rare classes must then be told from all that is usual. Where such a pixel does
belong to a rare class, the labelled pixels outweigh it, for the class fills far less of ordinary
scans than of the one that was chosen to be labelled.

References
----------
.. [1] M. C. du Plessis et al., "Analysis of Learning from Positive and Unlabeled Data",
   NeurIPS 2014.
.. [2] B. Hariharan et al., "Discriminative Decorrelation for Clustering and Classification",
   ECCV 2012 (one example against the statistics of all there is).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import drawn_pixels, mapped_latents
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.oneshot.lesson import Lesson
from xraysynth.settings import Settings


class UnlabelledConfig(Settings):
    """How much unlabelled scans count, and how many."""

    weight: float = Field(0.5, ge=0)
    """Weight of their loss beside that of the labelled pixels; 0 leaves them out."""
    scans: int = Field(32, ge=1)
    """Generated scans."""
    pixels: int = Field(12288, ge=64)
    """At most so many pixels of all of them together."""
    common_share: float = Field(0.1, ge=0, le=1)
    """A class with at least this share of the labelled pixels is common; the background is."""


def unlabelled_pixels(
    generator: Generator,
    site_map: SiteMap,
    interpolation: Interpolation,
    config: UnlabelledConfig,
    seed: int,
) -> Tensor:
    """Return mapped pixels (m, D), m up to `config.pixels`, of generated scans; untruncated."""
    latent_w = mapped_latents(generator, config.scans, 1.0, seed, "unlabelled")

    def read(one: Tensor) -> Tensor:
        with torch.no_grad():
            return project(generator, one, site_map, interpolation)[1]

    return drawn_pixels(latent_w, config.pixels, read, seed, "unlabelled pixels")


def common_classes(lesson: Lesson, share: float) -> Tensor:
    """Return which classes (classes,) bool are common in the labelled scans: id 0 always is."""
    counts = torch.bincount(lesson.labels.flatten(), minlength=lesson.n_classes)
    common = counts >= share * counts.sum()
    common[0] = True
    return common


def common_loss(scores: Tensor, common: Tensor) -> Tensor:
    """Return the mean of -log p(some common class) over pixels with scores (n, K).

    Examples
    --------
    Two classes alike, one of them common.

    >>> round(common_loss(torch.zeros(1, 2), torch.tensor([True, False])).item(), 4)
    0.6931
    """
    return -functional.log_softmax(scores, dim=1)[:, common].logsumexp(dim=1).mean()
