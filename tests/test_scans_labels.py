"""Image-level labels of prepared scans: what is held, that nothing is, and that nobody said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scan_fixtures import HEIGHT, WIDTH, coco, rows, save, save_json, save_text, set_aside, voc_xml

from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.gan.contents import choose_names, read_labels
from xraysynth.scans import PrepareConfig, prepare

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
ROOM = schema.table_dtype("scans")["labels"].itemsize


def labels_of(top: Path, format: str) -> dict[str, frozenset[str] | None]:
    """Return what each prepared scan is said to hold, by the name of its file."""
    out = top.parent / "scans.h5"
    prepare(top, format, out, PrepareConfig(size_px=WIDTH))
    sources = [Path(source.decode()).stem for source in rows(out, "metadata")["source"].tolist()]
    return dict(zip(sources, read_labels(out), strict=True))


def test_a_folder_of_pictures_says_nothing(tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png")
    assert labels_of(tmp_path / "set", "folder") == {"a": None}
    assert rows(tmp_path / "scans.h5", "metadata")["labels"].tolist() == [b""]
    with pytest.raises(InputError, match="holds no labels of threats; set `labels: none`"):
        choose_names(read_labels(tmp_path / "scans.h5"), "threats", "scans.h5")


SAID = {"full": frozenset({"gun"}), "clean": frozenset(), "bare": None}
"""What an annotation with a gun, one without objects and none at all say."""


def test_an_annotation_without_objects_says_that_there_are_none(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for name in ("full", "clean", "bare"):
        save(top / "JPEGImages" / f"{name}.png")
    save_text(top / "Annotations" / "full.xml", voc_xml([("gun", 1, 2, 3, 4)]))
    save_text(top / "Annotations" / "clean.xml", voc_xml([]))
    assert labels_of(top, "voc") == SAID


def test_labelme_pictures_without_json_are_unknown(tmp_path: Path) -> None:
    top = tmp_path / "set"
    square = [[10, 5], [30, 5], [30, 15], [10, 15]]
    for name in ("full", "clean", "bare"):
        save(top / f"{name}.png")
    save_json(top / "full.json", {"shapes": [{"label": "gun", "points": square}]})
    save_json(top / "clean.json", {"shapes": []})
    assert labels_of(top, "labelme") == SAID


def test_yolo_pictures_without_text_are_clean_as_that_format_has_it(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for name in ("full", "clean"):
        save(top / "images" / f"{name}.png")
    save_text(top / "labels" / "full.txt", "0 0.5 0.5 0.5 0.5\n")
    save_text(top / "classes.txt", "gun\n")
    assert labels_of(top, "yolo") == {"full": frozenset({"gun"}), "clean": frozenset()}


def test_coco_lists_without_annotations_say_nothing(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for name in ("a", "b", "c"):
        save(top / "images" / f"{name}.png")
    save_json(top / "annotations" / "train.json", coco(["a.png", "b.png"], [BOX], ("gun",)))
    listed = coco(["c.png"], [])
    del listed["annotations"]
    save_json(top / "annotations" / "test.json", listed)
    assert labels_of(top, "coco") == {"a": frozenset({"gun"}), "b": frozenset(), "c": None}


def test_sixray_negatives_are_clean_and_others_without_word_unknown(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for name in ("P1", "P2", "N1", "0007"):
        save(top / "JPEGImage" / f"{name}.png")
    save_text(top / "Annotation" / "P1.xml", voc_xml([("Gun", 1, 2, 3, 4)]))
    save_text(top / "ImageSet" / "train.txt", "P1\nP2\n")
    save_text(top / "ImageSet" / "negative.txt", "0007\n")
    assert labels_of(top, "sixray") == {
        "P1": frozenset({"gun"}),
        "P2": None,
        "N1": frozenset(),
        "0007": frozenset(),
    }


def test_gdxray_series_without_truth_say_nothing(tmp_path: Path) -> None:
    top = tmp_path / "set"
    for series in ("B0001", "B0002"):
        for place in (1, 2):
            save(top / series / f"{series}_{place}.png", np.full((HEIGHT, WIDTH), 200, np.uint8))
    save_text(top / "B0001" / "ground_truth.txt", "1 10 20 5 15\n")
    assert labels_of(top, "gdxray") == {
        "B0001_1": frozenset({"item"}),
        "B0001_2": frozenset(),
        "B0002_1": None,
        "B0002_2": None,
    }


def many_names(top: Path, names: list[str]) -> None:
    save(top / "images" / "a.png")
    save(top / "images" / "b.png", seed=1)
    objects = [{**BOX, "category_id": place} for place in range(1, len(names) + 1)]
    save_json(top / "annotations" / "train.json", coco(["a.png", "b.png"], objects, names))


def test_a_dozen_long_names_leave_room_for_a_threat(tmp_path: Path) -> None:
    names = [f"a category with a long name {place:02d}" for place in range(12)] + ["gun"]
    many_names(tmp_path / "set", names)
    assert labels_of(tmp_path / "set", "coco")["a"] == frozenset(names)


def test_labels_without_room_set_the_scan_aside_in_place_of_losing_some(tmp_path: Path) -> None:
    names = [f"a category with a long name {place:03d}" for place in range(40)]
    many_names(tmp_path / "set", names)
    assert labels_of(tmp_path / "set", "coco") == {"b": frozenset()}
    length = len(json.dumps(sorted(names)))
    reasons = set_aside(tmp_path / "scans.h5")
    assert reasons == {
        "images/a.png": f"its labels take {length} bytes; want at most {ROOM}.",
    }
