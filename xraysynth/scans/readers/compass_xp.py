"""COMPASS-XP: `meta.txt`, a table with tabs, and `Colour/BASENAME.png`.

Griffin et al., COMPASS-XP, 2019. Image-level labels only: `class`, and whether it is dangerous.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.record import Annotation, Reader, ScanRecord

DANGEROUS = "dangerous"


def _labels(folder: DataFolder) -> dict[str, tuple[str, ...]]:
    """Return the labels in the table by the name of the scan."""
    rows = csv.DictReader(folder.text("meta.txt").splitlines(), delimiter="\t")
    if not {"basename", "class"} <= set(rows.fieldnames or ()):
        raise ReadError(
            f"meta.txt has the columns {rows.fieldnames}; want `basename`, `class` and more."
        )
    found = {}
    for row in rows:
        dangerous = (row.get(DANGEROUS) or "").strip().lower() == "true"
        labels = (row["class"] or "").strip(), DANGEROUS if dangerous else ""
        found[bare_name((row["basename"] or "").strip())] = tuple(filter(None, labels))
    return found


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    labels = _labels(folder)
    images = folder.files("Colour")
    for image in images:
        name = bare_name(image)
        fault = "" if name in labels else "meta.txt does not name it."
        annotation = Annotation(labels=labels.get(name, ()))
        yield ScanRecord(images=(image,), annotation=annotation, fault=fault)
    for name in sorted(set(labels) - {bare_name(image) for image in images}):
        fault = "it is named in meta.txt, but not in Colour/."
        yield ScanRecord(images=(f"Colour/{name}.png",), fault=fault)


READER = Reader(
    name="compass_xp",
    layout="meta.txt and Colour/*.png",
    looks_like=lambda folder: folder.has_file("meta.txt") and folder.has_folder("Colour"),
    read=_read,
)
