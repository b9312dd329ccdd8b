"""Regions in the files of labelme and COCO, as a person exports them for one scan."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from xraysynth.errors import InputError, ReadError
from xraysynth.scans.readers.coco import coco_document
from xraysynth.scans.readers.record import (
    Annotation,
    Outline,
    mappings,
    number,
    polygon_from_points,
    text,
)

CIRCLE_CORNERS = 256


def labelme_annotation(document: dict[str, Any], path: Path) -> Annotation:
    """Return the regions of a labelme file."""
    shapes = mappings(document["shapes"], "`shapes`")
    return Annotation(
        outlines=tuple(_shape_outline(shape, path) for shape in shapes),
        size_px=_size(document.get("imageWidth"), document.get("imageHeight")),
    )


def _shape_outline(shape: dict[str, Any], path: Path) -> Outline:
    """Return the region of a polygon, rectangle or circle of labelme."""
    name, kind = text(shape.get("label"), "a `label`"), shape.get("shape_type") or "polygon"
    if kind not in ("polygon", "rectangle", "circle"):
        raise InputError(
            f"{path} labels {name!r} with a shape of type {kind!r}; want polygon, rectangle or "
            "circle. Outline it.",
            code="exemplar-label",
        )
    points = shape.get("points")
    if kind == "polygon" or not isinstance(points, list) or len(points) != 2:
        return Outline(name=name, polygons=(polygon_from_points(points, f"`points` of {name}"),))
    (x0, y0), (x1, y1) = polygon_from_points([*points, points[0]], f"`points` of {name}")[:2]
    if kind == "rectangle":
        return Outline(name=name, polygons=(((x0, y0), (x1, y0), (x1, y1), (x0, y1)),))
    radius = math.hypot(x1 - x0, y1 - y0)
    turns = [2 * math.pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS)]
    rim = tuple((x0 + radius * math.cos(turn), y0 + radius * math.sin(turn)) for turn in turns)
    return Outline(name=name, polygons=(rim,))


def coco_annotation(
    document: dict[str, Any], path: Path, size_px: tuple[int, int], scan_name: str
) -> Annotation:
    """Return the regions of the one image of a COCO file, or of the scan in it."""
    content = coco_document(document, path.name)
    mine = [image for image in content.images if _last_part(image.get("file_name")) == scan_name]
    if len(mine or content.images) != 1:
        raise InputError(
            f"{path} is about {len(content.images)} images; want one, or one that is named "
            f"{scan_name}.",
            code="exemplar-files",
        )
    if lost := set(content.objects) - set(content.files):
        raise InputError(
            f"{path} has annotations of image_id {min(lost)}, which `images` lacks; give them the "
            "id of their image.",
            code="exemplar-files",
        )
    image = (mine or content.images)[0]
    for entry in content.objects_of(image):
        _check_segmentation(path, entry.get("segmentation"), size_px)
    _size(image.get("width"), image.get("height"))
    return content.annotation(image)


def _last_part(file_name: Any) -> str:
    """Return a file's name without its folders, which tools of Windows separate otherwise."""
    return str(file_name).replace("\\", "/").rpartition("/")[2]


def _check_segmentation(path: Path, segmentation: Any, size_px: tuple[int, int]) -> None:
    """Raise unless an object of COCO has a region, of the size of the scan."""
    if not segmentation:
        raise InputError(
            f"{path} has an annotation with a box at most; want its `segmentation`: outline it.",
            code="exemplar-label",
        )
    if isinstance(segmentation, dict) and "size" in segmentation:
        size = segmentation["size"]
        found = _size(*reversed(size)) if isinstance(size, list) and len(size) == 2 else None
        if found is None:
            raise ReadError(f"a run-length code has the size {size!r}; want [height, width]")
        check_size(path, found, size_px)


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return width and height in pixels, or None where the file leaves them out."""
    if not width or not height:
        return None
    sides = number(width, "the width"), number(height, "the height")
    if not all(side.is_integer() for side in sides):  # Nor is an infinite one.
        raise ReadError(f"its size is {sides[0]:g} x {sides[1]:g}; want whole pixels")
    return int(sides[0]), int(sides[1])


def check_size(path: Path, found: tuple[int, int], size_px: tuple[int, int]) -> None:
    """Raise unless a label is as large as the scan."""
    if found != size_px:
        raise InputError(
            f"{path} is {found[0]} x {found[1]} pixels; its scan is {size_px[0]} x {size_px[1]}. "
            "Label the scan at its own size.",
            code="exemplar-size",
        )
