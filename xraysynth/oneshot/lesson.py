"""What exemplars teach: latents and one joined set of classes, checked against the generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.exemplar import Exemplar, check_exemplar_belongs
from xraysynth.oneshot.features import device_of
from xraysynth.schema import MAX_CLASSES


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Labelled scans of one generator."""

    class_names: tuple[str, ...]
    """Classes of all exemplars, each once, in the order in which they come."""
    latent_w: Tensor
    """(exemplars, num_ws, w_dim)"""
    labels: Tensor
    """(exemplars, H, W) int64: index into `class_names`."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def class_weights(self, balance: float) -> Tensor:
        """Return loss weights (classes,): the share of a class to the power of minus `balance`."""
        counts = torch.bincount(self.labels.flatten(), minlength=self.n_classes).float()
        weights = (counts / counts.sum()).pow(-balance)
        return weights * self.n_classes / weights.sum()


def lesson(generator: Generator, exemplars: Sequence[Exemplar]) -> Lesson:
    """Return what some exemplars teach.

    Raises
    ------
    InputError
        If there is no exemplar, or all together have too many classes.
    CheckpointError
        If an exemplar is of another generator.
    """
    if not exemplars:
        raise InputError("no exemplar was given; want at least one labelled scan.")
    belongs_to = generator_hash(generator)
    for exemplar in exemplars:
        shape = (generator.num_ws, generator.w_dim)
        check_exemplar_belongs(exemplar, belongs_to, shape, generator.size_px)
    names = tuple(dict.fromkeys(name for e in exemplars for name in e.class_names))
    if len(names) > MAX_CLASSES:
        raise InputError(
            f"the {len(exemplars)} exemplars have {len(names)} classes together; want at most "
            f"{MAX_CLASSES}. Leave exemplars out, or give classes of one kind one name.",
            code="exemplar-classes",
        )
    own_ids = [np.array([names.index(name) for name in e.class_names]) for e in exemplars]
    labels = [ids[e.label_map] for ids, e in zip(own_ids, exemplars, strict=True)]
    device = device_of(generator)
    return Lesson(
        class_names=names,
        latent_w=torch.from_numpy(np.stack([e.latent_w for e in exemplars])).to(device),
        labels=torch.from_numpy(np.stack(labels)).long().to(device),
    )
