"""Fingerprints: what a stage's result depends on, and whether its files still are what it made."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from xraysynth.errors import InputError
from xraysynth.files import sha256_file
from xraysynth.pipeline.stage import Stage

LAYERS = (
    ("scanner",),
    ("scans", "baggage", "shards"),
    ("gan",),
    ("oneshot",),
    ("evaluate", "audit"),
)
"""Rooms from the lowest up; each imports from lower layers only, never from its neighbours."""

Files = dict[str, dict[str, Any]]
"""By path: {"bytes": size, "sha256": 64 hexadecimal digits}."""


def digest(value: Any) -> str:
    """Return the SHA-256 of a value that JSON can hold.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hash_files(paths: Iterable[Path], base: Path | None = None) -> Files:
    """Return size and hash of files, and of every file in folders.

    Hidden files are left out: they are unfinished, or notes of the program to itself.

    Parameters
    ----------
    paths : files or folders
    base : names in the answer are relative to it; without it, to each path's parent

    Raises
    ------
    InputError
        If a path does not exist or cannot be read.
    """
    found: Files = {}
    for path in paths:
        root = path.parent if base is None else base
        for file in _walk(path):
            try:
                entry = {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
            except OSError as error:
                raise InputError(f"{file} cannot be read: {error.strerror}.") from error
            found[os.path.relpath(file, root)] = entry
    return found


def code_version(stage: Stage) -> str:
    """Return the hash of the sources that a stage's result may depend on.

    That is its own file, its room, all rooms below, the package's single modules and
    the data schema: correcting the audit does not train the generator again.
    """
    height = next((i for i, rooms in enumerate(LAYERS) if stage.room in rooms), len(LAYERS))
    below = [room for rooms in LAYERS[:height] for room in rooms]
    own = inspect.getsourcefile(type(stage))
    parts = [_room_hash(room) for room in sorted({*below, stage.room, "", "data_schema"})]
    return digest([*parts, sha256_file(Path(own)) if own else ""])


@cache
def _room_hash(room: str) -> str:
    """Return the hash of one package's files; of the single modules at the top for ""."""
    folder = Path(str(resources.files(".".join(["xraysynth", room]).rstrip("."))))
    files = folder.rglob("*") if room else folder.glob("*.py")
    sources = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    return digest({str(file.relative_to(folder)): sha256_file(file) for file in sources})


def _walk(path: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder, without hidden ones."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise InputError(f"{path} does not exist; check the path.", where=str(path))
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield file
