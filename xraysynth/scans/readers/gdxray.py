"""GDXray: series of grey scans, `Baggages/B0001/B0001_0001.png`, with `ground_truth.txt` a series.

Mery et al., GDXray: the database of X-ray images for nondestructive testing, 2015. A row is
`k x1 x2 y1 y2` in floats, k being the image's number in the series, counted from 1. The
rows do not say what the object is; some have top below bottom. An image without a row is clean, but
in a series without that file, of which nobody said what its scans hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import (
    NOTHING_SAID,
    Annotation,
    Box,
    Reader,
    ScanRecord,
    number,
    whole_number,
)

NAME = "item"
"""Stands for the class that the data set leaves out."""
TRUTH = "ground_truth.txt"


def _series(folder: DataFolder) -> list[str]:
    """Return the folders of series, whether `folder` is the data set or its group Baggages."""
    top = "Baggages" if folder.has_folder("Baggages") else ""
    found = [f"{top}/{name}" if top else name for name in folder.folders(top)]
    return [name for name in found if folder.any_file(name)]


def _boxes(folder: DataFolder, series: str) -> dict[int, list[Box]] | None:
    """Return the boxes of a series by the number of the image, or None where nobody drew any."""
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    name = f"{series}/{TRUTH}"
    if not folder.has_file(name):
        return None
    for line in folder.text(name).splitlines():
        values = [number(word, f"a value in {name}") for word in line.split()]
        if not values:
            continue
        if len(values) != 5:
            raise ReadError(f"{name} has the line {line!r}; want k x1 x2 y1 y2.")
        k, x_1, x_2, y_1, y_2 = values
        place = whole_number(k, f"an image's number in {name}")
        boxes[place].append(Box(name=NAME, x_min=x_1, y_min=y_1, x_max=x_2, y_max=y_2))
    return boxes


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    for series in _series(folder):
        fault = ""
        boxes: dict[int, list[Box]] | None = None
        try:
            boxes = _boxes(folder, series)
        except (ReadError, OverflowError, ValueError) as error:
            fault = str(error)
        for image in folder.files(series):
            digits = PurePosixPath(image).stem.rpartition("_")[2]
            place = int(digits) if digits.isascii() and digits.isdigit() else -1
            annotation = NOTHING_SAID
            if boxes is not None:
                annotation = Annotation(boxes=tuple(boxes.get(place, ())))
            yield ScanRecord(images=(image,), annotation=annotation, fault=fault)


def _looks_like(folder: DataFolder) -> bool:
    return any(folder.has_file(f"{series}/{TRUTH}") for series in _series(folder))


READER = Reader(
    name="gdxray",
    layout="Baggages/B0001/B0001_0001.png with ground_truth.txt in some series",
    looks_like=_looks_like,
    read=_read,
)
