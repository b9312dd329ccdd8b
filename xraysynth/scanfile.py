"""`scans.h5`: equal-sized scans, where each came from and, if known, the exact truth.

Layout: `/images` (N, H, W, C) uint8 or uint16; `/metadata` (N,) compound, data set
`scans` of `data_schema/tables.yaml`. Simulated scans also have `/masks` (N, H, W) uint8 (the class
that dominates the attenuation, 0 is background), `/overlaps` (N, H, W) uint32 (bit c is set where
class c is crossed at all) and `/items` (M,) compound. Real scans with annotated objects have
`/boxes` (M,) compound, in letterboxed pixels. Attributes: `classes` (JSON list of names,
index = class id), `channels` (JSON: ["red","green","blue"], ["low","high"] or ["grey"]).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xraysynth import hdf5

KIND = "scans"
CHANNELS = {1: ["grey"], 2: ["low", "high"], 3: ["red", "green", "blue"]}


class AtMost(int):
    """A number of scans that may turn out smaller."""


@dataclass(frozen=True, kw_only=True)
class ScanBatch:
    """Some scans in memory; the truth is None for real ones."""

    images: np.ndarray
    """(n, H, W, C) uint8 or uint16."""
    metadata: np.ndarray
    """(n,) compound."""
    masks: np.ndarray | None = None
    """(n, H, W) uint8."""
    overlaps: np.ndarray | None = None
    """(n, H, W) uint32."""
    items: np.ndarray | None = None
    """(m,) compound, any number of rows a scan."""
    boxes: np.ndarray | None = None
    """(m,) compound, any number of rows a scan."""


def write_scans(
    path: Path,
    batches: Iterator[ScanBatch],
    *,
    count: int,
    classes: list[str],
    attributes: dict[str, Any],
) -> None:
    """Write batches of scans, in order, to one file, with memory flat in their number.

    Parameters
    ----------
    path : where the file appears once it is whole
    batches : equal-sized scans, `count` in all
    count : number of scans; `AtMost` where some may turn out to be unusable
    classes : names of the class ids in `masks`; empty if there is no truth
    attributes : further JSON attributes (settings, seed, source)
    """
    with hdf5.create_hdf5(path, KIND) as file:
        done = 0
        loose: dict[str, list[np.ndarray]] = {"items": [], "boxes": []}
        for batch in batches:
            if done == 0:
                _create(file, batch, count)
            _store(file, batch, done)
            hdf5.check_written(file)
            for name, rows in loose.items():
                rows += [] if (found := getattr(batch, name)) is None else [found]
            done += len(batch.images)
        if done != count and not (isinstance(count, AtMost) and 0 < done < count):
            raise ValueError(f"{done} scans came, {count} were announced")
        _shorten(file, done)
        for name, rows in loose.items():
            if rows:
                file.create_dataset(name, data=np.concatenate(rows))
        hdf5.write_json_attribute(file, "classes", classes)
        hdf5.write_json_attribute(file, "channels", CHANNELS[file["images"].shape[3]])
        for name, value in attributes.items():
            hdf5.write_json_attribute(file, name, value)


@contextmanager
def open_scans(path: Path) -> Iterator[h5py.File]:
    """Open a `scans.h5` for reading; a clear error if it is absent, damaged or something else."""
    with hdf5.open_hdf5(path, KIND) as file:
        yield file


def class_names(file: h5py.File) -> list[str]:
    """Return the names of the class ids, empty for scans without truth."""
    return list(hdf5.read_json_attribute(file, "classes"))


def _arrays(batch: ScanBatch) -> dict[str, np.ndarray]:
    """Return the arrays of a batch that have one entry a scan."""
    every = {"images": batch.images, "masks": batch.masks, "overlaps": batch.overlaps}
    return {name: array for name, array in every.items() if array is not None}


def _create(file: h5py.File, batch: ScanBatch, count: int) -> None:
    """Create the data sets that the first batch shows to be needed."""
    for name, array in _arrays(batch).items():
        hdf5.create_dataset(file, name, (count, *array.shape[1:]), array.dtype)
    file.create_dataset(
        "metadata", (count,), batch.metadata.dtype, chunks=(max(min(count, 1024), 1),)
    )


def _shorten(file: h5py.File, count: int) -> None:
    """Cut the room for scans that did not come; it was never written to."""
    for dataset in list(file.values()):
        if len(dataset) > count:
            dataset.resize(count, axis=0)


def _store(file: h5py.File, batch: ScanBatch, start: int) -> None:
    """Write one batch at its place."""
    stop = start + len(batch.images)
    for name, array in _arrays(batch).items():
        file[name][start:stop] = array
    file["metadata"][start:stop] = batch.metadata
