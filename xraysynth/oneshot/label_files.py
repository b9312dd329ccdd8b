"""Labels of one generated scan from the file of another tool: labelme, COCO or an indexed PNG.

Everything that a person can get wrong becomes one sentence with a code of
`data_schema/checks.yaml`: another size, an unknown class, a region outside the scan, no region.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.errors import InputError, ReadError
from xraysynth.scans.decode import decode_indices
from xraysynth.scans.masks import VOID, label_map
from xraysynth.scans.readers.coco import coco_document
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import (
    Annotation,
    Outline,
    mappings,
    number,
    polygon_from_points,
    text,
)
from xraysynth.settings import nearest

MAX_BYTES = 64 * 2**20
OWN_FILES = (
    *("exemplar.json", "annotate.json", "inversion.json", "coverage.json"),
    *("scan.png", "real.png"),
)
"""Files of an exemplar's folder that are no labels."""
OVERSHOOT_PX = 1.0
"""Tools place a corner at the border a little outside; more is a mistake."""
CIRCLE_CORNERS = 256


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a label file says."""

    label_map: np.ndarray
    """(H, W) uint8: ids that index `class_names`."""
    class_names: tuple[str, ...]
    """Names of the ids, background first."""


def label_file_in(folder: Path) -> Path:
    """Return the one label file of an exemplar's folder.

    Raises
    ------
    InputError
        There is none, or more than one.
    """
    found = sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in (".json", ".png")
        and path.name not in OWN_FILES
        and not path.name.startswith(".")
    )
    if len(found) == 1:
        return found[0]
    what = f"the label files {', '.join(path.name for path in found)}" if found else "no label file"
    todo = "keep one of them" if found else "label scan.png"
    raise InputError(
        f"{folder} has {what}; want one: label_map.png (indexed), or JSON of labelme or COCO: "
        f"{todo}.",
        code="exemplar-files",
    )


def read_labels(
    path: Path,
    size_px: tuple[int, int],
    class_names: Sequence[str],
    scan_name: str = "scan.png",
) -> Labels:
    """Return the labels in a file.

    Parameters
    ----------
    path : `.png` (indexed or grey, 255 is void) or `.json` (labelme or COCO)
    size_px : width and height of the scan
    class_names : background first; empty takes the names as the JSON file brings them
    scan_name : file name of the scan, for a COCO file about several

    Raises
    ------
    InputError
        With one of the codes `exemplar-*`; the message names the file.
    """
    folder = DataFolder(path.parent)
    try:
        if path.suffix.lower() == ".png":
            return _from_png(folder, path, size_px, class_names)
        return _from_json(folder, path, size_px, (class_names, scan_name))
    except ReadError as error:
        raise InputError(
            f"{path} cannot be used: {str(error).rstrip('.')}. Export it again.",
            code="exemplar-files",
        ) from None


def _from_png(
    folder: DataFolder, path: Path, size_px: tuple[int, int], class_names: Sequence[str]
) -> Labels:
    """Return the class ids of an indexed or grey PNG."""
    data = folder.data(path.name, MAX_BYTES)
    try:
        ids = decode_indices(data, 2**26)
    except ReadError as error:
        if "mode" not in str(error):
            raise
        raise InputError(
            f"{path} has colours, not class ids; want an indexed PNG in which each value is a "
            "class id. Save it with its palette.",
            code="exemplar-class",
        ) from None
    _check_size(path, (ids.shape[1], ids.shape[0]), size_px)
    if not class_names:
        raise InputError(
            f"{path} has class ids without names; name them in exemplar.json, such as "
            '"classes": ["background", "knife"].',
            code="exemplar-classes",
        )
    ids = np.where(ids == VOID, 0, ids)
    if ids.min() < 0 or ids.max() >= len(class_names):
        raise InputError(
            f"{path}: the label map holds class id {ids.max()}; want 0 to {len(class_names) - 1} "
            f"({', '.join(class_names)}). Add the class to exemplar.json or repaint those pixels.",
            code="exemplar-class",
        )
    return Labels(label_map=ids.astype(np.uint8), class_names=tuple(class_names))


def _from_json(
    folder: DataFolder, path: Path, size_px: tuple[int, int], given: tuple[Sequence[str], str]
) -> Labels:
    """Return the regions of a labelme or COCO file, painted large ones first."""
    class_names, scan_name = given
    folder.data(path.name, MAX_BYTES)
    document = folder.json_mapping(path.name)
    if "shapes" in document:
        annotation = _labelme(document, path)
    elif "annotations" in document:
        annotation = _coco(document, path, size_px, scan_name)
    else:
        raise ReadError("it has neither `shapes` (labelme) nor `annotations` (COCO)")
    if annotation.size_px is not None:
        _check_size(path, annotation.size_px, size_px)
    if not annotation.outlines:
        raise InputError(
            f"{path} holds no region; outline at least one object and save it again.",
            code="exemplar-label",
        )
    names = tuple(class_names) or _names_in(annotation)
    for outline in annotation.outlines:
        _check_class(path, outline.name, names)
        _check_inside(path, outline, size_px)
    return Labels(label_map=label_map(folder, annotation, size_px, names), class_names=names)


def _names_in(annotation: Annotation) -> tuple[str, ...]:
    """Return background and the names of the outlines, in the order of the file."""
    return tuple(dict.fromkeys(["background", *(o.name for o in annotation.outlines)]))


def _labelme(document: dict[str, Any], path: Path) -> Annotation:
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


def _coco(
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
        _check_size(path, found, size_px)


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return width and height in pixels, or None where the file leaves them out."""
    if not width or not height:
        return None
    sides = number(width, "the width"), number(height, "the height")
    if not all(math.isfinite(side) for side in sides):
        raise ReadError(f"its size is {sides[0]} x {sides[1]}")
    return int(sides[0]), int(sides[1])


def _check_size(path: Path, found: tuple[int, int], size_px: tuple[int, int]) -> None:
    """Raise unless a label is as large as the scan."""
    if found != size_px:
        raise InputError(
            f"{path} is {found[0]} x {found[1]} pixels; its scan is {size_px[0]} x {size_px[1]}. "
            "Label the scan at its own size.",
            code="exemplar-size",
        )


def _check_class(path: Path, name: str, names: Sequence[str]) -> None:
    """Raise unless a class is one of the exemplar's."""
    if name in names:
        return
    guess = nearest(name, list(names))
    hint = f"did you mean {guess!r}? " if guess else ""
    raise InputError(
        f"{path} labels {name!r}; the classes given (exemplar.json, --classes) are "
        f"{', '.join(names)}: {hint}Rename it, or add it to them.",
        code="exemplar-class",
    )


def _check_inside(path: Path, outline: Outline, size_px: tuple[int, int]) -> None:
    """Raise if a region reaches outside the scan."""
    if outline.runs and sum(outline.runs) != size_px[0] * size_px[1]:
        raise InputError(
            f"{path}: the run-length code of {outline.name!r} covers {sum(outline.runs)} pixels; "
            f"the scan has {size_px[0]} x {size_px[1]}. Label the scan at its own size.",
            code="exemplar-size",
        )
    for x, y in (corner for polygon in outline.polygons for corner in polygon):
        inside = all(
            -OVERSHOOT_PX <= place <= limit + OVERSHOOT_PX
            for place, limit in zip((x, y), size_px, strict=True)
        )
        if not inside:
            raise InputError(
                f"{path}: the region of {outline.name!r} reaches to x {x:.4g}, y {y:.4g}, outside "
                f"the scan of {size_px[0]} x {size_px[1]} pixels. Label the scan at its own size.",
                code="exemplar-outside",
            )
