"""What the classifier of contents learns from: scans with known contents, and with masks if any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.contents import multi_hot, read_labels
from xraysynth.gan.values import default_map, to_values
from xraysynth.randomness import stream
from xraysynth.scanfile import class_names, open_scans
from xraysynth.settings import Settings

LEAST_SCANS = 32
"""Fewest scans that a classifier learns from."""


class ContentsClassifierConfig(Settings):
    """How the classifier is trained."""

    scans: int = Field(4000, ge=LEAST_SCANS)
    """Scans that are simulated for it, where the generator's file says how."""
    steps: int = Field(1200, ge=1)
    """Optimiser steps."""
    batch: int = Field(32, ge=2)
    """Scans a step."""
    width: int = Field(32, ge=2)
    """Channels where a scan is 32 px wide; doubled at each halving, at most fourfold."""
    learning_rate: float = Field(4e-3, gt=0)
    """Peak of AdamW's one-cycle schedule."""
    noise: float = Field(0.05, ge=0)
    """Standard deviation of added noise, of a range of 2, drawn up to this a scan."""
    blur_probability: float = Field(0.5, ge=0, le=1)
    """Chance that a batch is smoothed, as generators smooth."""
    places_weight: float = Field(1.0, ge=0)
    """Weight of saying where threats are, which is learned as well where exact masks are known."""


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


@dataclass(frozen=True)
class _Examples:
    """Rows in memory: reading single scans from a file costs as much as learning from them."""

    images: np.ndarray
    """(n, h, w, channels) as stored."""
    present: np.ndarray
    """(n, names) 0 or 1."""
    places: np.ndarray | None
    """(n, names, places down, places across) 0 or 1; None without exact masks."""


def labelled_batches(
    given: LabelledRows,
    names: Sequence[str],
    config: ContentsClassifierConfig,
    place_px: int,
    seed: int,
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield augmented batches: mirrored, upside down, on their sides, noisy, at times smoothed.

    Scans (n, channels, h, w), what they hold (n, names), and which of their places, squares of
    `place_px`, hold it (n, names, places down, places across), None where nobody knows
    """
    known = _examples(given, names, config, place_px, seed)
    for step in range(config.steps):
        rng = stream(seed, "contents batch", step)
        chosen = rng.permutation(len(known.images))[: config.batch]
        scans = to_values(known.images[chosen], default_map(known.images.shape[3]))
        places = None
        if known.places is not None:
            places = torch.from_numpy(known.places[chosen].astype(np.float32))
        scans, places = _turned(scans, places, rng)
        if rng.random() < config.blur_probability:
            scans = F.avg_pool2d(F.pad(scans, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        strength = rng.uniform(0, config.noise, (len(scans), 1, 1, 1)).astype(np.float32)
        noise = rng.standard_normal(tuple(scans.shape), dtype=np.float32) * strength
        yield (
            (scans + torch.from_numpy(noise)).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(known.present[chosen].astype(np.float32)),
            places,
        )


def _examples(
    given: LabelledRows,
    names: Sequence[str],
    config: ContentsClassifierConfig,
    place_px: int,
    seed: int,
) -> _Examples:
    """Return at most `config.scans` of the rows, chosen at random."""
    chosen = stream(seed, "contents examples").permutation(len(given.rows))[: config.scans]
    rows = [int(row) for row in given.rows[np.sort(chosen)]]
    with open_scans(given.scans) as file:
        bits = _mask_bits(file, names)
        places = None
        if bits is not None:
            held = np.stack([_places(file["overlaps"][row], place_px) for row in rows])
            places = ((held[:, None] & bits[:, None, None]) > 0).astype(np.uint8)
        return _Examples(
            images=np.stack([file["images"][row] for row in rows]),
            present=given.present[np.sort(chosen)],
            places=places,
        )


def _places(overlaps: np.ndarray, place_px: int) -> np.ndarray:
    """Return the bits that occur in each square of pixels: (h, w) -> (places, places)."""
    for axis, length in enumerate(overlaps.shape):
        overlaps = np.bitwise_or.reduceat(overlaps, np.arange(0, length, place_px), axis=axis)
    return overlaps


def _mask_bits(file: h5py.File, names: Sequence[str]) -> np.ndarray | None:
    """Return the bit of each name in the exact masks of a file; None if it lacks one."""
    known = class_names(file) if "overlaps" in file else []
    if not all(name in known for name in names):
        return None
    return np.array([1 << known.index(name) for name in names], np.uint32)


def _turned(
    scans: Tensor, places: Tensor | None, rng: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Mirror scans and places along either axis, and lay square ones on their sides, at random."""
    for axis in (2, 3):
        flips = torch.from_numpy(rng.random(len(scans)) < 0.5)
        for values in (scans,) if places is None else (scans, places):
            values[flips] = values[flips].flip(axis)
    if rng.random() < 0.5 and scans.shape[2] == scans.shape[3]:
        return scans.mT, None if places is None else places.mT
    return scans, places
