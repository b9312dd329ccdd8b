"""A small network that says which threats a scan holds, trained on scans with known contents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xraysynth.evaluate import contents_batches
from xraysynth.evaluate.classifier import area_under_curve
from xraysynth.evaluate.contents_batches import (
    ContentsClassifierConfig,
    LabelledRows,
    labelled_batches,
)
from xraysynth.evaluate.kept import Kept, keep_tensors, kept_tensors
from xraysynth.files import sha256_file
from xraysynth.gan.precision import compute_dtype
from xraysynth.gan.values import default_map, to_values
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import open_scans

BATCH = 64
"""Scans judged at a time."""
RARE = -3.0
"""Log odds, to begin with, that a place holds a threat."""
POSITIVE_WEIGHT = 4.0
"""Weight of places that hold a threat: most hold none."""


class ContentsClassifier(nn.Module):
    """Scans in [-1, 1] to one score for each of the names; any number may be present."""

    def __init__(self, n_channels: int, names: Sequence[str], width: int, side_px: int) -> None:
        super().__init__()
        self.names = tuple(names)
        stages: list[nn.Module] = []
        n_in = n_channels
        self.place_px = 1
        while side_px > 8 or not stages:
            side_px //= 2
            self.place_px *= 2
            n_out = max(min(width * 32 // max(side_px, 1), 4 * width), width // 2)
            stages += _stage(n_in, n_out, size=3 if stages else 5, stride=2)
            if side_px <= 32:
                stages += _stage(n_out, n_out, size=3, stride=1)
            n_in = n_out
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(2 * n_in, len(self.names))
        self.places = nn.Conv2d(n_in, len(self.names), 1)
        nn.init.constant_(self.places.get_parameter("bias"), RARE)

    def forward(self, scans: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, names), log odds."""
        return self.judge(scans)[0]

    def judge(self, scans: Tensor) -> tuple[Tensor, Tensor]:
        """Return log odds that a scan holds each name, and that each of its places does.

        (n, channels, h, w) -> (n, names), (n, names, places down, places across)
        """
        maps = self.stages(scans).float()
        # A threat may be small: the strongest place counts as well as the mean of all.
        scores: Tensor = self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))
        return scores, self.places(maps)


def _stage(n_in: int, n_out: int, *, size: int, stride: int) -> list[nn.Module]:
    """Return a convolution, normalised and rectified."""
    convolution = nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


def train_contents_classifier(
    given: LabelledRows,
    names: Sequence[str],
    config: ContentsClassifierConfig,
    seed: int,
    progress: Progress = silent,
) -> ContentsClassifier:
    """Train a classifier on some rows.

    Deterministic for a seed, a processor and a number of threads; the global generator is not
    touched.
    """
    model = _untrained(given.scans, names, config, seed)
    dtype = compute_dtype("auto", torch.device("cpu"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps + 1
    )
    for step, (scans, present, places) in enumerate(
        labelled_batches(given, names, config, model.place_px, seed)
    ):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            scores, found = model.judge(scans)
        loss = F.binary_cross_entropy_with_logits(scores, present)
        if places is not None:
            loss = loss + config.places_weight * F.binary_cross_entropy_with_logits(
                found, places, pos_weight=torch.tensor(POSITIVE_WEIGHT)
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress(step + 1, config.steps, f"classifier, loss {float(loss.detach()):.3f}")
    return model.eval()


def _untrained(
    scans: Path, names: Sequence[str], config: ContentsClassifierConfig, seed: int
) -> ContentsClassifier:
    """Return a classifier of the scans of a file with random weights."""
    with open_scans(scans) as file:
        height, width, channels = file["images"].shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "contents classifier"))
        model = ContentsClassifier(channels, names, config.width, min(height, width))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def kept_contents_classifier(  # noqa: PLR0913 (a training, and where it is kept)
    given: LabelledRows,
    names: Sequence[str],
    config: ContentsClassifierConfig,
    seed: int,
    kept: Kept,
    progress: Progress = silent,
) -> ContentsClassifier:
    """Return `train_contents_classifier`, looked up where the same was trained before."""
    path = None
    if kept.folder is not None:
        rows = hashlib.sha256(given.rows.tobytes()).hexdigest()
        code = [sha256_file(Path(str(file))) for file in (__file__, contents_batches.__file__)]
        machine = [torch.__version__, torch.get_num_threads()]
        facts = [sha256_file(given.scans), rows, list(names), config.model_dump(), seed]
        path = kept.path("classifier.safetensors", [*facts, *machine, *code])
    if (weights := kept_tensors(path, "contents classifier")) is not None:
        model = _untrained(given.scans, names, config, seed)
        with suppress(RuntimeError):  # Weights that do not fit are learned anew.
            model.load_state_dict(weights)
            return model.eval()
    model = train_contents_classifier(given, names, config, seed, progress)
    keep_tensors(path, "contents classifier", model.state_dict())
    return model


def _input(images: np.ndarray) -> Tensor:
    """Return stored scans as the classifier's input."""
    values = to_values(images, default_map(images.shape[3]))
    return values.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def recognised(model: ContentsClassifier, images: np.ndarray) -> np.ndarray:
    """Return the log odds of each name in each scan: (n, h, w, c) -> (n, names) float32."""
    parts = [
        model(_input(images[start : start + BATCH])).numpy()
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)


def own_figures(model: ContentsClassifier, given: LabelledRows) -> dict[str, Any]:
    """Return how good a classifier is on rows that it never saw, by name.

    `recognised` is the share of scans with the threat in which it is found, `false_alarms` that of
    scans without it, `auc` the area under the curve; None where there are no such scans.
    """
    with open_scans(given.scans) as file:
        parts = [
            recognised(model, file["images"][given.rows[start : start + BATCH]])
            for start in range(0, len(given.rows), BATCH)
        ]
    odds = np.concatenate(parts)
    figures: dict[str, Any] = {"scans": len(odds)}
    found = odds > 0
    for place, name in enumerate(model.names):
        there = given.present[:, place] > 0
        figures[name] = {
            "recognised": _share(found[there, place]),
            "false_alarms": _share(found[~there, place]),
            "auc": _area(odds[there, place], odds[~there, place]),
        }
    right = (found == (given.present > 0)).mean()
    return {**figures, "mean_accuracy": round(float(right), 4)}


def _area(with_it: np.ndarray, without: np.ndarray) -> float | None:
    """Return the area under the curve; None where either has no scans."""
    both = with_it.size and without.size
    return round(area_under_curve(with_it, without), 4) if both else None


def _share(hits: np.ndarray) -> float | None:
    """Return the share of hits; None of nothing."""
    return round(float(hits.mean()), 4) if hits.size else None
