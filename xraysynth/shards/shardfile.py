"""Reading inside one shard or `tables.h5`, without following anything out of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xraysynth import hdf5, schema
from xraysynth.errors import DamagedError
from xraysynth.files import sha256_file
from xraysynth.shards import compound
from xraysynth.shards.manifest import parse_manifest
from xraysynth.shards.samples import ARRAYS, ExportInfo, ShardSamples, check_arrays

KIND = "shard"
DATASETS = (*ARRAYS, "metadata")
BLOCK = 32
"""Samples in memory at a time."""


def plain_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a data set whose bytes lie in this very file.

    Raises
    ------
    DamagedError
        If it is absent, a soft or external link, virtual, stored outside, or no data set.
        A shard from a stranger must not make us read other files of the machine.
    """
    link = file.get(name, getlink=True)
    if type(link) is not h5py.HardLink:
        raise _layout(file, f"/{name} is {'a link' if link else 'not there'}")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise _layout(file, f"/{name} is a group")
    if dataset.is_virtual or dataset.external:
        raise _layout(file, f"/{name} is stored outside the file")
    return dataset


def write_shard(path: Path, samples: ShardSamples, info: ExportInfo) -> None:
    """Write one shard; it appears as `path` only when whole. The same samples give the same bytes.

    Parameters
    ----------
    path : such as out / shard_name(0)
    samples : arrays and metadata, as `describe` returns them
    info : stored as JSON attributes

    Raises
    ------
    SchemaError
        If arrays or metadata break `data_schema/`, or do not belong together.
    """
    check_arrays(samples, info.class_names)
    schema.validate("images", samples.metadata)
    if len(samples.metadata) != len(samples.masks):
        raise ValueError(f"{len(samples.metadata)} rows of metadata, {len(samples.masks)} samples")
    with hdf5.create_hdf5(path, KIND, schema.VERSION) as file:
        for name in ARRAYS:
            array: np.ndarray = getattr(samples, name)
            hdf5.create_dataset(file, name, array.shape, array.dtype)[...] = array
        metadata = compound.create_table(file, "metadata", "images", rows_per_chunk=1)
        compound.append_rows(metadata, samples.metadata)
        hdf5.write_json_attribute(file, "classes", list(info.class_names))
        hdf5.write_json_attribute(file, "channels", channels(samples.images.shape[3]))
        hdf5.write_json_attribute(file, "export", info.as_json())
        file.attrs["settings_hash"] = info.settings_hash


def channels(count: int) -> list[str]:
    """Return the names of an image's channels."""
    known = {1: ["grey"], 2: ["low", "high"], 3: ["red", "green", "blue"]}
    return known.get(count, [f"channel_{number}" for number in range(count)])


def read_samples(file: h5py.File, start: int, stop: int) -> ShardSamples:
    """Return some samples of an open shard."""
    arrays = {name: plain_dataset(file, name)[start:stop] for name in ARRAYS}
    metadata = compound.read_rows(plain_dataset(file, "metadata"), "images", start, stop)
    return ShardSamples(**arrays, metadata=metadata)


def walk_samples(file: h5py.File) -> Iterator[ShardSamples]:
    """Yield all samples of an open shard in blocks, with memory flat in their number."""
    count = plain_dataset(file, "masks").shape[0]
    for start in range(0, count, BLOCK):
        yield read_samples(file, start, min(start + BLOCK, count))


def is_whole_shard(path: Path, info: ExportInfo, first_index: int, count: int) -> bool:
    """Tell whether a shard lies there that a rerun of its export need not make again.

    Every chunk is read, so that its checksum is checked; if a manifest of the same export lies
    beside it, the hash of the file is checked as well.
    """
    if not path.is_file() or _contradicts_manifest(path, info):
        return False
    try:
        with hdf5.open_hdf5(path, KIND) as file:
            if file.attrs.get("settings_hash") != info.settings_hash:
                return False
            parts = [samples.metadata["sample_index"] for samples in walk_samples(file)]
            return np.array_equal(np.concatenate(parts), first_index + np.arange(count))
    except (OSError, ValueError, KeyError, RuntimeError):
        return False


def _contradicts_manifest(path: Path, info: ExportInfo) -> bool:
    """Tell whether the manifest beside a shard was written for other bytes of it."""
    manifest, _ = parse_manifest(path.parent)
    if manifest is None or manifest.settings_hash != info.settings_hash:
        return False
    wanted = manifest.hashes().get(path.name)
    return wanted is not None and wanted != sha256_file(path)


def _layout(file: Any, message: str) -> DamagedError:
    """Return the error for a data set that is not where it must be."""
    name = Path(file.filename).name
    return DamagedError(f"{name}: {message}; want a data set.", code="shard-layout", where=name)
