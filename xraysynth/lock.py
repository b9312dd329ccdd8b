"""One process at a time in a folder, or at a file."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xraysynth.errors import InputError, StorageError

LOCK = ".lock"
"""File in a folder that a process holds; whoever checks the folder's files leaves it out."""


@contextmanager
def locked(folder: Path, *, stays: bool = True) -> Iterator[None]:
    """Hold a folder for this process alone; create it if need be.

    A POSIX record lock: the kernel drops it when this process ends, however it ends, and worker
    processes do not inherit it (a `flock` would stay with workers that outlive a killed run).

    Parameters
    ----------
    folder : the process must not hold it already
    stays : whether the file `.lock` stays in the folder, which tells that a run was there

    Raises
    ------
    InputError
        If another process holds it, or it is a file.
    StorageError
        If it cannot be written.
    """
    if folder.is_file():
        raise InputError(f"{folder} is a file; want a folder with --out.")
    with _held(folder / LOCK, folder, "folder", stays):
        yield


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold the name of a file, or of a folder that appears at once. Raises as `locked` does.

    The lock is `.NAME.lock` beside it, as long as the block runs.
    """
    whole = path.absolute()
    with _held(whole.parent / f".{whole.name}{LOCK}", path, "file", stays=False):
        yield


@contextmanager
def _held(lock: Path, what: Path, kind: str, stays: bool) -> Iterator[None]:
    """Hold `lock` on behalf of `what`."""
    handle = _taken(lock, what, kind)
    try:
        yield
    finally:
        if not stays:
            # While it is held: afterwards it may be another process's.
            with suppress(OSError):
                lock.unlink()
        os.close(handle)


def _taken(lock: Path, what: Path, kind: str) -> int:
    """Return the handle of the lock once this process has it."""
    while True:
        handle = _open(lock, what)
        try:
            _lock(handle, what, kind)
            if _is_at(handle, lock):
                return handle
        except BaseException:
            os.close(handle)
            raise
        # Its last holder deleted it between our opening and our locking: that was no lock.
        os.close(handle)


def _open(lock: Path, what: Path) -> int:
    """Open the lock's file; create it, and the folder, if need be."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(
            f"{what} cannot be written ({error.strerror}); choose another folder with --out."
        ) from error


def _lock(handle: int, what: Path, kind: str) -> None:
    """Take the lock, or say who has it."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise StorageError(f"{what} cannot be locked ({error.strerror}).") from error
        owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        raise InputError(
            f"{what} is in use by another run (process {owner}); wait until it ends, "
            f"or choose another {kind} with --out.",
            code="locked",
            where=str(what),
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _is_at(handle: int, lock: Path) -> bool:
    """Tell whether the open file is the one that lies at the path."""
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False
