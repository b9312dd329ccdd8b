"""Check that `tables.h5` says what the shards say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from xraysynth import schema
from xraysynth.errors import DamagedError, SchemaError
from xraysynth.shards import compound, shardfile
from xraysynth.shards.findings import Finding, from_error
from xraysynth.shards.inspection import ShardContents, disagreeing_columns
from xraysynth.shards.manifest import TABLES, Manifest
from xraysynth.shards.tables import NAMES, ClassCounts


@contextmanager
def open_tables(folder: Path, usable: bool, findings: list[Finding]) -> Iterator[h5py.File | None]:
    """Yield `tables.h5` open, or None after noting why it cannot be compared."""
    file = None
    if usable:
        try:
            file = h5py.File(folder / TABLES, "r")
            for name in NAMES:
                if not compound.stored_like(shardfile.plain_dataset(file, name), name):
                    raise DamagedError(f"/{name} has other columns", code="table-hdf5")
        # As in a shard: hostile bytes raise nearly anything.
        except Exception as error:
            findings.append(from_error(error, "table-hdf5", TABLES))
            if file is not None:
                file.close()
            file = None
    try:
        yield file
    finally:
        if file is not None:
            file.close()


class TablesCheck:
    """Follows the tables along while the shards pass by."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.counts = ClassCounts(manifest.info())
        self.seen: set[bytes] = set()
        self.image_place = 0
        self.object_place = 0
        self.every_shard_sound = True

    def shard(
        self, tables: h5py.File | None, samples: int, contents: ShardContents | None
    ) -> list[Finding]:
        """Compare the next rows of the tables with a shard; None stands for a damaged one."""
        findings = []
        if contents is not None:
            findings += self._double_names(contents.metadata)
            for name in ("n_pixels", "n_images", "n_instances"):
                setattr(
                    self.counts, name, getattr(self.counts, name) + getattr(contents.counts, name)
                )
        self.every_shard_sound &= contents is not None
        if tables is not None:
            findings += self._guarded(lambda: self._rows(tables, samples, contents))
        return findings

    def whole(self, tables: h5py.File | None) -> list[Finding]:
        """Compare what only the end of the tables shows."""
        return [] if tables is None else self._guarded(lambda: self._ends(tables))

    def _rows(
        self, tables: h5py.File, samples: int, contents: ShardContents | None
    ) -> list[Finding]:
        """Compare the rows of one shard."""
        stop = self.image_place + samples
        images = compound.read_rows(tables["images"], "images", self.image_place, stop)
        n_objects = int(images["n_objects"].sum())
        objects = compound.read_rows(
            tables["objects"], "objects", self.object_place, self.object_place + n_objects
        )
        self.image_place, self.object_place = stop, self.object_place + n_objects
        if contents is None:
            return []
        shard = contents.metadata["shard"][0].decode()
        wrong = [f"images.{name}" for name in disagreeing_columns(images, contents.metadata)]
        wrong += [f"objects.{name}" for name in disagreeing_columns(objects, contents.objects)]
        return [_table_finding(f"{name} disagrees with {shard}") for name in wrong]

    def _ends(self, tables: h5py.File) -> list[Finding]:
        """Compare the numbers of rows, and the table `classes`."""
        rows = self.manifest.tables.rows.model_dump()
        wrong = [
            f"{name} has {tables[name].shape[0]} rows; manifest.json says {count}"
            for name, count in rows.items()
            if tables[name].shape[0] != count
        ]
        classes = compound.read_rows(tables["classes"], "classes")
        schema.validate("classes", classes)
        if self.every_shard_sound:
            if self.object_place != rows["objects"]:
                wrong.append(f"objects has {rows['objects']} rows; shards hold {self.object_place}")
            columns = disagreeing_columns(classes, self.counts.rows())
            wrong += [f"classes.{name} disagrees with the shards" for name in columns]
        return [_table_finding(text) for text in wrong]

    def _double_names(self, metadata: np.ndarray) -> list[Finding]:
        """Return sample_ids that occurred before."""
        names = metadata["sample_id"].tolist()
        double = [name for name in names if name in self.seen]
        self.seen.update(names)
        shard = metadata["shard"][0].decode()
        texts = [name.decode("utf-8", "replace") for name in double[:5]]
        return [
            Finding(code="sample-duplicate", file=shard, message=f"{text} occurs twice")
            for text in texts
        ]

    def _guarded(self, check: Callable[[], list[Finding]]) -> list[Finding]:
        """Return what a check finds, or the finding that the tables cannot be read."""
        try:
            return check()
        except SchemaError as error:
            return [from_error(error, "table-disagrees", TABLES)]
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            return [from_error(error, "table-hdf5", TABLES)]


def _table_finding(message: str) -> Finding:
    """Return a finding about the tables."""
    return Finding(code="table-disagrees", file=TABLES, message=message)
