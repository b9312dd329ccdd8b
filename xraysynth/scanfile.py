"""`scans.h5`: equal-sized scans, where each came from and, if known, the exact truth.

Layout: `/images` (N, H, W, C) uint8 or uint16; `/metadata` (N,) compound, data set `scans` of
`data_schema/tables.yaml`. Simulated scans also have `/masks` (N, H, W) uint8 (the class that
dominates the attenuation, 0 is background), `/overlaps` (N, H, W) uint32 (bit c is set where class
c is crossed at all), the compound tables `/items` and `/parts`, and `/mask_runs` (uint32): the
exact mask of every item and part as COCO's run lengths, `runs_count` of them from `runs_start` on.
A scan of two views has two rows in `/metadata`, side by side. Real scans with annotated objects
have `/boxes` (M,) compound, in letterboxed pixels. Attributes: `classes` (JSON list of names,
index = class id), `channels` (JSON: ["red","green","blue"], ["low","high"] or ["grey"]).

Examples
--------
Every part of every threat, drawn over both views of a scan:

>>> import tempfile
>>> from xraysynth.baggage import SimulationConfig, simulate
>>> config = SimulationConfig(size_px=64, views=2, threats=(2, 2))
>>> path = simulate(config, count=1, seed=0, out=Path(tempfile.mkdtemp()) / "scans.h5")
>>> with open_scans(path) as file:
...     pictures, items, parts = file["images"][:], file["items"][:], file["parts"][:]
...     threats = items[np.isin(items["class_id"], threat_ids(file))]
...     for part in parts[np.isin(parts["item_id"], threats["item_id"])]:
...         if part["material"] != b"air":
...             picture, mask = pictures[part["view_id"]], part_mask(file, part)
...             picture[mask] = picture[mask] // 2 + np.array([127, 0, 0], np.uint8)
>>> pictures.shape
(2, 64, 64, 3)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xraysynth import hdf5, runlength
from xraysynth.errors import DamagedError, InputError

KIND = "scans"
MASK_RUNS = "mask_runs"
LOOSE = ("items", "parts", "boxes", MASK_RUNS)
"""Data sets with any number of rows a scan."""
ROWS_A_CHUNK = 4096
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
    parts: np.ndarray | None = None
    """(m,) compound, any number of rows a scan."""
    mask_runs: np.ndarray | None = None
    """(m,) uint32: what `runs_start` of `items` and `parts` of this batch counts in."""
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
        for batch in batches:
            if done == 0:
                _create(file, batch, count)
            _store(file, batch, done)
            hdf5.check_written(file)
            done += len(batch.images)
        if done != count and not (isinstance(count, AtMost) and 0 < done < count):
            raise ValueError(f"{done} scans came, {count} were announced")
        _shorten(file, done)
        _describe(file, classes, attributes)


def join_scans(
    path: Path, parts: Sequence[Path], *, count: int, classes: list[str], attributes: dict[str, Any]
) -> None:
    """Write the scans of several files, in order, to one; what is packed stays packed.

    The bytes are those of `write_scans` given the same scans. Memory is that of one part's tables.
    """
    with hdf5.create_hdf5(path, KIND) as file:
        done = 0
        for part in parts:
            with open_scans(part) as source:
                if done == 0:
                    _create(file, _batch(source, slice(0, 1)), count)
                for name in PACKED:
                    if name in source:
                        _copy_chunks(source[name], file[name], done)
                _store(file, _batch(source, slice(0, 0)), done)
                file["metadata"][done : done + len(source["metadata"])] = source["metadata"][:]
                done += len(source["metadata"])
            hdf5.check_written(file)
        if done != count:
            raise ValueError(f"{done} scans came, {count} were announced")
        _describe(file, classes, attributes)


@contextmanager
def open_scans(path: Path) -> Iterator[h5py.File]:
    """Open a `scans.h5` for reading; a clear error if it is absent, damaged or something else."""
    with hdf5.open_hdf5(path, KIND) as file:
        images = file["images"]
        shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", None)
        if len(shape) != 4 or dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"{path} holds images of {dtype} {shape}; want uint8 or uint16 (N, H, W, C). Make "
                "it with `simulate` or `prepare`."
            )
        yield file


def class_names(file: h5py.File) -> list[str]:
    """Return the names of the class ids, empty for scans without truth."""
    return list(hdf5.read_json_attribute(file, "classes"))


def n_views(file: h5py.File) -> int:
    """Return the number of views of each scan: as many rows stand side by side."""
    metadata = file["metadata"]
    if "view_id" not in metadata.dtype.names or not len(metadata):
        return 1
    return int(metadata["view_id"].max()) + 1


def threat_ids(file: h5py.File) -> list[int]:
    """Return the class ids of threats."""
    return [int(class_id) for class_id in hdf5.read_json_attribute(file, "threat_ids")]


def item_mask(file: h5py.File, row: np.void) -> np.ndarray:
    """Return the exact mask (H, W) bool of a row of `/items`, overlaps kept.

    Raises
    ------
    DamagedError
        If the row points outside the run lengths, or these do not fill the picture.
    """
    start, count = int(row["runs_start"]), int(row["runs_count"])
    height, width = file["images"].shape[1:3]
    try:
        return runlength.decode(file[MASK_RUNS][start : start + count], (height, width))
    except ValueError as error:
        raise DamagedError(
            f"a mask of {file.filename} is damaged: {error} Make it again."
        ) from None


def part_mask(file: h5py.File, row: np.void) -> np.ndarray:
    """Return the exact mask (H, W) bool of a row of `/parts`: the whole solid, with its hollows.

    Raises
    ------
    DamagedError
        As for `item_mask`.
    """
    return item_mask(file, row)


PACKED = ("images", "masks", "overlaps")
"""Data sets of one entry, and one chunk, a scan."""


def _arrays(batch: ScanBatch) -> dict[str, np.ndarray]:
    """Return the arrays of a batch that have one entry a scan."""
    every = {name: getattr(batch, name) for name in PACKED}
    return {name: array for name, array in every.items() if array is not None}


def _create(file: h5py.File, batch: ScanBatch, count: int) -> None:
    """Create the data sets that the first batch shows to be needed."""
    for name, array in _arrays(batch).items():
        hdf5.create_dataset(file, name, (count, *array.shape[1:]), array.dtype)
    file.create_dataset(
        "metadata", (count,), batch.metadata.dtype, chunks=(max(min(count, 1024), 1),)
    )
    for name in LOOSE:
        if (rows := getattr(batch, name)) is not None:
            hdf5.create_growing(file, name, rows.dtype, ROWS_A_CHUNK)


def _shorten(file: h5py.File, count: int) -> None:
    """Cut the room for scans that did not come; it was never written to."""
    for name in (*PACKED, "metadata"):
        if name in file and len(file[name]) > count:
            file[name].resize(count, axis=0)


def _store(file: h5py.File, batch: ScanBatch, start: int) -> None:
    """Write one batch at its place."""
    stop = start + len(batch.images)
    for name, array in _arrays(batch).items():
        file[name][start:stop] = array
    file["metadata"][start:stop] = batch.metadata
    n_runs = len(file[MASK_RUNS]) if MASK_RUNS in file else 0
    for name in LOOSE:
        if (rows := getattr(batch, name)) is not None and len(rows):
            if n_runs and "runs_start" in (rows.dtype.names or ()):
                rows = rows.copy()
                rows["runs_start"] += n_runs
            hdf5.append(file[name], rows)


def _batch(source: h5py.File, some: slice) -> ScanBatch:
    """Return some scans of a file, with the whole of its loose tables."""
    names = {name for name in (*PACKED, *LOOSE) if name in source}
    arrays = {name: source[name][some if name in PACKED else slice(None)] for name in names}
    return ScanBatch(metadata=source["metadata"][some], **arrays)


def _copy_chunks(source: h5py.Dataset, target: h5py.Dataset, start: int) -> None:
    """Copy packed samples as they are."""
    rest = (0,) * (source.ndim - 1)
    for index in range(len(source)):
        filters, chunk = source.id.read_direct_chunk((index, *rest))
        target.id.write_direct_chunk((start + index, *rest), chunk, filters)


def _describe(file: h5py.File, classes: list[str], attributes: dict[str, Any]) -> None:
    """Write the attributes."""
    hdf5.write_json_attribute(file, "classes", classes)
    hdf5.write_json_attribute(file, "channels", CHANNELS[file["images"].shape[3]])
    for name, value in attributes.items():
        hdf5.write_json_attribute(file, name, value)
