"""The judge: a U-Net that learned exact masks of simulated scans, and how good it is itself.

It shares neither scans nor seed with the network that labels exemplars, so a segmenter cannot
score well by repeating its labeller's mistakes. Its own score on held-out simulated scans stands
beside every score that it gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from xraysynth.evaluate.metrics import Confusion, scores
from xraysynth.oneshot.labeller import (
    LabellerConfig,
    PixelClassifier,
    class_probabilities,
    split_scans,
    train_classifier,
)
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import n_views, open_scans
from xraysynth.schema import classes
from xraysynth.settings import Settings

BLOCK = 128
"""Scans in memory at a time."""


class OracleConfig(Settings):
    """How the judge is trained and tested."""

    unet: LabellerConfig = LabellerConfig(steps=900)
    """Training."""
    held_out: int = Field(400, ge=1)
    """Most simulated scans, never trained on, that the judge itself is tested on."""


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A trained judge."""

    model: PixelClassifier
    """Labels any class of the simulated scans."""
    facts: dict[str, Any]
    """What it was trained on, and its own score, as JSON values."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class ids."""
        return self.model.class_names


def train_oracle(
    scans: Path, config: OracleConfig, seed: int, progress: Progress = silent
) -> Oracle:
    """Train and test a judge on `scans.h5` with exact masks.

    Raises
    ------
    InputError
        If the scans have no masks, or are too few.
    """
    with open_scans(scans) as file:
        split = split_scans(len(file["images"]), n_views(file))
    own_seed = stream_seed(seed, "oracle")
    model = train_classifier(scans, split.oracle, config.unet, own_seed, progress)
    held_out = split.held_out[: config.held_out]
    own_scores, confidence = _test(model, scans, held_out)
    facts = {
        "independence": (
            "trained with its own seed on the odd rows of the scans; the labeller of exemplars saw "
            "even rows only, and the held-out rows were seen by neither"
        ),
        "training_scans": len(split.oracle),
        "training_steps": config.unet.steps,
        "held_out_scans": len(held_out),
        "held_out_scores": own_scores,
        "held_out_mean_confidence": confidence,
    }
    return Oracle(model=model, facts=facts)


def group_of_classes() -> dict[str, str]:
    """Return the group of every known class, by name."""
    return {name: info.group for name, info in classes().items()}


def _test(model: PixelClassifier, scans: Path, rows: np.ndarray) -> tuple[dict[str, Any], float]:
    """Return the scores of a classifier on some rows, and its mean confidence."""
    confusion, total = Confusion(model.class_names), 0.0
    with open_scans(scans) as file:
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            probability = class_probabilities(model, file["images"][some])
            confusion.add(file["masks"][some], probability.argmax(1))
            total += float(probability.max(1).mean()) * len(some)
    return scores(confusion, group_of_classes()), round(total / len(rows), 6)
