"""SIXray: `JPEGImage/`, `Annotation/*.xml` (VOC, float boxes) and `ImageSet/`.

Miao et al., SIXray: a large-scale security inspection X-ray benchmark, CVPR 2019. The lists are
`ImageSet/{10,100,1000}/{train,test}.csv` with image-level labels 1 or -1, or plain
`ImageSet/{train,val,negative}.txt` of names. Negatives (`N*`, or those of
`negative.txt`) have no XML; of another scan with neither XML nor row nobody said what it holds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.record import (
    NOTHING_SAID,
    Annotation,
    Reader,
    ScanRecord,
    annotated,
)
from xraysynth.scans.readers.voc import split_lists, voc_annotation

SUBSETS = ("10", "100", "1000")
"""Each has 10, 100 or 1000 times as many negatives as positives; the first found counts."""


@dataclass(frozen=True)
class _Entry:
    """What the lists say of one scan."""

    split: str
    labels: tuple[str, ...] | None = None
    """None where a list gives names alone."""


def _looks_like(folder: DataFolder) -> bool:
    return folder.has_folder("JPEGImage") and (
        folder.has_folder("Annotation") or folder.has_folder("ImageSet")
    )


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    entries = _entries(folder)
    found = set()
    for image in folder.files("JPEGImage"):
        stem = bare_name(image)
        found.add(stem)
        entry = entries.get(stem, _Entry("unlisted" if entries else "train"))
        xml = f"Annotation/{stem}.xml"
        if folder.has_file(xml):
            annotate = partial(voc_annotation, folder, xml, entry.labels or ())
            yield annotated((image,), entry.split, annotate)
        else:
            annotation = _without_xml(stem, entry)
            yield ScanRecord(images=(image,), split=entry.split, annotation=annotation)
    for stem in sorted(set(entries) - found):
        yield ScanRecord(
            images=(f"JPEGImage/{stem}.jpg",),
            split=entries[stem].split,
            fault="it is named in ImageSet/, but not in JPEGImage/.",
        )


def _without_xml(stem: str, entry: _Entry) -> Annotation:
    """Return what name and lists alone say of a scan."""
    if entry.labels is None and not stem.startswith("N") and entry.split != "negative":
        return NOTHING_SAID
    return Annotation(labels=entry.labels or ())


def _entries(folder: DataFolder) -> dict[str, _Entry]:
    """Return what the lists say, by name without suffix."""
    for subset in SUBSETS:
        tables = folder.files(f"ImageSet/{subset}", (".csv",))
        if tables:
            return {name: entry for table in tables for name, entry in _csv(folder, table)}
    return {name: _Entry(split) for name, split in split_lists(folder, "ImageSet").items()}


def _csv(folder: DataFolder, name: str) -> Iterator[tuple[str, _Entry]]:
    """Yield the entries of one table `name,Gun,Knife,...` with 1 where a class is in the scan."""
    split = bare_name(name)
    for row in csv.DictReader(folder.text(name).splitlines()):
        if "name" not in row:
            raise ReadError(f"{name} has no column `name`; want the header name,Gun,Knife,...")
        labels = [
            key for key, value in row.items() if key != "name" and (value or "").strip() == "1"
        ]
        yield bare_name((row["name"] or "").strip()), _Entry(split, tuple(labels))


READER = Reader(
    name="sixray",
    layout="JPEGImage/ with Annotation/*.xml or ImageSet/",
    looks_like=_looks_like,
    read=_read,
)
