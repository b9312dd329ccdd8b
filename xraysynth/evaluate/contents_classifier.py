"""A small network that says which threats a scan holds, trained on scans with known contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from xraysynth.errors import InputError
from xraysynth.evaluate.classifier import area_under_curve
from xraysynth.gan.contents import multi_hot, read_labels
from xraysynth.gan.values import default_map, to_values
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanfile import open_scans
from xraysynth.settings import Settings

BATCH = 64
"""Scans judged at a time."""
LEAST_SCANS = 32
"""Fewest scans that a classifier learns from."""


class ContentsClassifierConfig(Settings):
    """How the classifier is trained."""

    scans: int = Field(6000, ge=LEAST_SCANS)
    """Scans that are simulated for it, where the generator's file says how."""
    steps: int = Field(1500, ge=1)
    """Optimiser steps."""
    batch: int = Field(32, ge=2)
    """Scans a step."""
    width: int = Field(24, ge=2)
    """Channels at full size; doubled at each halving, at most fourfold."""
    learning_rate: float = Field(3e-3, gt=0)
    """Peak of AdamW's one-cycle schedule."""
    noise: float = Field(0.05, ge=0)
    """Standard deviation of added noise, of a range of 2, drawn up to this a scan."""
    blur_probability: float = Field(0.5, ge=0, le=1)
    """Chance that a batch is smoothed, as generators smooth."""


class ContentsClassifier(nn.Module):
    """Scans in [-1, 1] to one score for each of the names; any number may be present."""

    def __init__(self, n_channels: int, names: Sequence[str], width: int, halvings: int) -> None:
        super().__init__()
        self.names = tuple(names)
        widths = [width * min(2**level, 4) for level in range(halvings + 1)]
        stages: list[nn.Module] = []
        for n_in, n_out in zip([n_channels, *widths], widths, strict=False):
            for first, second in ((n_in, n_out), (n_out, n_out)):
                stages += [
                    nn.Conv2d(first, second, 3, padding=1, bias=False),
                    nn.BatchNorm2d(second),
                    nn.ReLU(),
                ]
            stages.append(nn.MaxPool2d(2))
        self.stages = nn.Sequential(*stages[:-1])
        self.head = nn.Linear(2 * widths[-1], len(self.names))

    def forward(self, scans: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, names), log odds."""
        maps = self.stages(scans)
        # A threat may be small: the strongest place counts as well as the mean of all.
        scores: Tensor = self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))
        return scores


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows of a scan file whose contents are known."""

    scans: Path
    rows: np.ndarray
    present: np.ndarray
    """(rows, names) 0 or 1."""


def labelled_rows(scans: Path, names: Sequence[str]) -> LabelledRows:
    """Return the rows of a file that say what they hold.

    Raises
    ------
    InputError
        If there are too few, or a name is in none or in all of them.
    """
    labels = read_labels(scans)
    rows = np.array([row for row, label in enumerate(labels) if label is not None], np.int64)
    present = multi_hot([labels[row] for row in rows], names)
    if len(rows) < LEAST_SCANS:
        raise InputError(
            f"{scans} has {len(rows)} scans that say what they hold; a classifier wants at least "
            f"{LEAST_SCANS}. Give more, or set requested=0."
        )
    for name, share in zip(names, present.mean(0), strict=True):
        if not 0 < share < 1:
            raise InputError(
                f"{name} is in {'all' if share else 'none'} of the scans of {scans}; a classifier "
                "wants scans with and without it. Give others, or set requested=0."
            )
    return LabelledRows(scans=scans, rows=rows, present=present)


def train_contents_classifier(
    given: LabelledRows,
    names: Sequence[str],
    config: ContentsClassifierConfig,
    seed: int,
    progress: Progress = silent,
) -> ContentsClassifier:
    """Train a classifier on some rows.

    Deterministic for a seed and a number of threads; the global generator is not touched.
    """
    with open_scans(given.scans) as file:
        height, width, channels = file["images"].shape[1:]
        halvings = max(int(np.log2(min(height, width) / 8)), 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "contents classifier"))
            model = ContentsClassifier(channels, names, config.width, halvings)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, config.learning_rate, total_steps=config.steps + 1
        )
        for step, (scans, present) in enumerate(_batches(file, given, config, seed)):
            loss = F.binary_cross_entropy_with_logits(model(scans), present)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            progress(step + 1, config.steps, f"classifier, loss {float(loss.detach()):.3f}")
    return model.eval()


def _batches(
    file: h5py.File, given: LabelledRows, config: ContentsClassifierConfig, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented batches: mirrored, turned upside down, noisy, at times smoothed."""
    for step in range(config.steps):
        rng = stream(seed, "contents batch", step)
        places = np.sort(rng.permutation(len(given.rows))[: config.batch])
        scans = _input(file["images"][given.rows[places]])
        for axis in (2, 3):
            flips = torch.from_numpy(rng.random(len(scans)) < 0.5)
            scans[flips] = scans[flips].flip(axis)
        if rng.random() < config.blur_probability:
            scans = F.avg_pool2d(F.pad(scans, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        strength = rng.uniform(0, config.noise, (len(scans), 1, 1, 1))
        noise = rng.standard_normal(tuple(scans.shape), dtype=np.float32) * strength
        yield (
            scans + torch.from_numpy(noise.astype(np.float32)),
            torch.from_numpy(given.present[places].astype(np.float32)),
        )


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
    scans without it, `auc` the area under the curve.
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
            "auc": round(area_under_curve(odds[there, place], odds[~there, place]), 4),
        }
    right = (found == (given.present > 0)).mean()
    return {**figures, "mean_accuracy": round(float(right), 4)}


def _share(hits: np.ndarray) -> float | None:
    """Return the share of hits; None of nothing."""
    return round(float(hits.mean()), 4) if hits.size else None
