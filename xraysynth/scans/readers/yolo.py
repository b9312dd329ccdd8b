"""YOLO text: `images/.../NAME.jpg` with `labels/.../NAME.txt`, and names of the classes.

The names stand in `data.yaml` or another YAML file at the top, or in `classes.txt`.

A line is `class x y width height` or `class x1 y1 x2 y2 x3 y3 ...` (a polygon), in shares of
the image's width and height. An image without text file is clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import yaml

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
    number,
    whole_number,
)

MAX_YAML_BYTES = 2**20
NAME_LISTS = ("classes.txt", "obj.names", "labels/classes.txt")
SPLITS = ("train", "val", "valid", "test")


def _names(folder: DataFolder) -> dict[int, str]:
    """Return the names of the classes, as far as the data set gives them."""
    for path in folder.files("", (".yaml", ".yml")):
        if "/" not in path:
            names = _names_in_yaml(folder, path)
            if names:
                return names
    for path in NAME_LISTS:
        if folder.has_file(path):
            return dict(enumerate(line.strip() for line in folder.text(path).splitlines()))
    return {}


def _names_in_yaml(folder: DataFolder, path: str) -> dict[int, str]:
    """Return `names` of a YAML file, a list or a mapping; nothing else in it is used."""
    try:
        document = yaml.safe_load(folder.data(path, MAX_YAML_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ReadError(f"{path} is not readable YAML ({type(error).__name__}).") from error
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, list):
        return {place: str(name) for place, name in enumerate(names)}
    if isinstance(names, dict):
        return {whole_number(key, f"a class in {path}"): str(name) for key, name in names.items()}
    return {}


def _labels_of(image: str) -> str | None:
    """Return the text file of an image: the last folder `images` becomes `labels`.

    Examples
    --------
    >>> _labels_of("images/train/0001.jpg"), _labels_of("train/images/0001.jpg")
    ('labels/train/0001.txt', 'train/labels/0001.txt')
    """
    parts = list(PurePosixPath(image).with_suffix(".txt").parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if not places:
        return None
    parts[places[-1]] = "labels"
    return "/".join(parts)


def _annotation(folder: DataFolder, name: str, names: dict[int, str]) -> Annotation:
    """Return the boxes and outlines in one text file."""
    boxes, outlines = [], []
    for line in folder.text(name).splitlines():
        values = [number(word, f"a value in {name}") for word in line.split()]
        if not values:
            continue
        class_id = whole_number(values[0], f"a class in {name}")
        class_name = names.get(class_id, f"class_{class_id}")
        if len(values) in (5, 6):
            # A sixth value is the confidence of a prediction.
            x, y, width, height = (values[1], values[2], values[3] / 2, values[4] / 2)
            boxes.append(
                Box(
                    name=class_name,
                    x_min=x - width,
                    y_min=y - height,
                    x_max=x + width,
                    y_max=y + height,
                )
            )
        elif len(values) >= 7 and len(values) % 2:
            polygons = (tuple(zip(values[1::2], values[2::2], strict=True)),)
            outlines.append(Outline(name=class_name, polygons=polygons))
            boxes.append(box_around(class_name, polygons))
        else:
            raise ReadError(f"{name} has the line {line!r}; want class x y width height.")
    return Annotation(boxes=tuple(boxes), outlines=tuple(outlines), relative=True)


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    names = _names(folder)
    for image in folder.files():
        name = _labels_of(image)
        split = next((part for part in PurePosixPath(image).parts if part in SPLITS), "train")
        if name is None:
            yield ScanRecord(images=(image,), split=split, fault="it is in no folder `images`.")
        elif folder.has_file(name):
            yield annotated((image,), split, partial(_annotation, folder, name, names))
        else:
            yield ScanRecord(images=(image,), split=split, annotation=Annotation())


def _looks_like(folder: DataFolder) -> bool:
    places = ["", *(f"{name}/" for name in folder.folders())]
    return any(
        folder.has_folder(f"{place}images") and folder.any_file(f"{place}labels", (".txt",))
        for place in places
    )


READER = Reader(
    name="yolo",
    layout="images/ and labels/*.txt",
    looks_like=_looks_like,
    read=_read,
)
