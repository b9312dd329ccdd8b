"""Every on-disk format of scans that xraysynth reads, one file each.

Examples
--------
>>> FORMATS["sixray"].layout
'JPEGImage/ with Annotation/*.xml or ImageSet/'
"""

from __future__ import annotations

from pathlib import Path

from xraysynth.errors import InputError
from xraysynth.scans.readers import (
    clcxray,
    coco,
    compass_xp,
    dvxray,
    folder,
    gdxray,
    hixray,
    indexed_png,
    labelme,
    ldxray,
    opixray,
    pidray,
    pixray,
    sixray,
    stcray,
    voc,
    yolo,
)
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Annotation, Box, Outline, Reader, ScanRecord
from xraysynth.settings import nearest

FORMATS: dict[str, Reader] = {
    module.READER.name: module.READER
    for module in (
        *(sixray, pidray, opixray, hixray, ldxray, stcray, compass_xp, dvxray, gdxray, pixray),
        *(coco, clcxray, voc, indexed_png, yolo, labelme, folder),
    )
}
"""By name, specific formats first; the order is that of `detect`."""

__all__ = [
    "FORMATS",
    "Annotation",
    "Box",
    "DataFolder",
    "Outline",
    "Reader",
    "ScanRecord",
    "detect",
    "open_source",
    "reader_of",
]


def reader_of(name: str) -> Reader:
    """Return the reader called `name`; case, - and _ do not matter.

    Raises
    ------
    InputError
        If there is none; names the nearest.
    """
    key = name.strip().lower().replace("-", "_")
    if key in FORMATS:
        return FORMATS[key]
    guess = nearest(key, list(FORMATS))
    hint = f"did you mean {guess}?" if guess else f"want one of {', '.join(sorted(FORMATS))}."
    raise InputError(f"{name!r} is not a format of scans; {hint}", where=name)


def detect(source: DataFolder) -> str:
    """Return the name of the format that the folder looks like, or "" if none."""
    return next((name for name, reader in FORMATS.items() if reader.looks_like(source)), "")


def open_source(path: Path, name: str) -> tuple[DataFolder, Reader]:
    """Return the folder and the reader of format `name`, once the folder has its layout.

    Raises
    ------
    InputError
        The folder is missing, empty or of another layout; the format is unknown.
    """
    reader = reader_of(name)
    source = DataFolder(path)
    if reader.looks_like(source):
        return source, reader
    if not any(source.root.iterdir()):
        raise InputError(f"{path} is empty; want a data set of scans with {reader.layout}.")
    found = detect(source)
    hint = (
        f"it looks like {found}: use --format {found}."
        if found
        else "it holds no images of any format that xraysynth reads."
    )
    raise InputError(
        f"{path} does not have the layout of {reader.name} ({reader.layout}); {hint}", where=found
    )
