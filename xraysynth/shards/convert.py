"""Shards in the formats of detectors: COCO, YOLO, WebDataset."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xraysynth.errors import InputError, StorageError, XraysynthError
from xraysynth.lock import locked_file
from xraysynth.progress import Progress, silent
from xraysynth.settings import nearest
from xraysynth.shards.convert_coco import write_coco
from xraysynth.shards.convert_webdataset import write_webdataset
from xraysynth.shards.convert_yolo import write_yolo
from xraysynth.shards.outside import refuse_inside_export
from xraysynth.shards.reader import ShardSet

FORMATS: dict[str, Callable[[ShardSet, Path, Progress], int]] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "webdataset": write_webdataset,
}


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a conversion wrote."""

    folder: str
    format: str
    samples: int
    objects: int


def convert(folder: Path, to: str, out: Path, progress: Progress = silent) -> Converted:
    """Write the samples of an export in another format.

    The folder `out` appears only when it is whole; the same export gives the same bytes.

    Parameters
    ----------
    folder : as `xraysynth export` makes it
    to : coco, yolo or webdataset
    out : a folder that is not there yet, or empty

    Raises
    ------
    InputError
        If the format is unknown, `out` is not empty or lies in an export, another process writes
        there, or there is no export.
    DamagedError
        If a sample cannot be read.
    StorageError
        If the disk is full or the like.
    """
    if to not in FORMATS:
        guess = nearest(to, list(FORMATS))
        hint = f"did you mean {guess}?" if guess else f"want one of {', '.join(FORMATS)}."
        raise InputError(f"{to!r} is not a format to convert to; {hint}")
    shards = ShardSet(folder)
    refuse_inside_export(out, shards.folder)
    if len(shards.manifest.channels) > 3:
        raise InputError(
            f"{folder} has images of {len(shards.manifest.channels)} channels; the formats hold "
            "1 to 3."
        )
    try:
        with locked_file(out):
            _require_free(out)
            objects = _write(shards, to, out, progress)
    finally:
        shards.close()
    return Converted(folder=str(out), format=to, samples=len(shards), objects=objects)


def _write(shards: ShardSet, to: str, out: Path, progress: Progress) -> int:
    """Write all samples to `out` as one step; return the number of objects."""
    partial = out.absolute().with_name(f".{out.absolute().name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        objects = FORMATS[to](shards, partial, progress)
        if out.exists():
            out.rmdir()
        os.replace(partial, out)
        return objects
    except XraysynthError:
        raise
    except OSError as error:
        raise StorageError(
            f"{out} could not be written ({error.strerror or error}). Free some space or choose "
            "another folder, then run the same command again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_free(out: Path) -> None:
    """Raise InputError if there is something at `out` already."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} is there already; name a new folder for the conversion.")
