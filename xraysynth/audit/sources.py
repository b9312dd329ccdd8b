"""What an audit reads: the shards of an export, or the training scans."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth import scanfile
from xraysynth.audit.measures import Batch
from xraysynth.errors import DamagedError, InputError
from xraysynth.schema import MAX_CLASSES
from xraysynth.shards.reader import ShardSet


class ShardSource:
    """The samples of an export, shard by shard, in the order of the manifest.

    Parameters
    ----------
    folder : as `xraysynth export` makes it

    Raises
    ------
    InputError
        If no export was finished there.
    DamagedError
        If its manifest is not what was written.
    """

    has_masks = True

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._shards = ShardSet(self.folder)
        self.manifest = self._shards.manifest
        self.class_names = self._shards.class_names
        self.count = len(self._shards)
        self.shape = (
            self.manifest.image_height_px,
            self.manifest.image_width_px,
            len(self.manifest.channels),
        )
        self._require_files()

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all samples in order, at most `size` at once, never across shards."""
        for samples in self._shards.batches(size):
            rows = samples["metadata"]
            names = np.array([row["sample_id"].encode() for row in rows], "S48")
            yield self._batch(samples, names, rows[0]["shard"])

    def read(self, index: int) -> Batch:
        """Return one sample as a batch of one."""
        sample = self._shards[index]
        row = sample.pop("metadata")
        arrays = {name: array[None] for name, array in sample.items()}
        return self._batch(arrays, np.array([row["sample_id"].encode()], "S48"), row["shard"])

    def close(self) -> None:
        """Close the files."""
        self._shards.close()

    def _require_files(self) -> None:
        """Raise DamagedError unless every shard that the manifest names lies there."""
        for shard in self.manifest.shards:
            path = self.folder / shard.name
            if not path.is_file():
                raise DamagedError(
                    f"{path} is not there, though the manifest names it; copy it back, or export "
                    "again.",
                    code="file-missing",
                    where=shard.name,
                )

    def _batch(self, arrays: dict[str, np.ndarray], names: np.ndarray, shard: str) -> Batch:
        """Return samples as a batch, or raise unless they are what the manifest promises."""
        height, width, channels = self.shape
        wanted = (len(names), height, width)
        found = [arrays[name].shape for name in ("mask", "overlap", "confidence")]
        if any(shape != wanted for shape in found) or arrays["image"].shape != (*wanted, channels):
            raise DamagedError(
                f"{self.folder / shard} holds images {arrays['image'].shape} and masks {found[0]} "
                f"where the manifest promises {wanted} and {channels} channels; `xraysynth verify` "
                "tells more, and the export makes it again.",
                code="shard-shape",
                where=shard,
            )
        _check_ids(arrays["mask"], self.class_names, self.folder / shard)
        return Batch(
            images=arrays["image"],
            names=names,
            masks=arrays["mask"],
            overlaps=arrays["overlap"],
            confidence=arrays["confidence"],
        )


class ScanSource:
    """The scans that the generator learned from, with masks where the scanner gave them.

    Parameters
    ----------
    path : `scans.h5`
    class_names : ids of the export; masks are translated to these by name, and
        classes that the export lacks are put behind them

    Raises
    ------
    InputError
        If there is no such file, or it holds something else.
    DamagedError
        If it is truncated or was never finished.
    """

    def __init__(self, path: Path, class_names: list[str]) -> None:
        self.path = Path(path)
        with scanfile.open_scans(self.path) as file:
            height, width, channels = _dataset(file, "images", self.path).shape[1:]
            self.count = int(file["images"].shape[0])
            self.shape = (int(height), int(width), int(channels))
            self.own_names = scanfile.class_names(file)
            self.has_masks = "masks" in file and bool(self.own_names)
        extra = [name for name in self.own_names if name not in class_names]
        self.class_names = [*class_names, *extra]
        if len(self.class_names) > np.iinfo(np.uint8).max:
            raise InputError(
                f"{self.path} and the shards name {len(self.class_names)} classes; want at most "
                "255."
            )
        self._ids = np.array([self.class_names.index(name) for name in self.own_names], np.uint8)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all scans in order, at most `size` at once."""
        with scanfile.open_scans(self.path) as file:
            for start in range(0, self.count, size):
                yield self._read(file, start, min(start + size, self.count))

    def read(self, index: int) -> Batch:
        """Return one scan as a batch of one."""
        with scanfile.open_scans(self.path) as file:
            return self._read(file, index, index + 1)

    def _read(self, file: Any, start: int, stop: int) -> Batch:
        """Return some scans of the open file, their masks in the ids of the export."""
        masks = overlaps = None
        if self.has_masks:
            stored = file["masks"][start:stop]
            _check_ids(stored, self.own_names, self.path)
            masks = self._ids[stored]
            if "overlaps" in file:
                overlaps = _moved_bits(file["overlaps"][start:stop], self._ids)
        return Batch(
            images=file["images"][start:stop],
            names=_dataset(file, "metadata", self.path)[start:stop]["scan_id"],
            masks=masks,
            overlaps=overlaps,
        )


def _moved_bits(overlaps: np.ndarray, new_ids: np.ndarray) -> np.ndarray:
    """Return bit maps with the bit of each class at its new place; from 32 on there is none."""
    moved = np.zeros_like(overlaps)
    for class_id, new_id in enumerate(new_ids.tolist()[:MAX_CLASSES]):
        if new_id < MAX_CLASSES:
            bit = (overlaps >> np.uint32(class_id)) & np.uint32(1)
            moved |= bit << np.uint32(new_id)
    return moved


def _dataset(file: Any, name: str, path: Path) -> Any:
    """Return a data set, or raise if it is not there."""
    if name not in file:
        raise DamagedError(f"{path} has no /{name}; make it again.", where=path.name)
    return file[name]


def _check_ids(masks: np.ndarray, class_names: list[str], path: Path) -> None:
    """Raise DamagedError if a mask holds a class without name."""
    largest = int(masks.max(initial=0))
    if largest >= len(class_names):
        raise DamagedError(
            f"{path} has a mask with class {largest}; its {len(class_names)} classes end at "
            f"{len(class_names) - 1}. Make it again.",
            code="mask-class",
            where=path.name,
        )
