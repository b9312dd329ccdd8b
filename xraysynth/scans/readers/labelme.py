"""labelme: `NAME.json` beside the image, `shapes` with `label`, `points` and `shape_type`.

A rectangle has two corners, a polygon three or more points, a circle its centre and a point
on it. Of an image without JSON nobody said what it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import (
    Annotation,
    Box,
    Outline,
    Reader,
    ScanRecord,
    annotated,
    box_around,
    mappings,
    number,
    polygon_from_points,
    text,
    whole_number,
)


def labelme_annotation(folder: DataFolder, name: str) -> Annotation:
    """Return boxes, outlines and image size in one labelme file; lines and points only label."""
    document = folder.json_mapping(name)
    boxes, outlines, labels = [], [], []
    for shape in mappings(document.get("shapes"), f"`shapes` in {name}"):
        label = text(shape.get("label"), f"a `label` in {name}")
        labels.append(label)
        kind = shape.get("shape_type") or "polygon"
        points = shape.get("points")
        if kind == "polygon":
            polygons = (polygon_from_points(points, f"`points` in {name}"),)
            outlines.append(Outline(name=label, polygons=polygons))
            boxes.append(box_around(label, polygons))
        elif kind in ("rectangle", "circle"):
            boxes.append(_box(label, kind, points, name))
    return Annotation(
        labels=tuple(labels),
        boxes=tuple(boxes),
        outlines=tuple(outlines),
        size_px=_size(document),
    )


def _box(label: str, kind: str, points: Any, name: str) -> Box:
    """Return the box of a rectangle or circle."""
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        raise ReadError(f"`points` in {name} is not a list of [x, y].")
    if len(points) not in (2, 4) or (kind == "circle" and len(points) != 2):
        raise ReadError(f"a {kind} in {name} has {len(points)} points; want two.")
    corners = [(number(x, "x"), number(y, "y")) for x, y in points]
    if kind == "rectangle":
        return box_around(label, (tuple(corners),))
    (x, y), (x_rim, y_rim) = corners
    radius = math.hypot(x_rim - x, y_rim - y)
    return Box(name=label, x_min=x - radius, y_min=y - radius, x_max=x + radius, y_max=y + radius)


def _size(document: dict[str, Any]) -> tuple[int, int] | None:
    """Return width and height in pixels, if the file has them."""
    width, height = document.get("imageWidth"), document.get("imageHeight")
    if not width or not height:
        return None
    return whole_number(width, "imageWidth"), whole_number(height, "imageHeight")


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    unused = set(folder.files("", (".json",)))
    for image in folder.files():
        path = PurePosixPath(image)
        name = path.with_suffix(".json").as_posix()
        split = path.parts[0] if path.parts[0] in ("train", "val", "test") else "train"
        if name in unused:
            yield annotated((image,), split, partial(labelme_annotation, folder, name))
        else:
            yield ScanRecord(images=(image,), split=split)
    used = {PurePosixPath(image).with_suffix(".json").as_posix() for image in folder.files()}
    for name in sorted(unused - used):
        yield ScanRecord(images=(name,), fault="it has no image of its name beside it.")


def _looks_like(folder: DataFolder) -> bool:
    for name in folder.files("", (".json",))[:3]:
        try:
            if isinstance(folder.json_mapping(name).get("shapes"), list):
                return True
        except ReadError:
            continue
    return False


READER = Reader(
    name="labelme",
    layout="NAME.json with `shapes` beside the images",
    looks_like=_looks_like,
    read=_read,
)
