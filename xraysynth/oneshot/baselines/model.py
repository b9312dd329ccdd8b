"""What every method makes, and what a method is: a part without labels, a part with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.segmenter import largest
from xraysynth.settings import Settings

BATCH = 8
"""Scans whose features are in memory at a time."""


Scores = Callable[[FeatureBatch], Tensor]
"""Scans to class scores (n, K, H, W), logarithms but for a constant."""


@dataclass(frozen=True, kw_only=True)
class PixelModel:
    """A learned segmenter of one generator's scans."""

    generator: Generator
    """Whose scans it labels."""
    class_names: tuple[str, ...]
    """Names of the class ids."""
    scores: Scores
    """How."""

    def segment(self, latent_w: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return label maps (n, H, W) uint8 and probabilities (n, K, H, W) float32."""
        parts = [self.labels(batch) for batch in batches(self.generator, latent_w)]
        label_maps, probabilities = zip(*parts, strict=True)
        return np.concatenate(label_maps), np.concatenate(probabilities)

    def labels(self, batch: FeatureBatch) -> tuple[np.ndarray, np.ndarray]:
        """Return what `segment` does, of scans whose features other models may have read."""
        return labelled(self.known_scores(batch))

    def known_scores(self, batch: FeatureBatch) -> Tensor:
        """Return scores (n, K, H, W) float32 without gradients."""
        with torch.no_grad():
            return self.scores(batch).float()


def labelled(scores: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return label maps (n, H, W) uint8 and probabilities (n, K, H, W) of scores."""
    probability = functional.softmax(scores, dim=1)
    return largest(probability)[1].cpu().numpy(), probability.cpu().numpy()


def batches(generator: Generator, latent_w: Tensor) -> Iterator[FeatureBatch]:
    """Yield a few scans at a time."""
    for part in latent_w.to(device_of(generator)).split(BATCH):
        yield FeatureBatch(generator, part)


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
