"""PIXray: `X.png` beside `X.json`, `{"objects": [{"label": "Gun", "polygon": [[x, y], ...]}]}`.

Ma et al., Towards dense-overlapping X-ray prohibited item segmentation, Multimedia Tools and
Applications 2022. Fifteen classes, exact outlines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import (
    Annotation,
    Outline,
    Reader,
    ScanRecord,
    annotated,
    box_around,
    mappings,
    polygon_from_points,
)


def _annotation(folder: DataFolder, name: str) -> Annotation:
    """Return the outlines in one JSON file, and boxes around them."""
    boxes, outlines = [], []
    for entry in mappings(folder.json_mapping(name).get("objects"), f"`objects` in {name}"):
        polygons = (polygon_from_points(entry.get("polygon"), f"`polygon` in {name}"),)
        label = str(entry.get("label", ""))
        outlines.append(Outline(name=label, polygons=polygons))
        boxes.append(box_around(label, polygons))
    return Annotation(boxes=tuple(boxes), outlines=tuple(outlines))


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    for image in folder.files():
        path = PurePosixPath(image)
        split = path.parts[0] if path.parts[0] in ("train", "val", "test") else "train"
        name = path.with_suffix(".json").as_posix()
        yield annotated((image,), split, partial(_annotation, folder, name))


def _looks_like(folder: DataFolder) -> bool:
    for name in folder.files("", (".json",))[:3]:
        try:
            objects = folder.json_mapping(name).get("objects")
        except ReadError:
            continue
        if isinstance(objects, list) and objects and isinstance(objects[0], dict):
            return "polygon" in objects[0]
    return False


READER = Reader(
    name="pixray",
    layout="NAME.png beside NAME.json with `objects` of `label` and `polygon`",
    looks_like=_looks_like,
    read=_read,
)
