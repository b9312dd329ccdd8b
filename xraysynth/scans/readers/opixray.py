"""OPIXray, and HiXray in the same form: `train/train_image/*.jpg`, `train/train_annotation/ID.txt`.

Wei et al., Occluded prohibited items detection, ACM Multimedia 2020. A line is
`image class x1 y1 x2 y2`. The five classes are kinds of knives and scissors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.record import (
    Annotation,
    Reader,
    ScanRecord,
    annotated,
    box_from_corners,
)

SPLITS = ("train", "test")
HIXRAY_CLASSES = (
    "Portable_Charger_1",
    "Portable_Charger_2",
    "Water",
    "Laptop",
    "Mobile_Phone",
    "Tablet",
    "Cosmetic",
    "Nonmetallic_Lighter",
)
"""What tells the two apart."""


def has_layout(folder: DataFolder) -> bool:
    """Tell whether there are images and text annotations in the form of both data sets."""
    return any(
        folder.has_folder(f"{split}/{split}_image")
        and folder.has_folder(f"{split}/{split}_annotation")
        for split in SPLITS
    )


def first_class(folder: DataFolder) -> str:
    """Return the class in the first line of the first annotation that has one, or ""."""
    for split in SPLITS:
        for path in folder.files(f"{split}/{split}_annotation", (".txt",)):
            try:
                words = folder.text(path).split()
            except ReadError:
                continue
            if len(words) > 1:
                return words[1]
    return ""


def read_lines(folder: DataFolder) -> Iterator[ScanRecord]:
    """Yield the scans of both splits."""
    for split in SPLITS:
        for image in folder.files(f"{split}/{split}_image"):
            text = f"{split}/{split}_annotation/{bare_name(image)}.txt"
            yield annotated((image,), split, partial(_annotation, folder, text))


def _annotation(folder: DataFolder, name: str) -> Annotation:
    """Return the boxes in one text file."""
    boxes = []
    for line in folder.text(name).splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) != 6:
            raise ReadError(f"{name} has the line {line!r}; want image class x1 y1 x2 y2.")
        boxes.append(box_from_corners(words[1], words[2:], f"a box in {name}"))
    return Annotation(boxes=tuple(boxes))


def _looks_like(folder: DataFolder) -> bool:
    return has_layout(folder) and first_class(folder) not in HIXRAY_CLASSES


READER = Reader(
    name="opixray",
    layout="train/train_image/*.jpg and train/train_annotation/*.txt",
    looks_like=_looks_like,
    read=read_lines,
)
