"""Files that appear under their name only when whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xraysynth.errors import DamagedError, StorageError, XraysynthError

_REMEDIES = {
    errno.EISDIR: "That is a folder: name a file",
    errno.EEXIST: "A part of its path is a file: choose another folder",
    errno.ENOTDIR: "A part of its path is a file: choose another folder",
}
"""What to do about troubles that more space does not end."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there once the block succeeds.

    A process killed inside the block leaves `path` as it was: absent, or the
    earlier version. The temporary name is fixed (`.NAME.partial`), so that a
    rerun overwrites the remains of a killed one.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with whole_file(target) as partial:
    ...     _ = partial.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    partial = _partial(path)
    with _told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            yield partial
            with partial.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(partial, path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check that a file can be written later, and leave nothing behind.

    For long work, which would otherwise end with this error.

    Raises
    ------
    StorageError
        If its folder cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> check_writable(folder / "new" / "note.txt")
    >>> list(folder.iterdir())
    []
    """
    path = Path(path)
    missing = [folder for folder in path.parents if not folder.exists()]
    with _told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _partial(path).touch()
            _partial(path).unlink()
        finally:
            for folder in missing:
                with suppress(OSError):
                    folder.rmdir()


def _partial(path: Path) -> Path:
    """Return the temporary name of a file."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what goes wrong in writing a file into one sentence."""
    try:
        yield
    except XraysynthError:
        raise
    except OSError as error:
        todo = _REMEDIES.get(error.errno or 0, "Free some space or choose another folder")
        raise StorageError(
            f"{path} could not be written ({error.strerror or error}); what was there before "
            f"is untouched. {todo}, then run the same command again."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as sorted, indented JSON; the file appears only when whole."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file that xraysynth wrote.

    Raises
    ------
    DamagedError
        If the file is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also numbers too long, nesting too deep
        raise DamagedError(
            f"{path} is not readable JSON ({str(error)[:120]}); it was changed or cut short. "
            "Delete it and run the command that made it again."
        ) from error


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
