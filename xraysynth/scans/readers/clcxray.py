"""CLCXray: COCO boxes, `annotations/instances_{train,val,test}2017.json`, `{train,val,test}2017/`.

Zhao et al., Detecting overlapped objects in X-ray security imagery by a label-aware mechanism,
IEEE TIFS 2022. The order of its twelve classes differs between sources; `categories` decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from xraysynth.scans.readers.coco import CocoList, read_coco
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Reader, ScanRecord

LISTS = tuple(
    CocoList(
        path=f"annotations/instances_{split}2017.json",
        split=split,
        folders=(f"{split}2017", split),
    )
    for split in ("train", "val", "test")
)


def _lists(folder: DataFolder) -> list[CocoList]:
    return [part for part in LISTS if folder.has_file(part.path)]


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    return read_coco(folder, _lists(folder))


READER = Reader(
    name="clcxray",
    layout="train2017/, val2017/, test2017/ and annotations/instances_train2017.json",
    looks_like=lambda folder: bool(_lists(folder)),
    read=_read,
)
