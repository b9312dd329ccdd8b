"""PIDRay: `{train,easy,hard,hidden}/*.png` and COCO annotations with exact outlines.

Wang et al., Towards real-world prohibited item detection, ICCV 2021. Version 1 has
`annotations/xray_{train,test_easy,test_hard,test_hidden}.json`, version 2 `{train,test}.json`.
"""

from __future__ import annotations

from collections.abc import Iterator

from xraysynth.scans.readers.coco import CocoList, read_coco
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Reader, ScanRecord

TESTS = ("easy", "hard", "hidden")
LISTS = (
    CocoList(path="annotations/xray_train.json", split="train", folders=("train",)),
    *(
        CocoList(path=f"annotations/xray_test_{test}.json", split=test, folders=(test, "test"))
        for test in TESTS
    ),
    CocoList(path="annotations/train.json", split="train", folders=("train",)),
    CocoList(path="annotations/test.json", split="test", folders=("test", *TESTS)),
)


def _lists(folder: DataFolder) -> list[CocoList]:
    return [part for part in LISTS if folder.has_file(part.path)]


def _looks_like(folder: DataFolder) -> bool:
    return bool(_lists(folder)) and any(
        folder.has_folder(name) for name in ("train", "test", *TESTS)
    )


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    return read_coco(folder, _lists(folder))


READER = Reader(
    name="pidray",
    layout="train/, easy/, hard/, hidden/ and annotations/xray_train.json or train.json",
    looks_like=_looks_like,
    read=_read,
)
