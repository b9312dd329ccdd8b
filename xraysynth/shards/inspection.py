"""Look into one shard that may be anything: damaged, hostile, or no shard at all.

HDF5 itself may crash or never return on such bytes: `apart` runs this in a process of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from xraysynth import hdf5, schema
from xraysynth.errors import DamagedError, SchemaError
from xraysynth.shards import compound, shardfile
from xraysynth.shards.describe import describe
from xraysynth.shards.findings import Finding, from_error
from xraysynth.shards.manifest import Manifest, ShardEntry
from xraysynth.shards.regions import object_rows
from xraysynth.shards.samples import ARRAYS, SampleArrays, ShardSamples, own_class_overlaps
from xraysynth.shards.tables import ClassCounts

MOST_NAMED = 5
"""Damaged samples that are named one by one, a data set; the others are counted."""
LARGEST_SAMPLE_BYTES = 2**30
BLOCK_BYTES = 2**26
NOT_MEASURED = ("phash", "flagged", "flag_reason", "truncation_psi", "requested")
"""Columns that another machine, or an export of its own mind, may fill in otherwise."""


@dataclass(frozen=True)
class ShardContents:
    """What a sound shard adds to the tables."""

    metadata: np.ndarray
    objects: np.ndarray
    counts: ClassCounts


class Inspection:
    """One look into one shard: gathers findings, never raises for what the file holds."""

    def __init__(self, path: Path, manifest: Manifest, entry: ShardEntry) -> None:
        self.path = path
        self.manifest = manifest
        self.entry = entry
        self.info = manifest.info()
        self.findings: list[Finding] = []

    def run(self) -> ShardContents | None:
        """Return what the shard holds, or None if something in it cannot be used."""
        try:
            with h5py.File(self.path, "r") as file:
                self._head(file)
                self._layout(file)
                if self.findings:
                    return None
                return self._contents(file)
        # On hostile bytes h5py raises nearly anything, UnicodeDecodeError and TypeError too.
        except Exception as error:
            self.findings.append(from_error(error, "shard-hdf5", self.entry.name))
            return None

    def find(self, code: str, message: str) -> None:
        """Note something wrong."""
        self.findings.append(Finding(code=code, file=self.entry.name, message=message))

    def _head(self, file: h5py.File) -> None:
        """Check the attributes."""
        if not np.array_equal(file.attrs.get("complete", False), True):
            self.find("shard-incomplete", "was never finished (no attribute `complete`)")
        wanted = {
            "kind": shardfile.KIND,
            "settings_hash": self.manifest.settings_hash,
        }
        for name, value in wanted.items():
            if str(file.attrs.get(name)) != value:
                self.find("shard-layout", f"attribute {name} is {file.attrs.get(name)!r:.80}")
        if hdf5.read_json_attribute(file, "classes") != self.manifest.classes:
            self.find("shard-layout", "its class names are not those of manifest.json")

    def _layout(self, file: h5py.File) -> None:
        """Check that every data set is there, of the right type and size, each chunk stored."""
        picture = (self.manifest.image_height_px, self.manifest.image_width_px)
        shapes: dict[str, tuple[int, ...]] = {
            "images": (*picture, len(self.manifest.channels)),
            **dict.fromkeys(("masks", "overlaps", "confidence"), picture),
            "metadata": (),
        }
        for name, sample_shape in shapes.items():
            try:
                self._dataset(name, shardfile.plain_dataset(file, name), sample_shape)
            except DamagedError as error:
                self.findings.append(from_error(error, "shard-layout", self.entry.name))

    def _dataset(self, name: str, dataset: h5py.Dataset, sample_shape: tuple[int, ...]) -> None:
        """Check one data set without reading its samples."""
        shape = (self.entry.samples, *sample_shape)
        if name == "metadata":
            right = compound.stored_like(dataset, "images")
        elif name == "images":
            right = dataset.dtype == np.dtype(self.manifest.image_dtype)
        else:
            right = dataset.dtype == np.dtype(ARRAYS[name][0][0])
        if not right:
            self.find("shard-dtype", f"/{name} is {dataset.dtype!s:.80}")
        if dataset.shape != shape:
            self.find("shard-shape", f"/{name} has shape {dataset.shape}; want {shape}")
        elif dataset.chunks != (1, *sample_shape):
            self.find("shard-shape", f"/{name} has chunks {dataset.chunks}; want one a sample")
        elif int(np.prod(sample_shape)) * dataset.dtype.itemsize > LARGEST_SAMPLE_BYTES:
            self.find("shard-shape", f"/{name} has samples of more than {LARGEST_SAMPLE_BYTES} B")
        elif dataset.id.get_num_chunks() != self.entry.samples:
            stored = dataset.id.get_num_chunks()
            self.find("shard-chunk", f"/{name} has {stored} of {self.entry.samples} chunks")

    def _contents(self, file: h5py.File) -> ShardContents | None:
        """Read every sample and check what it says."""
        counts = ClassCounts(self.info)
        metadata, objects = [], []
        pixels = self.manifest.image_height_px * self.manifest.image_width_px
        block = max(1, min(shardfile.BLOCK, BLOCK_BYTES // (pixels * 16)))
        for start in range(0, self.entry.samples, block):
            samples = self._read(file, start, min(start + block, self.entry.samples))
            if samples is None or not self._pixels(samples, start):
                continue
            self._measured(samples, start)
            objects.append(object_rows(samples, self.info.class_names, self.info.describe))
            counts.add(samples, objects[-1])
            metadata.append(samples.metadata)
        if self.findings:
            return None
        rows = np.concatenate(metadata)
        if rows["n_rejected"].sum(dtype=np.int64) != self.entry.rejected:
            self.find("metadata", "n_rejected disagrees with manifest.json")
        try:
            schema.validate("images", rows)
        except SchemaError as error:
            self.findings.append(from_error(error, "metadata", self.entry.name))
        return ShardContents(rows, np.concatenate(objects), counts)

    def _read(self, file: h5py.File, start: int, stop: int) -> ShardSamples | None:
        """Return a block of samples, or None after naming those that cannot be read."""
        try:
            return shardfile.read_samples(file, start, stop)
        except (OSError, ValueError, RuntimeError):
            damaged = 0
            for name in shardfile.DATASETS:
                for row in range(start, stop):
                    damaged += self._unreadable(file[name], name, row)
            if not damaged:
                self.find("shard-chunk", f"samples {start} to {stop - 1} cannot be read together")
            return None

    def _unreadable(self, dataset: h5py.Dataset, name: str, row: int) -> bool:
        """Tell, and note, whether one sample of a data set cannot be read."""
        try:
            dataset[row]
        except (OSError, ValueError, RuntimeError) as error:
            named = sum(finding.code == "shard-chunk" for finding in self.findings)
            if named < MOST_NAMED:
                self.find("shard-chunk", f"/{name}, sample {row} cannot be read ({error})"[:300])
            return True
        return False

    def _pixels(self, samples: ShardSamples, start: int) -> bool:
        """Tell, and note, whether masks and overlaps are possible."""
        facts = {
            "mask-class": samples.masks < len(self.info.class_names),
            "overlap-bit": own_class_overlaps(samples.masks, samples.overlaps),
        }
        texts = schema.check_codes()
        for code, right in facts.items():
            wrong = np.flatnonzero(~right.all(axis=(1, 2)))
            if wrong.size:
                self.find(code, f"{texts[code]} (sample {start + wrong[0]}, {wrong.size} here)")
        return all(right.all() for right in facts.values())

    def _measured(self, samples: ShardSamples, start: int) -> None:
        """Compare the metadata with what the arrays say."""
        arrays = SampleArrays(**{name: getattr(samples, name) for name in ARRAYS})
        first_index = self.entry.seeds.first_index + start
        rejected = samples.metadata["n_rejected"]
        wanted = describe(arrays, self.info, self.entry.name, first_index, rejected).metadata
        wanted["row"] += start
        for column in disagreeing_columns(samples.metadata, wanted, NOT_MEASURED):
            self.find("metadata", f"{column} disagrees with the arrays from sample {start} on")


def disagreeing_columns(
    found: np.ndarray, wanted: np.ndarray, left_out: tuple[str, ...] = ()
) -> list[str]:
    """Return the columns in which two tables differ, floats by more than 1e-4."""
    if len(found) != len(wanted):
        return [f"the number of rows ({len(found)}, want {len(wanted)})"]
    columns = [name for name in wanted.dtype.names or () if name not in left_out]
    return [name for name in columns if not _same(found[name], wanted[name])]


def _same(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Tell whether two columns agree."""
    if wanted.dtype.kind == "f":
        return np.allclose(found, wanted, rtol=0, atol=1e-4)
    return np.array_equal(found, wanted)
