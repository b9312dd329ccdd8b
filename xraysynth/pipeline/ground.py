"""The ground that a stage builds on: what is kept of earlier work, deleted, or set aside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from xraysynth.errors import InputError, StageError, StorageError
from xraysynth.files import read_json, write_json
from xraysynth.pipeline.stage import Context, Stage

WORK = ".work"
"""Folder of the notes that say to which key unfinished files belong."""
SET_ASIDE = f"{WORK}/set_aside"
"""Folder of what somebody changed after a stage had made it."""


def refuse_own_inputs(stages: Iterable[tuple[Stage, Context]]) -> None:
    """Raise if a stage reads a file of the user's that a stage of the same run deletes.

    Raises
    ------
    InputError
        Naming the setting's file; nothing was deleted yet.
    """
    known = list(stages)
    made = [
        (stage, place.resolve()) for stage, context in known for place in ground(stage, context)
    ]
    for reader, context in known:
        for path in reader.inputs(context):
            for maker, place in made:
                if path.resolve().is_relative_to(place):
                    raise InputError(
                        f"{reader.name} is to read {path}, which {maker.name} deletes when it "
                        "makes its own files there; copy it out of the run's folder and name the "
                        "copy.",
                        where=str(path),
                    )


def ground(stage: Stage, context: Context) -> list[Path]:
    """Return every file and folder that a stage makes anew."""
    return [*stage.outputs(context), *stage.scratch(context)]


def holds_work(stage: Stage, context: Context) -> bool:
    """Tell whether the unfinished files that lie there belong to the key of this context."""
    return _key_in(marker(stage, context.folder)) == context.work_key


def clear(stage: Stage, context: Context, *, keep: bool) -> None:
    """Delete what a stage makes; its outputs are set aside instead if they are to be kept."""
    if keep:
        _set_aside(stage, context)
    for path in ground(stage, context):
        _delete(path, context.folder)
    write_json(marker(stage, context.folder), {"key": context.work_key})


def marker(stage: Stage, folder: Path) -> Path:
    """Return the note that says to which key a stage's unfinished files belong."""
    return folder / WORK / f"{stage.name}.json"


def set_aside_folder(stage: Stage, folder: Path) -> Path:
    """Return where the outputs of a stage are kept that somebody changed."""
    return folder / SET_ASIDE / stage.name


def _set_aside(stage: Stage, context: Context) -> None:
    """Move the outputs of a stage away, each in place of what was set aside of it earlier.

    One by one: killed in between and called again, it must not delete what it has moved.
    """
    place = set_aside_folder(stage, context.folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path in stage.outputs(context):
            _require_inside(path, context.folder)
            if path.exists():
                _delete(place / path.name, context.folder)
                os.replace(path, place / path.name)
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written ({error.strerror}), where files that were changed are "
            "kept; copy them elsewhere yourself."
        ) from error


def _key_in(note: Path) -> str:
    """Return the key in a note, "" if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return str(read_json(note)["key"])
    return ""


def _delete(path: Path, folder: Path) -> None:
    """Delete a file or folder below the run's folder."""
    _require_inside(path, folder)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _require_inside(path: Path, folder: Path) -> None:
    """Raise unless a path lies below the run's folder."""
    if not path.resolve().is_relative_to(folder.resolve()) or path.resolve() == folder.resolve():
        raise StageError(f"{path} lies outside the run's folder {folder}; nothing was deleted.")
