"""A plain folder of scans, however deep: PNG, JPEG, BMP, TIFF; 8 or 16 bit.

`NAME_low.png` with `NAME_high.png` beside it is one scan of two channels, the raw transmissions
at low and high energy. A top folder called train, val, test and the like names the split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Reader, ScanRecord

SPLITS = ("train", "val", "valid", "validation", "test")


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    images = folder.files()
    there = set(images)
    for image in images:
        split = PurePosixPath(image).parts[0]
        split = split if split in SPLITS else "train"
        other = partner(image)
        if other is None:
            yield ScanRecord(images=(image,), split=split)
        elif other not in there:
            yield ScanRecord(images=(image,), split=split, fault=f"{other} is missing.")
        elif PurePosixPath(image).stem.endswith("_low"):
            yield ScanRecord(images=(image, other), split=split)


def partner(image: str) -> str | None:
    """Return the other energy's file name, or None if the name is not one of a pair.

    Examples
    --------
    >>> partner("gun/gun_10_low.png")
    'gun/gun_10_high.png'
    """
    path = PurePosixPath(image)
    for ending, other in (("_low", "_high"), ("_high", "_low")):
        if path.stem.endswith(ending):
            return path.with_name(path.stem.removesuffix(ending) + other + path.suffix).as_posix()
    return None


READER = Reader(
    name="folder",
    layout="at least one PNG, JPEG, BMP or TIFF image, at any depth",
    looks_like=lambda folder: folder.any_file(),
    read=_read,
)
