"""Generic formats, and what hostile annotations cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scan_fixtures import (
    HEIGHT,
    WIDTH,
    coco,
    compressed_runs,
    rows,
    save,
    save_json,
    save_text,
    set_aside,
    voc_xml,
)

from xraysynth.errors import DamagedError, InputError, ReadError
from xraysynth.scanfile import class_names, open_scans
from xraysynth.scans import PrepareConfig, prepare
from xraysynth.scans.readers import Box, DataFolder, ScanRecord, open_source, reader_of
from xraysynth.scans.readers.folders import inside

FRAME = PrepareConfig(size_px=WIDTH)
SQUARE = [[10, 5], [30, 5], [30, 15], [10, 15]]


def box(name: str, *corners: float) -> Box:
    x_min, y_min, x_max, y_max = corners
    return Box(name=name, x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def records(top: Path, format: str) -> dict[str, ScanRecord]:
    folder, reader = open_source(top, format)
    return {record.images[0]: record for record in reader.read(folder)}


def corners(out: Path) -> list[list[float]]:
    table = rows(out, "boxes")
    names = ("x_min", "y_min", "x_max", "y_max")
    return [[float(row[name]) for name in names] for row in table]


def test_voc_reads_lists_of_one_class_too(tmp_path: Path) -> None:
    for name in ("a", "b.1", "c"):
        save(tmp_path / "JPEGImages" / f"{name}.jpg")
    save_text(tmp_path / "Annotations" / "a.xml", voc_xml([("gun", 1, 2, 3, 4)]))
    save_text(tmp_path / "ImageSets" / "Main" / "train.txt", "a\n")
    save_text(tmp_path / "ImageSets" / "Main" / "gun_val.txt", "b.1 -1\n")
    found = records(tmp_path, "voc")
    assert found["JPEGImages/a.jpg"].annotation.boxes == (box("gun", 1, 2, 3, 4),)
    assert [record.split for record in found.values()] == ["train", "val", "unlisted"]


@pytest.mark.parametrize("layout", ["images/train", "train/images"])
def test_yolo_boxes_and_polygons_are_shares_of_the_scan(tmp_path: Path, layout: str) -> None:
    top = tmp_path / "yolo"
    labels = layout.replace("images", "labels")
    for name in ("a", "b"):
        save(top / layout / f"{name}.jpg")
    save_text(
        top / labels / "a.txt", "1 0.5 0.5 0.5 0.5\n0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n"
    )
    save_text(top / "data.yaml", "path: /etc\ntrain: ../../x\nnames: [gun, knife]\n")
    out = tmp_path / "scans.h5"
    prepare(top, "yolo", out, FRAME)
    assert rows(out, "boxes")["name"].tolist() == [b"knife", b"gun"]
    assert corners(out) == [[10, 15, 30, 25]] * 2
    assert rows(out, "metadata")["split"].tolist() == [b"train", b"train"]
    assert rows(out, "masks")[0].sum() == 20 * 10
    assert not rows(out, "masks")[1].any()


def test_yolo_names_may_be_a_mapping_or_a_list_of_lines_or_absent(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg")
    save_text(tmp_path / "labels" / "a.txt", "7 0.5 0.5 0.5 0.5\n")
    assert records(tmp_path, "yolo")["images/a.jpg"].annotation.all_labels() == ["class_7"]
    save_text(tmp_path / "classes.txt", "a\n" * 7 + "seven\n")
    assert records(tmp_path, "yolo")["images/a.jpg"].annotation.all_labels() == ["seven"]
    save_text(tmp_path / "data.yaml", "names: {7: sept}\n")
    assert records(tmp_path, "yolo")["images/a.jpg"].annotation.all_labels() == ["sept"]


def test_labelme_reads_rectangles_polygons_and_circles(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    save(tmp_path / "clean.jpg")
    shapes = [
        {"label": "gun", "points": [[30, 15], [10, 5]], "shape_type": "rectangle"},
        {"label": "knife", "points": SQUARE, "shape_type": "polygon"},
        {"label": "ball", "points": [[20, 10], [23, 14]], "shape_type": "circle"},
        {"label": "seam", "points": [[0, 0], [9, 9]], "shape_type": "line"},
    ]
    document = {"shapes": shapes, "imagePath": "..\\..\\secret.jpg", "imageData": None}
    save_json(tmp_path / "a.json", document)
    save_json(tmp_path / "orphan.json", document)
    found = records(tmp_path, "labelme")
    annotation = found["a.jpg"].annotation
    assert annotation.boxes == (
        box("gun", 10, 5, 30, 15),
        box("knife", 10, 5, 30, 15),
        box("ball", 15, 5, 25, 15),
    )
    assert annotation.all_labels() == ["ball", "gun", "knife", "seam"]
    assert found["clean.jpg"].annotation.all_labels() == []
    assert found["orphan.json"].fault == "it has no image of its name beside it."


def indexed(top: Path, ids: np.ndarray, names: str = "background\ngun\nknife\n") -> None:
    save(top / "images" / "train" / "a.jpg")
    mask = Image.fromarray(ids.astype(np.uint8)).convert("P")
    mask.putpalette([value for place in range(256) for value in (place, 0, 255 - place)])
    (top / "masks" / "train").mkdir(parents=True)
    mask.save(top / "masks" / "train" / "a.png")
    save_text(top / "classes.txt", names)


def test_indexed_masks_become_label_maps(tmp_path: Path) -> None:
    ids = np.zeros((HEIGHT, WIDTH))
    ids[5:15, 10:30] = 2
    ids[0] = 255
    indexed(tmp_path / "set", ids)
    out = tmp_path / "scans.h5"
    prepare(tmp_path / "set", "indexed-png", out, FRAME)
    with open_scans(out) as file:
        assert class_names(file) == ["background", "gun", "knife"]
    wanted = np.zeros((WIDTH, WIDTH), np.uint8)
    wanted[15:25, 10:30] = 2
    np.testing.assert_array_equal(rows(out, "masks")[0], wanted)
    assert rows(out, "metadata")["labels"].tolist() == [b'["knife"]']


def test_a_mask_with_an_id_without_name_is_set_aside(tmp_path: Path) -> None:
    indexed(tmp_path / "set", np.full((HEIGHT, WIDTH), 3))
    save(tmp_path / "set" / "images" / "b.jpg")
    out = tmp_path / "scans.h5"
    with pytest.raises(InputError, match="2 scans and none is usable"):
        prepare(tmp_path / "set", "indexed_png", out, FRAME)
    reasons = set_aside(out)
    assert "has ids 3 to 3; there are names for 0 to 2." in reasons["images/train/a.jpg"]
    assert reasons["images/b.jpg"] == "it has no mask in masks/."


def test_a_mask_of_another_size_is_set_aside(tmp_path: Path) -> None:
    indexed(tmp_path / "set", np.zeros((HEIGHT, WIDTH - 1)))
    with pytest.raises(InputError, match="its mask FILE is NxN px"):
        prepare(tmp_path / "set", "indexed_png", tmp_path / "scans.h5", FRAME)


def test_indexed_masks_need_names(tmp_path: Path) -> None:
    indexed(tmp_path / "set", np.zeros((HEIGHT, WIDTH)))
    (tmp_path / "set" / "classes.txt").unlink()
    with pytest.raises(DamagedError, match=r"classes\.txt is missing; want the names"):
        prepare(tmp_path / "set", "indexed_png", tmp_path / "scans.h5", FRAME)
    save_json(tmp_path / "set" / "classes.json", {"background": 0, "gun": 4})
    record = records(tmp_path / "set", "indexed_png")["images/train/a.jpg"]
    assert record.annotation.mask_classes == ("background", "class_1", "class_2", "class_3", "gun")


def coco_set(top: Path, document: Any) -> Path:
    save(top / "images" / "a.jpg")
    save_json(top / "annotations" / "instances_default.json", document)
    return top


def test_coco_names_unlisted_images_and_lost_annotations(tmp_path: Path) -> None:
    lost = {"image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4]}
    coco_set(tmp_path, coco(["a.jpg", "absent.jpg"], [lost]))
    save(tmp_path / "images" / "unlisted.jpg")
    found = records(tmp_path, "coco")
    assert found["images/a.jpg"].fault == ""
    assert found["images/unlisted.jpg"].fault == "no annotation file names it."
    assert (
        "an image_id that its `images` lacks" in found["annotations/instances_default.json"].fault
    )
    out = tmp_path / "out.h5"
    prepare(tmp_path, "coco", out, FRAME)
    assert any("is not there" in reason for reason in set_aside(out).values())


def test_coco_reads_compressed_runs(tmp_path: Path) -> None:
    # Runs 405, 10, 10, 10, 365 in COCO's text: two columns of ten pixels.
    text = {"size": [HEIGHT, WIDTH], "counts": compressed_runs([405, 10, 10, 10, 365])}
    entry = {"image_id": 1, "category_id": 1, "bbox": [20, 5, 2, 10], "segmentation": text}
    out = tmp_path / "out.h5"
    prepare(coco_set(tmp_path / "set", coco(["a.jpg"], [entry])), "coco", out, FRAME)
    wanted = np.zeros((WIDTH, WIDTH), np.uint8)
    wanted[15:25, 20:22] = 1
    np.testing.assert_array_equal(rows(out, "masks")[0], wanted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bbox": [1, 2, "x", 4]}, "bbox is 'x'; want a number."),
        ({"bbox": [1, 2]}, "bbox is [1, 2]; want [x, y, width, height]."),
        ({"category_id": 9}, "an annotation has category_id 9, which `categories` lacks."),
        ({"segmentation": [[1, 2, 3]]}, "a polygon that is not a list x1, y1, ..., xn, yn."),
        ({"segmentation": {"counts": "~~"}}, "a character that does not belong there"),
        ({"segmentation": {"counts": [-1, 2]}}, "negative run"),
        ({"segmentation": {"counts": [0, 10**12]}}, "a run-length code covers"),
        ({"segmentation": [[1, 2, 3, 4, 5, float("nan")]]}, "a corner that is not a number"),
    ],
)
def test_a_bad_annotation_sets_only_its_scan_aside(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    entry = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []}
    good = {**entry, "image_id": 2, "segmentation": [[1, 2, 9, 2, 9, 9]]}
    coco_set(tmp_path / "set", coco(["a.jpg", "b.jpg"], [{**entry, **change}, good]))
    save(tmp_path / "set" / "images" / "b.jpg", seed=1)
    out = tmp_path / "out.h5"
    assert prepare(tmp_path / "set", "coco", out, FRAME).n_scans == 1
    assert reason in set_aside(out)["images/a.jpg"]


@pytest.mark.parametrize("second", [1, "1"])
def test_an_id_of_two_categories_sets_aside_the_scans_that_use_it(
    tmp_path: Path, second: Any
) -> None:
    objects = [
        {"image_id": image, "category_id": category, "bbox": [1, 2, 3, 4]}
        for image, category in ((1, 1), (2, 2))
    ]
    document = coco(["a.jpg", "b.jpg"], objects, ("knife", "bag"))
    document["categories"].append({"id": second, "name": "gun"})
    coco_set(tmp_path / "set", document)
    save(tmp_path / "set" / "images" / "b.jpg", seed=1)
    out = tmp_path / "out.h5"
    assert prepare(tmp_path / "set", "coco", out, FRAME).n_scans == 1
    assert set_aside(out) == {
        "images/a.jpg": "an annotation has category_id 1, which `categories` gives to 'knife' and "
        "'gun'; want one name an id."
    }


def test_an_id_of_two_images_sets_both_aside(tmp_path: Path) -> None:
    document = coco(
        ["a.jpg", "b.jpg", "c.jpg"], [{"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    )
    document["images"][0]["id"] = "2"
    coco_set(tmp_path / "set", document)
    for seed, name in enumerate(("b.jpg", "c.jpg"), start=1):
        save(tmp_path / "set" / "images" / name, seed=seed)
    out = tmp_path / "out.h5"
    assert prepare(tmp_path / "set", "coco", out, FRAME).n_scans == 1
    reasons = set_aside(out)
    assert sorted(reasons) == ["images/a.jpg", "images/b.jpg"]
    assert all("'a.jpg' and 'b.jpg'; want one image an id." in why for why in reasons.values())


@pytest.mark.parametrize("label", [None, ["a"], True])
def test_a_label_that_is_no_text_is_a_fault_of_one_scan(tmp_path: Path, label: Any) -> None:
    save(tmp_path / "a.jpg")
    shapes = [{"label": label, "points": SQUARE, "shape_type": "polygon"}]
    save_json(tmp_path / "a.json", {"shapes": shapes})
    assert (
        records(tmp_path, "labelme")["a.jpg"].fault == f"a `label` in a.json is {label}; want text."
    )
    entry = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    top = coco_set(tmp_path / "coco", coco(["a.jpg"], [entry], [label]))
    fault = records(top, "coco")["images/a.jpg"].fault
    assert fault == f"the name of category 1 is {label}; want text."


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "..\\secret.jpg", "C:\\x", "", "."],
)
def test_annotations_cannot_name_files_outside(tmp_path: Path, name: str) -> None:
    save(tmp_path / "secret.jpg")
    coco_set(tmp_path / "set", coco([name, "a.jpg"], []))
    out = tmp_path / "out.h5"
    assert prepare(tmp_path / "set", "coco", out, FRAME).n_scans == 1
    (reason,) = set_aside(out).values()
    assert "leaves the data set's folder; refused." in reason


@pytest.mark.parametrize("name", ["a\0b", "..", "a/../b", "\\\\host\\share"])
def test_inside_refuses(name: str) -> None:
    with pytest.raises(ReadError, match="leaves the data set's folder"):
        inside(name)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<annotation><object><name>&b;</name></object></annotation>"
)
STRANGER = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BOMB.encode(), id="billion laughs"),
        pytest.param(STRANGER.encode(), id="external entity"),
        pytest.param(BOMB.lower().encode(), id="lower case"),
        pytest.param(BOMB.encode("utf-16"), id="utf-16"),
        pytest.param(b'<?xml version="1.0" encoding="cp037"?>' + BOMB.encode("cp037"), id="ebcdic"),
    ],
)
def test_xml_with_entities_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.xml").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.xml (declares a document type|is not readable XML)"):
        DataFolder(tmp_path).xml("a.xml")


@pytest.mark.parametrize(
    "text",
    ["", "<annotation>", "[" * 100_000, json.dumps([1]), '{"shapes": [{"points": 5}]}'],
    ids=["empty", "xml", "deep", "list", "points"],
)
def test_any_text_as_labelme_is_a_fault_of_one_scan(tmp_path: Path, text: str) -> None:
    save(tmp_path / "b.jpg")
    save_json(tmp_path / "b.json", {"shapes": []})
    save(tmp_path / "a.jpg")
    save_text(tmp_path / "a.json", text)
    found = records(tmp_path, "labelme")
    assert found["a.jpg"].fault
    assert not found["b.jpg"].fault


def test_format_names_ignore_case_and_hyphens() -> None:
    assert reader_of("Compass-XP").name == "compass_xp"


def test_voc_without_numbers_is_a_fault(tmp_path: Path) -> None:
    save(tmp_path / "JPEGImage" / "a.jpg")
    text = voc_xml([("Gun", 1, 2, 3, 4)]).replace("<xmin>1</xmin>", "")
    save_text(tmp_path / "Annotation" / "a.xml", text)
    fault = records(tmp_path, "sixray")["JPEGImage/a.jpg"].fault
    assert fault == "xmin in Annotation/a.xml is None; want a number."
