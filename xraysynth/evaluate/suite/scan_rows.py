"""Rows of simulated scans for a purpose, and what tells one run's material from another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.errors import InputError
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.labeller import split_scans
from xraysynth.randomness import stream
from xraysynth.scanfile import CHANNELS, class_names, n_views, open_scans


def spread_over_classes(masks: np.ndarray, n_classes: int, count: int) -> np.ndarray:
    """Return rows, sorted, of up to `count` scans; the rarest classes are served first, in turn.

    Examples
    --------
    >>> masks = np.array([[[1, 1]], [[1, 1]], [[1, 2]], [[1, 1]]])
    >>> spread_over_classes(masks, 3, 2).tolist()
    [0, 2]
    """
    holds = np.stack([(masks == c).any(axis=(1, 2)) for c in range(1, n_classes)], axis=1)
    order = np.argsort(holds.sum(0), kind="stable")
    chosen: list[int] = []
    while len(chosen) < min(count, len(masks)):
        before = len(chosen)
        for class_id in order:
            rows = np.flatnonzero(holds[:, class_id])
            free = [int(row) for row in rows if row not in chosen]
            if free and len(chosen) < count:
                chosen.append(free[0])
        if len(chosen) == before:  # What is left holds nothing.
            chosen += [row for row in range(len(masks)) if row not in chosen]
    return np.sort(np.array(chosen[:count]))


def downstream_rows(scans: Path, seed: int, count: int) -> np.ndarray:
    """Return rows of simulated scans with exact masks, none of them held out.

    Raises
    ------
    InputError
        If there are too few.
    """
    with open_scans(scans) as file:
        split = split_scans(len(file["images"]), n_views(file))
    rows = np.sort(np.concatenate([split.labeller, split.oracle]))
    if len(rows) < count:
        raise InputError(
            f"{scans} has {len(rows)} scans that are not held out; downstream.pairs is "
            f"{count}. Simulate more, or set fewer pairs."
        )
    return np.sort(stream(seed, "exact pairs").permutation(rows)[:count])


def digest(value: Any) -> str:
    """Return eight hexadecimal digits of JSON values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def checked_classes(generator: Generator, scans: Path) -> list[str]:
    """Return the class names of the scans, or raise if they cannot judge this generator's."""
    with open_scans(scans) as file:
        names, shape = class_names(file), file["images"].shape
    if not names:
        raise InputError(f"{scans} has no exact masks; want scans of the embedded simulator.")
    want = (*generator.size_px, generator.image_channels)
    if tuple(shape[1:]) != want:
        raise InputError(
            f"{scans} holds scans of {shape[2]} x {shape[1]} pixels and channels "
            f"{CHANNELS.get(shape[3])}; this generator draws {want[1]} x {want[0]} and channels "
            f"{CHANNELS.get(want[2])}. Simulate scans with --size {want[0]}."
        )
    return names
