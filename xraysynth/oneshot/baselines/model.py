"""What every method makes, and what a method is: a part without labels, a part with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.segmenter import largest
from xraysynth.settings import Settings

BATCH = 8
"""Scans whose features are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class PixelModel:
    """A learned segmenter of one generator's scans."""

    class_names: tuple[str, ...]
    """Names of the class ids."""
    device: torch.device
    """Where its generator is."""
    scores: Callable[[Tensor], Tensor]
    """`latent_w` (n, num_ws, w_dim) to class scores (n, K, H, W), logarithms but for a constant."""

    def segment(self, latent_w: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return label maps (n, H, W) uint8 and probabilities (n, K, H, W) float32."""
        labels, probabilities = [], []
        with torch.no_grad():
            for batch in latent_w.to(self.device).split(BATCH):
                probability = functional.softmax(self.scores(batch).float(), dim=1)
                labels.append(largest(probability)[1].cpu().numpy())
                probabilities.append(probability.cpu().numpy())
        return np.concatenate(labels), np.concatenate(probabilities)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to learn a segmenter from a generator and exemplars.

    Called with generator, exemplars and a seed it learns the whole; `prepare` and `teach` are its
    two halves, of which many exemplars may share the first.
    """

    name: str
    """As in tables."""
    summary: str
    """What it is, in a few words."""
    config: Settings
    """How it learns."""
    prepare: Callable[[Generator, Any, int], Any]
    """(generator, config, seed) to whatever can be learned without labels."""
    teach: Callable[[Generator, Any, Sequence[Exemplar], Any, int], PixelModel]
    """(generator, prepared, exemplars, config, seed) to the segmenter."""

    def __call__(
        self, generator: Generator, exemplars: Sequence[Exemplar], seed: int
    ) -> PixelModel:
        """Return the segmenter learned from exemplars."""
        prepared = self.prepare(generator, self.config, seed)
        return self.teach(generator, prepared, exemplars, self.config, seed)

    def changed(self, name: str, summary: str, config: Settings) -> Method:
        """Return the same method with other settings, for an ablation."""
        return replace(self, name=name, summary=summary, config=config)


def model_of(
    generator: Generator, class_names: Sequence[str], scores: Callable[[Tensor], Tensor]
) -> PixelModel:
    """Return a model on the generator's device."""
    return PixelModel(class_names=tuple(class_names), device=device_of(generator), scores=scores)
