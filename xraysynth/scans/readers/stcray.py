"""STCray: `Images/CLASS/*` and `Json_BB/CLASS/STEM.json` (labelme, two corners).

Velayudhan et al., STING-BEE, CVPR 2025. The two folders lie at the top, or in
`STCray_TrainSet/` and `STCray_TestSet/`. A scan without JSON is clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from xraysynth.scans.readers.folders import DataFolder, bare_name
from xraysynth.scans.readers.labelme import labelme_annotation
from xraysynth.scans.readers.record import Annotation, Reader, ScanRecord, annotated


def _parts(folder: DataFolder) -> list[tuple[str, str]]:
    """Return (prefix, split) of every part that has images and boxes."""
    places = ["", *(f"{name}/" for name in folder.folders())]
    return [
        (place, "test" if "test" in place.lower() else "train")
        for place in places
        if folder.has_folder(f"{place}Images") and folder.has_folder(f"{place}Json_BB")
    ]


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    for place, split in _parts(folder):
        for image in folder.files(f"{place}Images"):
            inner = image.removeprefix(f"{place}Images/").rpartition("/")[0]
            name = "/".join(filter(None, (f"{place}Json_BB", inner, f"{bare_name(image)}.json")))
            if folder.has_file(name):
                yield annotated((image,), split, partial(labelme_annotation, folder, name))
            else:
                yield ScanRecord(images=(image,), split=split, annotation=Annotation())


READER = Reader(
    name="stcray",
    layout="Images/CLASS/ and Json_BB/CLASS/*.json",
    looks_like=lambda folder: bool(_parts(folder)),
    read=_read,
)
