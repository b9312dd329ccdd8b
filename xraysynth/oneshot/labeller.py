"""A small U-Net that labels pixels of scans, trained on exact masks.

It stands in for the human who labels one scan (`labelling.py`), and, trained apart with another
seed on other scans, for the judge of exported masks (`evaluate/oracle.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.errors import InputError
from xraysynth.gan.sampling import to_tensor
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanfile import class_names, open_scans
from xraysynth.settings import Settings

STRIDE = 8
"""Height and width must be multiples of this: three halvings."""


class LabellerConfig(Settings):
    """How a pixel classifier is trained."""

    steps: int = Field(600, ge=1)
    """Optimiser steps."""
    batch: int = Field(16, ge=2)
    """Scans a step."""
    width: int = Field(16, ge=2)
    """Channels at full resolution; doubled at each halving."""
    learning_rate: float = Field(4e-3, gt=0)
    """Peak of AdamW's one-cycle schedule."""
    noise: float = Field(0.05, ge=0)
    """Standard deviation of added noise, of a range of 2, drawn up to this a scan."""
    prior_correction: float = Field(0.5, ge=0, le=1)
    """Share of the loss weights' logarithms that is taken off the scores after training.

    Weights let rare classes be learned, and make them be found too often; 1 undoes that wholly.
    """
    blur_probability: float = Field(0.5, ge=0, le=1)
    """Chance that a scan is smoothed, as generators smooth."""


@dataclass(frozen=True, kw_only=True)
class ScanSplit:
    """Rows of a scan file for three purposes, none shared."""

    labeller: np.ndarray
    """Rows that the labeller of exemplars learns from."""
    oracle: np.ndarray
    """Rows that the judging oracle learns from."""
    held_out: np.ndarray
    """Rows that both are tested on."""


def split_scans(n_rows: int, n_views: int = 1, held_out_share: float = 0.1) -> ScanSplit:
    """Return disjoint rows: of even scans, of odd ones, and of the last share of the file.

    The `n_views` rows of one scan stand side by side in a file and stay together.

    Examples
    --------
    >>> split = split_scans(20)
    >>> split.labeller.tolist()[:3], split.oracle.tolist()[:3], split.held_out.tolist()
    ([0, 2, 4], [1, 3, 5], [18, 19])
    >>> split_scans(20, n_views=2).labeller.tolist()
    [0, 1, 4, 5, 8, 9, 12, 13, 16, 17]
    """
    n_scans = n_rows // n_views
    n_held_out = max(1, round(n_scans * held_out_share))
    rows = np.arange(n_scans * n_views).reshape(n_scans, n_views)
    taught = rows[: n_scans - n_held_out]
    return ScanSplit(
        labeller=taught[::2].ravel(),
        oracle=taught[1::2].ravel(),
        held_out=rows[n_scans - n_held_out :].ravel(),
    )


class _Stage(nn.Sequential):
    """Two 3x3 convolutions with batch normalisation."""

    def __init__(self, n_in: int, n_out: int, n_convolutions: int) -> None:
        layers: list[nn.Module] = []
        for index in range(n_convolutions):
            layers += [
                nn.Conv2d(n_in if index == 0 else n_out, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.LeakyReLU(0.1, inplace=True),
            ]
        super().__init__(*layers)


class PixelClassifier(nn.Module):
    """U-Net with added (not concatenated) skips: scans in [-1, 1] to class scores."""

    def __init__(self, n_channels: int, classes: Sequence[str], width: int) -> None:
        super().__init__()
        self.class_names = tuple(classes)
        widths = [width * 2**level for level in range(4)]
        self.down = nn.ModuleList(
            _Stage(n_in, n_out, 2)
            for n_in, n_out in zip([n_channels, *widths], widths, strict=False)
        )
        self.across = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 1) for n_out, n_in in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(_Stage(n_out, n_out, 1) for n_out in widths[:-1])
        self.head = nn.Conv2d(width, len(self.class_names), 1)

    def forward(self, scans: Tensor) -> Tensor:
        """Return scores (n, classes, H, W) of scans (n, C, H, W)."""
        skips: list[Tensor] = []
        maps = scans
        for level, stage in enumerate(self.down):
            maps = stage(functional.max_pool2d(maps, 2) if level else maps)
            skips.append(maps)
        for level in reversed(range(len(self.up))):
            grown = functional.interpolate(self.across[level](maps), scale_factor=2.0)
            maps = self.up[level](grown + skips[level])
        scores: Tensor = self.head(maps)
        return scores


