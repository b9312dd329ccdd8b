"""Tables in HDF5 that h5py, PyTables and `pandas.read_hdf` all read.

Booleans are stored as HDF5 bit fields, the way PyTables does it: h5py's own enumeration would
come out of `pandas.read_hdf` as int8, and `frame[frame.flagged]` would fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xraysynth import hdf5, schema

KIND = "tables"
ROWS_PER_CHUNK = 512


@contextmanager
def create_tables_file(path: Path) -> Iterator[h5py.File]:
    """Create a file of tables that appears only when whole; `hdf5.open_hdf5` reads it.

    Unlike `hdf5.create_hdf5` it stores no boolean attribute: PyTables warns about those.
    """
    with hdf5.new_hdf5(path) as file:
        file.attrs["kind"] = KIND
        file.attrs["schema_version"] = schema.VERSION
        yield file
        file.attrs["complete"] = np.uint8(1)


def create_table(
    file: h5py.File, dataset: str, table: str, rows_per_chunk: int = ROWS_PER_CHUNK
) -> h5py.Dataset:
    """Create an empty table that can grow; its columns are those of `data_schema/`.

    Parameters
    ----------
    file : open for writing
    dataset : name within the file
    table : name within `data_schema/tables.yaml`
    rows_per_chunk : rows that are compressed and checksummed together
    """
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((rows_per_chunk,))
    properties.set_shuffle()
    properties.set_deflate(1)
    properties.set_fletcher32()
    properties.set_obj_track_times(False)  # The same content gives the same bytes.
    space = h5py.h5s.create_simple((0,), (h5py.h5s.UNLIMITED,))
    h5py.h5d.create(file.id, dataset.encode(), _stored_type(table), space, properties)
    return file[dataset]


def append_rows(dataset: h5py.Dataset, rows: np.ndarray) -> None:
    """Write rows behind those that are there."""
    start = dataset.shape[0]
    dataset.resize((start + len(rows),))
    if len(rows):
        place = dataset.id.get_space()
        place.select_hyperslab((start,), (len(rows),))
        memory = h5py.h5s.create_simple((len(rows),))
        # The type in the file is the type in memory: packed, in the order of the columns.
        dataset.id.write(memory, place, np.ascontiguousarray(rows), mtype=dataset.id.get_type())


def read_rows(
    dataset: h5py.Dataset, table: str, start: int = 0, stop: int | None = None
) -> np.ndarray:
    """Return some rows with the types of `data_schema/`, booleans as such."""
    wanted = schema.table_dtype(table)
    rows: np.ndarray = dataset[start:stop]
    return np.ascontiguousarray(rows).astype(_as_stored(wanted), copy=False).view(wanted)


def stored_like(dataset: h5py.Dataset, table: str) -> bool:
    """Tell whether a data set has exactly the columns and types of a table."""
    return bool(dataset.dtype == _as_stored(schema.table_dtype(table)))


def _as_stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that h5py gives for our stored rows: bit fields come as uint8."""
    fields: Mapping[str, Any] = dtype.fields or {}
    return np.dtype(
        [(name, np.uint8 if fields[name][0].kind == "b" else fields[name][0]) for name in fields]
    )


def _stored_type(table: str) -> Any:
    """Return the HDF5 type of a table's rows."""
    dtype = schema.table_dtype(table)
    stored = h5py.h5t.create(h5py.h5t.COMPOUND, dtype.itemsize)
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        member = h5py.h5t.STD_B8LE if kind.kind == "b" else h5py.h5t.py_create(kind)
        stored.insert(name.encode(), offset, member)
    return stored
