"""Many models tested on the same scans in one pass: features are drawn once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from xraysynth.evaluate.metrics import Confusion
from xraysynth.evaluate.suite.cost import measured
from xraysynth.evaluate.suite.material import JudgedScans
from xraysynth.evaluate.suite.requests import REQUESTED, follow, rule_of
from xraysynth.evaluate.suite.tasks import Task
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.model import PixelModel, batches, labelled

BINS = 10
"""Bins of confidence in which right pixels are counted."""

Pupil = tuple[PixelModel, Task]
"""A model and the task that it is tested on."""


class _Count:
    """What is counted of one model: confusion, and how often it is right where how sure."""

    def __init__(self, model: PixelModel, task: Task) -> None:
        self.model, self.task, self.ids = model, task, task.ids(model.class_names)
        self.confusion = Confusion(task.class_names)
        self.rule = rule_of(model, model.generator)
        self.requested = None if self.rule is None else Confusion(task.class_names)
        self.pixels, self.right = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
        self.confident = np.zeros(BINS)
        self.seconds = 0.0

    def add(self, batch: FeatureBatch, truth: np.ndarray, asked: Tensor | None) -> None:
        """Count a few scans; `asked` (n, labels) is what they were asked to hold, if anything."""
        with measured() as cost:
            scores = self.model.known_scores(batch)
            if asked is None:
                self.requested = None
            if self.rule is not None and self.requested is not None:
                given = labelled(follow(scores, self.rule, asked))[0]
                self.requested.add(truth, self.task.ids(self.rule.class_names)[given])
            label_map, probability = labelled(scores)
            found = self.ids[label_map]
            self.confusion.add(truth, found)
            highest = probability.max(1)
            bins = np.minimum((highest * BINS).astype(int), BINS - 1).ravel()
            self.pixels += np.bincount(bins, minlength=BINS)
            self.confident += np.bincount(bins, weights=highest.ravel(), minlength=BINS)
            self.right += np.bincount(bins[(found == truth).ravel()], minlength=BINS)
        self.seconds += cost["cpu_seconds"]

    def result(self, scans: int) -> dict[str, Any]:
        """Return the counts as JSON values."""
        confidence = self.confident / np.maximum(self.pixels, 1)
        return {
            "scans": scans,
            "classes": list(self.task.class_names),
            "confusion": self.confusion.matrix.tolist(),
            **self._requested(),
            "reliability": {
                "pixels": self.pixels.tolist(),
                "right": self.right.tolist(),
                "confidence": [round(float(value), 4) for value in confidence],
            },
            "cpu_seconds": round(self.seconds, 3),
        }

    def _requested(self) -> dict[str, Any]:
        """Return the counts with requests applied, if there were any."""
        if self.requested is None:
            return {}
        return {REQUESTED: {"confusion": self.requested.matrix.tolist()}}


def counted(pupils: Sequence[Pupil], tests: Sequence[JudgedScans]) -> list[dict[str, Any]]:
    """Return the counts of each model on its test set; all are of the same scans.

    Memory does not grow with the number of scans.
    """
    counts = [_Count(model, task) for model, task in pupils]
    generator, latent_w = pupils[0][0].generator, tests[0].latent_w
    start = 0
    for batch in batches(generator, latent_w):
        rows = slice(start, start + len(batch))
        for count, test in zip(counts, tests, strict=True):
            count.add(batch, test.truth[rows], None if test.asked is None else test.asked[rows])
        start += len(batch)
    return [count.result(start) for count in counts]
