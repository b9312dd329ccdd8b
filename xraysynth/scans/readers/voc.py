"""Pascal VOC: one XML file a scan; `JPEGImages/`, `Annotations/`, `ImageSets/Main/*.txt`.

Everingham et al., The Pascal Visual Object Classes Challenge, 2010. Coordinates may be floats.
Of a scan without XML nobody said what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from xml.etree import ElementTree

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.record import (
    Annotation,
    Box,
    Reader,
    ScanRecord,
    annotated,
    number,
    whole_number,
)

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def voc_annotation(folder: DataFolder, name: str, labels: tuple[str, ...] = ()) -> Annotation:
    """Return what the VOC file `name` says, with further image-level labels."""
    root = folder.xml(name)
    return Annotation(
        labels=labels,
        boxes=tuple(_box(found, name) for found in root.iter("object")),
        size_px=_size(root, name),
    )


def split_lists(folder: DataFolder, under: str) -> dict[str, str]:
    """Return the split of every scan named in `under/SPLIT.txt`, the first list that names it.

    A line is a name without suffix, or a name and 1 or -1 (a list of one class, `CLASS_SPLIT.txt`).
    """
    split_of: dict[str, str] = {}
    for path in folder.files(under, (".txt",)):
        split = bare_name(path).rpartition("_")[2]
        for line in folder.text(path).splitlines():
            if line.strip():
                split_of.setdefault(bare_name(line.split()[0]), split)
    return split_of


def _box(found: ElementTree.Element, name: str) -> Box:
    """Return the box of one <object>."""
    box = found.find("bndbox")
    if box is None:
        raise ReadError(f"{name} has an <object> without <bndbox>.")
    x_min, y_min, x_max, y_max = (number(box.findtext(key), f"{key} in {name}") for key in CORNERS)
    label = (found.findtext("name") or "").strip()
    return Box(name=label, x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def _size(root: ElementTree.Element, name: str) -> tuple[int, int] | None:
    """Return width and height in pixels, or None where they are absent or zero."""
    texts = [root.findtext(f"size/{key}") for key in ("width", "height")]
    if None in texts:
        return None
    width, height = (whole_number(text, f"<size> in {name}") for text in texts)
    return (width, height) if width > 0 and height > 0 else None


def _looks_like(folder: DataFolder) -> bool:
    return folder.has_folder("JPEGImages") and folder.has_folder("Annotations")


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    split_of = split_lists(folder, "ImageSets/Main")
    for image in folder.files("JPEGImages"):
        stem = bare_name(image)
        xml = f"Annotations/{stem}.xml"
        split = split_of.get(stem, "unlisted" if split_of else "train")
        if folder.has_file(xml):
            yield annotated((image,), split, partial(voc_annotation, folder, xml))
        else:
            yield ScanRecord(images=(image,), split=split)


READER = Reader(
    name="voc",
    layout="JPEGImages/ and Annotations/*.xml",
    looks_like=_looks_like,
    read=_read,
)
