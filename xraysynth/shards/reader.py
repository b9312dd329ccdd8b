"""Reading shards: no torch, no generator, one open file handle a shard and process."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from xraysynth import hdf5
from xraysynth.errors import DamagedError
from xraysynth.shards import manifest as manifests
from xraysynth.shards import shardfile

if TYPE_CHECKING:
    import pandas as pd

OPEN_FILES = 64
"""Shards that stay open at a time."""


class ShardSet:
    """The samples of a folder of shards, by index.

    Safe to hand to worker processes: every process opens its own files on first use.

    Parameters
    ----------
    folder : as `xraysynth export` makes it

    Raises
    ------
    InputError
        If there is no such folder, or no finished export in it.
    DamagedError
        If the manifest is damaged; later, if a sample is.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.manifest = manifests.read_manifest(self.folder)
        self._stops = list(accumulate(shard.samples for shard in self.manifest.shards))
        self._files: dict[tuple[int, int], h5py.File] = {}

    def __len__(self) -> int:
        return self.manifest.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample.

        Returns
        -------
        dict
            image (H, W, C) uint8 or uint16; mask (H, W) uint8; overlap (H, W) uint32;
            confidence (H, W) uint8; metadata, a dict of the row of table `images`.

        Raises
        ------
        IndexError
            If there are not so many samples.
        DamagedError
            If the sample cannot be read.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}; want {-len(self)} to {len(self) - 1}")
        index %= len(self)
        shard = bisect_right(self._stops, index)
        row = index - (self._stops[shard - 1] if shard else 0)
        return {name: value[0] for name, value in self._read(shard, row, row + 1).items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when pickled for a worker."""
        return {**self.__dict__, "_files": {}}

    @property
    def class_names(self) -> list[str]:
        """Names of the classes; the place in the list is the id in the masks."""
        return list(self.manifest.classes)

    def batches(self, size: int) -> Iterator[dict[str, Any]]:
        """Yield all samples in order, `size` at a time; a batch never spans two shards.

        The keys are those of a single sample; arrays have one more axis in front, metadata is a
        list of dicts.
        """
        for number, shard in enumerate(self.manifest.shards):
            for start in range(0, shard.samples, size):
                yield self._read(number, start, min(start + size, shard.samples))

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, "images", "objects" or "classes", as a pandas frame."""
        import pandas as pd

        try:
            frame: Any = pd.read_hdf(self.folder / manifests.TABLES, name)
        except (OSError, KeyError, ValueError) as error:
            raise DamagedError(
                f"table {name!r} of {self.folder / manifests.TABLES} cannot be read ({error}); "
                "want images, objects or classes. `xraysynth verify` tells what is damaged."
            ) from error
        table: pd.DataFrame = frame
        return table

    def close(self) -> None:
        """Close the files of this process; they open again on use."""
        own = [key for key in self._files if key[0] == os.getpid()]
        for key in own:
            self._files.pop(key).close()

    def _read(self, shard: int, start: int, stop: int) -> dict[str, Any]:
        """Return some rows of a shard."""
        name = self.manifest.shards[shard].name
        try:
            samples = shardfile.read_samples(self._file(shard), start, stop)
        except DamagedError:
            raise
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise DamagedError(
                f"samples {start} to {stop - 1} of {self.folder / name} cannot be read ({error}); "
                "`xraysynth verify` tells what is damaged, and the export makes it again.",
                code="shard-chunk",
                where=name,
            ) from error
        return {
            "image": samples.images,
            "mask": samples.masks,
            "overlap": samples.overlaps,
            "confidence": samples.confidence,
            "metadata": [row_as_dict(row) for row in samples.metadata],
        }

    def _file(self, shard: int) -> h5py.File:
        """Return the open file of a shard, opened by this very process."""
        key = (os.getpid(), shard)
        if key not in self._files:
            if len(self._files) >= OPEN_FILES:
                self.close()
            path = self.folder / self.manifest.shards[shard].name
            with hdf5.open_hdf5(path, shardfile.KIND):
                self._files[key] = h5py.File(path, "r")
        return self._files[key]


def row_as_dict(row: np.void) -> dict[str, Any]:
    """Return a row of a table as Python values, text as str.

    Examples
    --------
    >>> row_as_dict(np.array([(b"gun", 3)], [("class_name", "S32"), ("n", "i4")])[0])
    {'class_name': 'gun', 'n': 3}
    """
    names = row.dtype.names or ()
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in zip(names, row.item(), strict=True)
    }
