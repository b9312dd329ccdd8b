"""HDF5 as xraysynth writes it: whole or absent, checked when opened, readable by PyTables."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    with new_hdf5(path) as file:
        file.attrs["kind"] = kind
        file.attrs["schema_version"] = version
        yield file
        file.attrs["complete"] = np.uint8(1)  # PyTables cannot show booleans


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file without attributes that appears as `path` only when the block succeeds.

    Ctrl-C waits for `check_written` or the end of the block.

    Raises
    ------
    StorageError
        The disk is full, or the like.
    """
    with whole_file(path) as partial, _Target(partial) as target, _putting_off_ctrl_c(target):
        file = h5py.File(target, "w", libver=LIBVER)
        file.target = target
        try:
            yield file
        finally:
            file.close()
        target.check()


def check_written(file: h5py.File) -> None:
    """Raise what went wrong with the bytes written so far to a file of `new_hdf5`.

    Without it the error comes at the end of the block; with it, long work stops early.

    Raises
    ------
    OSError
        The disk is full, or the like.
    KeyboardInterrupt
        Somebody pressed Ctrl-C meanwhile.
    """
    file.target.check()


@contextmanager
def _putting_off_ctrl_c(target: _Target) -> Iterator[None]:
    """Note Ctrl-C in `target`: raised in the midst of a write, it would be an error to HDF5."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: object) -> None:
        target.interrupted = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Target(io.RawIOBase):
    """The file below an HDF5 file. Its writes never fail: the first error is kept for `check`.

    HDF5 cannot give up: it keeps what it cannot write, tries again when objects and at last the
    process end, and then crashes. So it must not learn that a disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None
        self.interrupted = False

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error
        if self.interrupted:
            raise KeyboardInterrupt

    def write(self, data: Any) -> int:
        """Write, or pretend to."""
        if self._error is None:
            try:
                left = memoryview(data)
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self._error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or pretend to."""
        if self._error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._error = error
        return size or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        """Read; HDF5 takes what is missing for zeros."""
        return self._file.readinto(buffer) or 0

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def close(self) -> None:
        """Close it."""
        self._file.close()
        super().close()


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


def create_growing(file: h5py.File, name: str, dtype: Any, rows_per_chunk: int) -> h5py.Dataset:
    """Create an empty table or list that `append` lengthens: gzip-1, checksummed."""
    return file.create_dataset(
        name,
        (0,),
        dtype,
        maxshape=(None,),
        chunks=(rows_per_chunk,),
        compression="gzip",
        compression_opts=1,
        fletcher32=True,
        shuffle=True,
    )


def append(dataset: h5py.Dataset, rows: np.ndarray) -> None:
    """Write rows behind those that a data set has."""
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


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
        trouble = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {trouble}; want an HDF5 file of {kind}.")
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
    """Return the value that `write_json_attribute` stored.

    Raises
    ------
    DamagedError
        If it is no JSON.
    """
    try:
        return json.loads(str(file.attrs[name]))
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            f"{file.filename}: attribute {name} is no JSON ({str(error)[:120]}). Make the file "
            "again."
        ) from error
