"""HDF5 as xraysynth writes it: whole or absent, checked when opened, readable by PyTables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from xraysynth.errors import DamagedError, InputError, ReadError
from xraysynth.files import whole_file

LIBVER = ("earliest", "v110")
"""Newer layouts cannot be opened by PyTables, and so not by `pandas.read_hdf`."""


@contextmanager
def create_hdf5(path: Path, kind: str, version: int = 1) -> Iterator[h5py.File]:
    """Create an HDF5 file that appears as `path` only when the block succeeds.

    `kind` ("scans", "shard", "tables") and `version` are stored as attributes, and
    `complete` is set last: a killed writer otherwise leaves a file that opens
    and reads as zeros.
    """
    with whole_file(path) as partial:
        file = h5py.File(partial, "w", libver=LIBVER)
        try:
            file.attrs["kind"] = kind
            file.attrs["schema_version"] = version
            yield file
            file.attrs["complete"] = True
            # A full disk shows here, while there still is something that can be given up.
            file.flush()
        except BaseException as error:
            _give_up(file)
            code = re.search(r"errno = (\d+)", str(error))
            if code and isinstance(error, (OSError, RuntimeError)):
                # HDF5 tells it in several lines, and not always as an OSError.
                raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
            raise
        file.close()


def _give_up(file: h5py.File) -> None:
    """Close a file whose content does not matter any more, also on a full disk.

    HDF5 keeps a file open that it cannot flush, tries again when the process ends, and crashes
    then. So what is left to flush goes to memory instead.
    """
    if file and hasattr(os, "memfd_create"):
        nowhere = os.memfd_create("given-up")
        os.dup2(nowhere, file.id.get_vfd_handle())
        os.close(nowhere)
    with suppress(OSError, RuntimeError):
        file.close()


def create_dataset(
    file: h5py.File, name: str, shape: Sequence[int], dtype: Any, *, samples_per_chunk: int = 1
) -> h5py.Dataset:
    """Create an array of samples: one chunk a sample, gzip-1, checksummed."""
    chunks = (min(samples_per_chunk, max(shape[0], 1)), *shape[1:])
    return file.create_dataset(
        name,
        shape,
        dtype,
        chunks=chunks,
        compression="gzip",
        compression_opts=1,
        fletcher32=True,
        shuffle=np.dtype(dtype).itemsize > 1,
    )


@contextmanager
def open_hdf5(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open a file that `create_hdf5` made, for reading.

    Raises
    ------
    InputError
        If there is no such file, or it is of another kind.
    DamagedError
        If it is not HDF5, truncated, or was never finished.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; want an HDF5 file of {kind}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DamagedError(
            f"{path} is not a readable HDF5 file ({error}); it is truncated or something else. "
            "Make it again."
        ) from error
    with file:
        if not file.attrs.get("complete", False):
            raise DamagedError(
                f"{path} was never finished (no attribute `complete`); make it again."
            )
        found = str(file.attrs.get("kind", "unknown"))
        if found != kind:
            raise InputError(f"{path} holds {found}; want a file of {kind}.")
        try:
            yield file
        except (OSError, KeyError) as error:
            if isinstance(error, ReadError):
                raise
            raise DamagedError(f"{path} is damaged: {error}. Make it again.") from error


def write_json_attribute(file: h5py.File, name: str, value: Any) -> None:
    """Store `value` as JSON text in an attribute."""
    file.attrs[name] = json.dumps(value, sort_keys=True)


def read_json_attribute(file: h5py.File, name: str) -> Any:
    """Return the value that `write_json_attribute` stored."""
    return json.loads(str(file.attrs[name]))
