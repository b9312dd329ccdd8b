"""LDXray: two views of every bag; COCO `{train,test}.json`, main views in `{train,test}_A/`.

Tao et al., Dual-view X-ray detection, CVPR 2025. Every view becomes a scan of its own. Side views,
in `{train,test}_B/` under the same names, carry no boxes of their own unless
`{train,test}_B.json` is there; the labels of the main view hold for them too.
"""

from __future__ import annotations

from collections.abc import Iterator

from xraysynth.scans.readers.coco import CocoList, read_coco
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Annotation, Reader, ScanRecord

SPLITS = ("train", "val", "test")
UNNAMED = "no annotation file names it."


def _lists(folder: DataFolder) -> list[CocoList]:
    lists = []
    for split in SPLITS:
        for stem, view in ((split, "A"), (f"{split}_A", "A"), (f"{split}_B", "B")):
            for path in (f"{stem}.json", f"annotations/{stem}.json"):
                if folder.has_file(path):
                    places = (f"{split}_{view}",)
                    lists.append(CocoList(path=path, split=split, folders=places))
    return lists


def _looks_like(folder: DataFolder) -> bool:
    return bool(_lists(folder)) and any(folder.has_folder(f"{split}_A") for split in SPLITS)


def _read(folder: DataFolder) -> Iterator[ScanRecord]:
    main: dict[str, ScanRecord] = {}
    for record in read_coco(folder, _lists(folder)):
        place, _, name = record.images[0].partition("/")
        if not record.fault:
            main[record.images[0]] = record
        partner = main.get(f"{place.removesuffix('_B')}_A/{name}")
        if record.fault == UNNAMED and place.endswith("_B") and partner is not None:
            labels = tuple(partner.annotation.all_labels())
            annotation = Annotation(labels=labels, said=partner.annotation.said)
            record = ScanRecord(images=record.images, split=partner.split, annotation=annotation)
        yield record


READER = Reader(
    name="ldxray",
    layout="train.json and test.json (COCO) with train_A/, train_B/, test_A/, test_B/",
    looks_like=_looks_like,
    read=_read,
)
