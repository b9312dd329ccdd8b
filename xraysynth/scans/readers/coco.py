"""COCO: one JSON file a split with `images`, `annotations` and `categories`.

Lin et al., Microsoft COCO: common objects in context, ECCV 2014. Boxes are x, y, width, height;
segmentations are polygons or run-length codes, plain or compressed. Class names come from
`categories` alone, because sources of one data set number them differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name, inside
from xraysynth.scans.readers.record import (
    Annotation,
    Box,
    Outline,
    Reader,
    ScanRecord,
    annotated,
    mappings,
    number,
    polygon_from_points,
)
from xraysynth.scans.readers.runs import runs_of


@dataclass(frozen=True, kw_only=True)
class CocoList:
    """One JSON file of a data set, and where its images may lie."""

    path: str
    split: str
    folders: tuple[str, ...]
    """Tried in order in front of `file_name`."""


def read_coco(folder: DataFolder, lists: Sequence[CocoList]) -> Iterator[ScanRecord]:
    """Yield the scans of all lists; then, as faults, the images that no list names."""
    images = folder.files()
    there = frozenset(images)
    listed: set[str] = set()
    for part in lists:
        for record in _read_list(folder, part, there):
            listed.update(record.images)
            yield record
    for image in images:
        if image not in listed:
            yield ScanRecord(images=(image,), fault="no annotation file names it.")


def _read_list(folder: DataFolder, part: CocoList, there: frozenset[str]) -> Iterator[ScanRecord]:
    """Yield the scans of one JSON file."""
    document = folder.json_mapping(part.path)
    images = mappings(document.get("images"), f"`images` in {part.path}")
    found = mappings(document.get("annotations", []), f"`annotations` in {part.path}")
    categories = mappings(document.get("categories", []), f"`categories` in {part.path}")
    names = {str(entry.get("id")): str(entry.get("name", "")) for entry in categories}
    objects_of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in found:
        objects_of[str(entry.get("image_id"))].append(entry)
    for image in images:
        objects = objects_of.pop(str(image.get("id")), [])
        yield _record(image, part, there, partial(coco_annotation, image, objects, names))
    if objects_of:
        lost = sum(map(len, objects_of.values()))
        fault = f"{lost} of its annotations have an image_id that its `images` lacks."
        yield ScanRecord(images=(part.path,), split=part.split, fault=fault)


def _record(
    image: dict[str, Any], part: CocoList, there: frozenset[str], annotate: Callable[[], Annotation]
) -> ScanRecord:
    """Return the record of one entry of `images`."""
    name = str(image.get("file_name", ""))
    try:
        path = _locate(name, part.folders, there)
    except ReadError as error:
        return ScanRecord(images=(f"{part.path}: {name}",), split=part.split, fault=str(error))
    return annotated((path,), part.split, annotate)


def _locate(name: str, folders: tuple[str, ...], there: frozenset[str]) -> str:
    """Return where an image lies; if it is nowhere, where it should lie."""
    relative = inside(name)
    short = PurePosixPath(relative).name
    candidates = [f"{place}/{relative}" if place else relative for place in folders]
    candidates += [relative, *(f"{place}/{short}" if place else short for place in folders)]
    return next((path for path in candidates if path in there), candidates[0])


def coco_annotation(
    image: dict[str, Any], objects: list[dict[str, Any]], names: dict[str, str]
) -> Annotation:
    """Return what the file says about one image: `names` are its categories by id."""
    boxes, outlines, labels = [], [], []
    for entry in objects:
        key = str(entry.get("category_id"))
        if key not in names:
            raise ReadError(f"an annotation has category_id {key}, which `categories` lacks.")
        labels.append(names[key])
        if entry.get("bbox"):
            boxes.append(_box(names[key], entry["bbox"]))
        if entry.get("segmentation"):
            outlines.append(_outline(names[key], entry["segmentation"]))
    return Annotation(
        labels=tuple(labels), boxes=tuple(boxes), outlines=tuple(outlines), size_px=_size(image)
    )


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Return width and height in pixels, if the entry has them."""
    if not image.get("width") or not image.get("height"):
        return None
    return int(number(image["width"], "width")), int(number(image["height"], "height"))


def _box(name: str, bbox: Any) -> Box:
    """Return a box given as x, y, width, height."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ReadError(f"bbox is {bbox!r}; want [x, y, width, height].")
    x, y, width, height = (number(value, "bbox") for value in bbox)
    return Box(name=name, x_min=x, y_min=y, x_max=x + width, y_max=y + height)


def _outline(name: str, segmentation: Any) -> Outline:
    """Return an outline given as a list of polygons, or as a run-length code."""
    if isinstance(segmentation, dict):
        return Outline(name=name, runs=runs_of(segmentation.get("counts")))
    if not isinstance(segmentation, list):
        raise ReadError("segmentation is neither a list of polygons nor a run-length code.")
    polygons = []
    for flat in segmentation:
        if not isinstance(flat, list) or len(flat) % 2:
            raise ReadError("segmentation has a polygon that is not a list x1, y1, x2, y2, ...")
        points = [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
        polygons.append(polygon_from_points(points, "segmentation"))
    return Outline(name=name, polygons=tuple(polygons))


def generic_lists(folder: DataFolder) -> list[CocoList]:
    """Return every JSON file in `annotations/` or at the top, with the folders it may mean."""
    paths = folder.files("annotations", (".json",))
    paths += [path for path in folder.files("", (".json",)) if "/" not in path]
    lists = []
    for path in paths:
        stem = bare_name(path).removeprefix("instances_")
        split = stem.removesuffix("2017").strip("_") or "train"
        places = (stem, split, f"images/{stem}", f"images/{split}", "images", "")
        lists.append(CocoList(path=path, split=split, folders=places))
    return lists


def has_images_key(folder: DataFolder, paths: Sequence[str]) -> bool:
    """Tell whether one of the JSON files begins like COCO, without parsing much."""
    for path in paths:
        try:
            with folder.path(path).open("rb") as handle:
                head = handle.read(2**16)
        except OSError:
            continue
        if b'"images"' in head or b'"annotations"' in head or b'"categories"' in head:
            return True
    return False


def _looks_like(folder: DataFolder) -> bool:
    return has_images_key(folder, [part.path for part in generic_lists(folder)])


READER = Reader(
    name="coco",
    layout="annotations/*.json with `images`, `annotations` and `categories`",
    looks_like=_looks_like,
    read=lambda folder: read_coco(folder, generic_lists(folder)),
)
