"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xraysynth.errors import InputError
from xraysynth.lock import LOCK, locked

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
