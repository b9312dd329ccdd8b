"""One run at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xraysynth.errors import InputError, StorageError

LOCK = ".lock"
RECORD = "run.json"


@contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this process alone; create it if need be.

    Raises
    ------
    InputError
        If another process holds it, or it is no run's folder: stages delete what they made
        earlier, and nobody's own files may be among that.
    StorageError
        If it cannot be written.
    """
    _refuse_strangers(folder)
    with locked(folder):
        yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold any folder for this process alone; create it if need be. Raises as `run_folder` does.

    A POSIX record lock: the kernel drops it when this process ends, however it ends, and worker
    processes do not inherit it (a `flock` would stay with workers that outlive a killed run).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if folder.is_file():
            raise InputError(f"{folder} is a file; want a folder with --out.") from error
        raise StorageError(
            f"{folder} cannot be written ({error.strerror}); choose another folder with --out."
        ) from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Take the lock, or say who has it."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise StorageError(f"{folder} cannot be locked ({error.strerror}).") from error
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        raise InputError(
            f"{folder} is in use by another run (process {owner}); wait until it ends, "
            "or choose another folder with --out.",
            code="locked",
            where=str(folder),
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _refuse_strangers(folder: Path) -> None:
    """Raise if the folder holds files but no run was ever started in it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; want a folder for the run.", where=str(folder))
    if not folder.is_dir() or (folder / RECORD).exists() or (folder / LOCK).exists():
        return
    if any(folder.iterdir()):
        raise InputError(
            f"{folder} holds files that no run made; choose an empty or new folder with --out.",
            where=str(folder),
        )
