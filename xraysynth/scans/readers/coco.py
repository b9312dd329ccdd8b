"""COCO: one JSON file a split with `images`, `annotations` and `categories`.

Lin et al., Microsoft COCO: common objects in context, ECCV 2014. Boxes are x, y, width, height;
segmentations are polygons or run-length codes, plain or compressed. Class names come from
`categories` alone, because sources of one data set number them differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    text,
    whole_number,
)
from xraysynth.scans.readers.runs import runs_of


@dataclass(frozen=True, kw_only=True)
class CocoList:
    """One JSON file of a data set, and where its images may lie."""

    path: str
    split: str
    folders: tuple[str, ...]
    """Tried in order in front of `file_name`."""


@dataclass(frozen=True, kw_only=True)
class CocoDocument:
    """What one JSON file lists, by id: an id may stand for several things, and must not."""

    images: list[dict[str, Any]]
    files: dict[str, list[Any]]
    """File names of the images of each id: one, or two where there should be one."""
    names: dict[str, list[Any]]
    """Names of the categories of each id, likewise."""
    objects: dict[str, list[dict[str, Any]]]
    """Annotations by the id of their image."""
    said: bool
    """Whether it lists annotations at all; lists of test images do not."""

    def objects_of(self, image: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the annotations of an entry of `images`."""
        return self.objects.get(_key(image.get("id")), [])

    def annotation(self, image: dict[str, Any]) -> Annotation:
        """Return what the file says about an entry of `images`.

        Raises
        ------
        ReadError
            An annotation is damaged, or an id does not tell which image or category it is of.
        """
        objects, files = self.objects_of(image), self.files[_key(image.get("id"))]
        if objects and len(files) > 1:
            raise ReadError(
                f"the image_id {image.get('id')} of its annotations is that of {files[0]!r} and "
                f"{files[1]!r}; want one image an id."
            )
        boxes, outlines, labels = [], [], []
        for entry in objects:
            name = self._name(_key(entry.get("category_id")))
            labels.append(name)
            if entry.get("bbox"):
                boxes.append(_box(name, entry["bbox"]))
            if entry.get("segmentation"):
                outlines.append(_outline(name, entry["segmentation"]))
        return Annotation(
            labels=tuple(labels),
            boxes=tuple(boxes),
            outlines=tuple(outlines),
            size_px=_size(image),
            said=self.said,
        )

    def _name(self, category_id: str) -> str:
        """Return the one name of a category."""
        names = self.names.get(category_id)
        if names is None:
            raise ReadError(
                f"an annotation has category_id {category_id}, which `categories` lacks."
            )
        if len(names) > 1:
            raise ReadError(
                f"an annotation has category_id {category_id}, which `categories` gives to "
                f"{names[0]!r} and {names[1]!r}; want one name an id."
            )
        return text(names[0], f"the name of category {category_id}")


def coco_document(document: dict[str, Any], path: str) -> CocoDocument:
    """Return what a parsed COCO file lists, or raise `ReadError` if its lists are none."""
    images = mappings(document.get("images"), f"`images` in {path}")
    objects: dict[str, list[dict[str, Any]]] = {}
    for entry in mappings(document.get("annotations", []), f"`annotations` in {path}"):
        objects.setdefault(_key(entry.get("image_id")), []).append(entry)
    categories = mappings(document.get("categories", []), f"`categories` in {path}")
    return CocoDocument(
        images=images,
        files=_by_id(images, "file_name"),
        names=_by_id(categories, "name"),
        objects=objects,
        said="annotations" in document,
    )


def _key(value: Any) -> str:
    """Return an id as text: tools write 1, "1" and, from tables of floats, 1.0."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _by_id(entries: list[dict[str, Any]], key: str) -> dict[str, list[Any]]:
    """Return what the entries of each id hold under a key: one value, or two that differ."""
    found: dict[str, list[Any]] = {}
    for entry in entries:
        values = found.setdefault(_key(entry.get("id")), [])
        # Two tell that an id is ambiguous; more would take long where no entry has an id.
        if len(values) < 2 and entry.get(key) not in values:
            values.append(entry.get(key))
    return found


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
    document = coco_document(folder.json_mapping(part.path), part.path)
    for image in document.images:
        yield _record(image, part, there, document)
    lost = sum(len(of) for key, of in document.objects.items() if key not in document.files)
    if lost:
        fault = f"{lost} of its annotations have an image_id that its `images` lacks."
        yield ScanRecord(images=(part.path,), split=part.split, fault=fault)


def _record(
    image: dict[str, Any], part: CocoList, there: frozenset[str], document: CocoDocument
) -> ScanRecord:
    """Return the record of one entry of `images`."""
    name = str(image.get("file_name", ""))
    try:
        path = _locate(name, part.folders, there)
    except ReadError as error:
        return ScanRecord(images=(f"{part.path}: {name}",), split=part.split, fault=str(error))
    return annotated((path,), part.split, lambda: document.annotation(image))


def _locate(name: str, folders: tuple[str, ...], there: frozenset[str]) -> str:
    """Return where an image lies; if it is nowhere, where it should lie."""
    relative = inside(name)
    short = PurePosixPath(relative).name
    candidates = [f"{place}/{relative}" if place else relative for place in folders]
    candidates += [relative, *(f"{place}/{short}" if place else short for place in folders)]
    return next((path for path in candidates if path in there), candidates[0])


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Return width and height in pixels, if the entry has them."""
    if not image.get("width") or not image.get("height"):
        return None
    return whole_number(image["width"], "width"), whole_number(image["height"], "height")


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
            raise ReadError("segmentation has a polygon that is not a list x1, y1, ..., xn, yn.")
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