def network_input(images: np.ndarray) -> Tensor:
    """Return stored scans (n, H, W, C), uint8 or uint16, as (n, C, H, W) in [-1, 1]."""
    return to_tensor(images).contiguous(memory_format=torch.channels_last)


def train_classifier(
    scans: Path,
    rows: np.ndarray,
    config: LabellerConfig,
    seed: int,
    progress: Progress = silent,
) -> PixelClassifier:
    """Train a pixel classifier on the exact masks of some rows of `scans.h5`.

    Deterministic for a seed and a number of threads; the global generator is not touched.

    Raises
    ------
    InputError
        If the file has no masks, too few rows, or a size that is no multiple of 8.
    """
    with open_scans(scans) as file:
        _check_scans(file, scans, rows)
        classes = class_names(file)
        weights = _class_weights(file["masks"], rows, len(classes), seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "classifier"))
            model = PixelClassifier(file["images"].shape[3], classes, config.width)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, config.learning_rate, total_steps=config.steps + 1
        )
        for step, (images, masks) in enumerate(_batches(file, rows, config, seed)):
            loss = functional.cross_entropy(model(images), masks, weight=weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            progress(step + 1, config.steps, f"loss {float(loss.detach()):.3f}")
    _correct_prior(model, weights, config.prior_correction)
    return model.eval()


def class_probabilities(model: PixelClassifier, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Return probabilities (n, classes, H, W) float32 of stored scans (n, H, W, C)."""
    with torch.no_grad():
        parts = [
            functional.softmax(model(network_input(images[start : start + batch])), 1).numpy()
            for start in range(0, len(images), batch)
        ]
    return np.concatenate(parts)


def _check_scans(file: Any, path: Path, rows: np.ndarray) -> None:
    """Raise unless the file can teach a classifier."""
    if "masks" not in file:
        raise InputError(
            f"{path} has no exact masks, so nothing can learn to label from it. Use scans of the "
            "embedded simulator, the labeller `colour`, or an exemplar of your own."
        )
    height, width = file["images"].shape[1:3]
    if height % STRIDE or width % STRIDE:
        raise InputError(
            f"{path} holds scans of {width} x {height} pixels; want multiples of {STRIDE}."
        )
    if len(rows) < 2:
        raise InputError(f"{path} has too few scans to learn from; want at least 20.")


def _class_weights(masks: Any, rows: np.ndarray, n_classes: int, seed: int) -> Tensor:
    """Return loss weights, the inverse root of each class's share; 0 for classes never seen."""
    some = np.sort(stream(seed, "class weights").permutation(rows)[:256])
    share = np.bincount(masks[some].ravel(), minlength=n_classes)[:n_classes] / (
        len(some) * masks.shape[1] * masks.shape[2]
    )
    weights = np.where(share > 0, 1 / np.sqrt(np.maximum(share, 1e-4)), 0)
    return torch.from_numpy(weights / (weights * share).sum()).float()


def _correct_prior(model: PixelClassifier, weights: Tensor, strength: float) -> None:
    """Take `strength` times the logarithm of each class's loss weight off its scores."""
    seen = weights > 0
    assert model.head.bias is not None
    with torch.no_grad():
        model.head.bias[seen] -= strength * weights[seen].log()


def _batches(
    file: Any, rows: np.ndarray, config: LabellerConfig, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented scans and their masks, one batch a step."""
    for step in range(config.steps):
        rng = stream(seed, "classifier batch", step)
        chosen = np.sort(rng.choice(rows, min(config.batch, len(rows)), replace=False))
        images, masks = network_input(file["images"][chosen]), file["masks"][chosen]
        flipped = rng.random((len(chosen), 2)) < 0.5
        labels = torch.from_numpy(masks.astype(np.int64))
        for index, (across, along) in enumerate(flipped):
            axes = [axis for axis, flip in ((-1, across), (-2, along)) if flip]
            images[index] = torch.flip(images[index], axes)
            labels[index] = torch.flip(labels[index], axes)
        yield _degraded(images, config, rng), labels


def _degraded(images: Tensor, config: LabellerConfig, rng: np.random.Generator) -> Tensor:
    """Return scans blurred and noised at random, so that generated ones do not surprise."""
    smooth = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    blurred = torch.from_numpy(rng.random(len(images)) < config.blur_probability)
    share = torch.from_numpy(rng.random(len(images))).float() * blurred
    images = torch.lerp(images, smooth, share[:, None, None, None])
    level = torch.from_numpy(rng.random((len(images), 1, 1, 1))).float() * config.noise
    noise = torch.from_numpy(rng.standard_normal(tuple(images.shape), dtype=np.float32))
    return images + level * noise
