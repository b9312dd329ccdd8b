"""What scans that nobody labelled tell the head.

One labelled scan shows few things that are not the threat, so its head takes all that is dark and
metallic for it. Other generated scans show what else there is, free of charge. Their pixels are
held, with a small weight, to be of some class that they may have: one that is common in the
labelled scan [1]_ [2]_, or one that the generator was asked for. A scan that was not asked for a
knife has none, so whatever looks like one there is a lesson.

A generator that was asked for a knife has drawn one, though nobody has said where. So, once the
head knows that much, it labels those scans itself, as an export would with the same requests
(`request.py`), and learns again from what it found [3]_: from one labelled knife to many. With
several exemplars it is warier of that: they leave less to guess.

References
----------
.. [1] M. C. du Plessis et al., "Analysis of Learning from Positive and Unlabeled Data",
   NeurIPS 2014.
.. [2] B. Hariharan et al., "Discriminative Decorrelation for Clustering and Classification",
   ECCV 2012 (one example against the statistics of all there is).
.. [3] D. Pathak et al., "Constrained Convolutional Neural Networks for Weakly Supervised
   Segmentation", ICCV 2015 (labels of images hold the labels that a network gives their pixels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.clutter import clutter_classes
from xraysynth.gan.config import UNKNOWN
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.clustering import asked_in_turn, drawn_latents, mapped_latents
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.oneshot.lesson import Lesson
from xraysynth.oneshot.request import RequestRule, known_of
from xraysynth.randomness import stream
from xraysynth.settings import Settings


class UnlabelledConfig(Settings):
    """How much unlabelled scans count, and how many."""

    weight: float = Field(0.5, ge=0)
    """Weight of their loss beside that of the labelled pixels; 0 leaves them out."""
    scans: int = Field(96, ge=1)
    """Generated scans."""
    truncation_psi: float = Field(EXPORTED_PSI, gt=0, le=1)
    """Their truncation."""
    pixels: int = Field(49152, ge=64)
    """At most so many pixels of all of them together."""
    common_share: float = Field(0.1, ge=0, le=1)
    """A class with at least this share of the labelled pixels is common; the background is."""
    requests: bool = True
    """Whether it counts what they were asked to hold, of a generator that can be asked."""
    clutter: bool = False
    """Whether it counts what clutter their latents say: where classes are named as by the scans
    that the generator learned from. Who calls a knife metal means other metal than keys."""
    rounds: int = Field(2, ge=0)
    """How often the head labels these scans by what they were asked for and learns from that,
    where a class of the exemplar can be asked for."""


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Pixels of generated scans."""

    pixels: Tensor
    """(scans, pixels, D)"""
    asked: Tensor | None
    """(scans, labels) multi-hot of what they were asked to hold, and of what clutter their latents
    say; None where nothing can be asked or is said."""
    label_names: tuple[str, ...] = ()
    """What the generator can be asked for, and "unknown"."""
    clutter_names: tuple[str, ...] = ()
    """Classes of clutter that latents decide on."""

    def flat(self) -> Tensor:
        """Return all pixels (m, D)."""
        return self.pixels.flatten(0, 1)

    def rule(self, class_names: Sequence[str], exemplars: int = 1) -> RequestRule | None:
        """Return how requests bear on the classes of some exemplars; None where they do not.

        What was asked for is surely there, which favours it. It is favoured less, by the logarithm
        of their number, the more exemplars have shown what it looks like.
        """
        known = {name.casefold() for name in class_names}
        contents = [name for name in self.label_names if name != UNKNOWN]
        every = {name.casefold() for name in (*contents, *self.clutter_names)}
        if self.asked is None or not known & every:
            return None
        rule = RequestRule.of(class_names, self.label_names, contents, self.clutter_names)
        return replace(rule, favour=rule.favour - math.log(exemplars))


def unlabelled_pixels(
    generator: Generator,
    site_map: SiteMap,
    interpolation: Interpolation,
    config: UnlabelledConfig,
    seed: int,
) -> Unlabelled:
    """Return random mapped pixels of generated scans, as many of each."""
    latent_w = mapped_latents(generator, config.scans, config.truncation_psi, seed, "unlabelled")
    height, width = generator.size_px
    each = max(min(config.pixels // config.scans, height * width), 1)
    parts = []
    for number, one in enumerate(latent_w.split(1)):
        with torch.no_grad():
            flat = project(generator, one, site_map, interpolation)[1][0].flatten(1).T
        chosen = stream(seed, "unlabelled pixels", number).permutation(len(flat))[:each]
        parts.append(flat[torch.from_numpy(chosen).to(flat.device)])
    sizes, asked = generator.config, None
    if not config.clutter:
        sizes = sizes.model_copy(update={"clutter": ()})
    if config.requests:
        latent_z = drawn_latents(generator, config.scans, seed, "unlabelled")
        asked = known_of(sizes.clutter, asked_in_turn(generator, config.scans), latent_z)
    return Unlabelled(
        pixels=torch.stack(parts),
        asked=asked,
        label_names=sizes.label_names,
        clutter_names=clutter_classes(sizes.clutter),
    )


def common_classes(lesson: Lesson, share: float) -> Tensor:
    """Return which classes (classes,) bool are common in the labelled scans: id 0 always is."""
    counts = torch.bincount(lesson.labels.flatten(), minlength=lesson.n_classes)
    common = counts >= share * counts.sum()
    common[0] = True
    return common


def possible_classes(class_names: Sequence[str], common: Tensor, unlabelled: Unlabelled) -> Tensor:
    """Return which classes (scans, classes) bool each scan may hold.

    Those that it was asked for; of the others that it could have been asked for, none; of the rest
    the common ones.
    """
    possible = common.repeat(len(unlabelled.pixels), 1)
    if unlabelled.asked is None:
        return possible
    names = (*unlabelled.label_names, *unlabelled.clutter_names)
    columns = {name.casefold(): column for column, name in enumerate(names)}
    for class_id, name in enumerate(class_names):
        if class_id and name.casefold() in columns:
            possible[:, class_id] = unlabelled.asked[:, columns[name.casefold()]].bool()
    return possible


def partial_loss(scores: Tensor, possible: Tensor) -> Tensor:
    """Return the mean of -log p(some possible class) over pixels with scores (m, K).

    `possible` (m, K) bool has a class at least in every row.

    Examples
    --------
    Two classes alike, one of them possible.

    >>> round(partial_loss(torch.zeros(1, 2), torch.tensor([[True, False]])).item(), 4)
    0.6931
    """
    share = functional.log_softmax(scores, dim=1)
    return -share.masked_fill(~possible, float("-inf")).logsumexp(dim=1).mean()


def guessed_classes(
    unlabelled: Unlabelled, head: tuple[Tensor, Tensor], rule: RequestRule
) -> Tensor:
    """Return the class (m,) of each pixel by a head (K, D), (K,) and what was asked for.

    Numbers from K on are of contents that were asked for and that no exemplar shows.
    """
    assert unlabelled.asked is not None
    weight, bias = head
    scores = (unlabelled.pixels @ weight.T + bias).transpose(1, 2)[..., None]
    return rule.scores(scores, unlabelled.asked).argmax(1).flatten()
