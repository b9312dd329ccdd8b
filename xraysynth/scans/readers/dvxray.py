"""DvXray: two views of every bag, `ID_OL.png` and `ID_SD.png`, with `ID.json`.

Ma et al., DvXray, IEEE TIFS 2024. `objects` is a list, or the text "None" for a clean bag; `ol_bb`
and `sd_bb` are corners, or the text "difficult" where the object cannot be told in that view.
Every view becomes a scan of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import (
    Annotation,
    Reader,
    ScanRecord,
    annotated,
    box_from_corners,
    mappings,
)

VIEWS = {"_OL": "ol_bb", "_SD": "sd_bb"}


def _annotation(folder: DataFolder, name: str, key: str) -> Annotation:
    """Return the objects of one bag with the boxes of one view."""
    objects = folder.json_mapping(name).get("objects")
    if objects == "None":
        return Annotation()
    boxes, labels = [], []
    for entry in mappings(objects, f"`objects` in {name}"):
        labels.append(str(entry.get("label", "")))
        if entry.get(key) != "difficult":
            boxes.append(box_from_corners(labels[-1], entry.get(key), f"`{key}` in {name}"))
    return Annotation(labels=tuple(labels), boxes=tuple(boxes))


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    for image in folder.files():
        path = PurePosixPath(image)
        key = VIEWS.get(path.stem[-3:])
        if key is None:
            yield ScanRecord(images=(image,), fault="its name ends in neither _OL nor _SD.")
            continue
        name = path.with_name(f"{path.stem[:-3]}.json").as_posix()
        split = path.parts[0] if path.parts[0] in ("train", "val", "test") else "train"
        yield annotated((image,), split, partial(_annotation, folder, name, key))


def _looks_like(folder: DataFolder) -> bool:
    return folder.any_file("", ("_ol.png", "_ol.jpg"))


READER = Reader(
    name="dvxray",
    layout="ID_OL.png, ID_SD.png and ID.json",
    looks_like=_looks_like,
    read=_read,
)
