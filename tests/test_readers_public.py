"""Every public data set's exact on-disk form, in miniature, gives the records that it means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scan_fixtures import HEIGHT, WIDTH, coco, rows, save, save_json, save_text, set_aside, voc_xml

from xraysynth.scans import PrepareConfig, prepare
from xraysynth.scans.readers import FORMATS, Box, DataFolder, ScanRecord, detect, open_source

SQUARE = [[10, 5], [30, 5], [30, 15], [10, 15]]
FLAT = [10, 5, 30, 5, 30, 15, 10, 15]


def box(name: str, *corners: float) -> Box:
    x_min, y_min, x_max, y_max = corners
    return Box(name=name, x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def records(top: Path, format: str) -> dict[str, ScanRecord]:
    """Return the records of a data set by their first path, in the reader's order."""
    folder, reader = open_source(top, format)
    return {record.images[0]: record for record in reader.read(folder)}


def sixray_official(top: Path) -> None:
    for name in ("P00001", "P00002", "N00001"):
        save(top / "JPEGImage" / f"{name}.jpg")
    save_text(top / "Annotation" / "P00001.xml", voc_xml([("Gun", 10.5, 5.25, 20.5, 15.75)]))
    save_text(top / "Annotation" / "P00002.xml", voc_xml([("Knife", 1, 2, 3, 4)]))
    header = "name,Gun,Knife,Wrench,Pliers,Scissors\n"
    save_text(
        top / "ImageSet" / "10" / "train.csv",
        header + "P00001,1,-1,-1,1,-1\nN00001,-1,-1,-1,-1,-1\n",
    )
    save_text(top / "ImageSet" / "10" / "test.csv", header + "P00002,-1,1,-1,-1,-1\n")
    save_text(top / "ImageSet" / "100" / "test.csv", header + "P00001,1,-1,-1,-1,-1\n")


def test_sixray_reads_lists_labels_and_float_boxes(tmp_path: Path) -> None:
    sixray_official(tmp_path)
    found = records(tmp_path, "sixray")
    first = found["JPEGImage/P00001.jpg"]
    assert first.split == "train"
    assert first.annotation.boxes == (box("Gun", 10.5, 5.25, 20.5, 15.75),)
    assert first.annotation.all_labels() == ["Gun", "Pliers"]
    assert found["JPEGImage/P00002.jpg"].split == "test"
    assert found["JPEGImage/N00001.jpg"].annotation.all_labels() == []


def test_sixray_reads_plain_lists_and_names_what_is_missing(tmp_path: Path) -> None:
    for name in ("0000", "0001", "N0000003", "0009"):
        save(tmp_path / "JPEGImage" / f"{name}.jpg")
    (tmp_path / "Annotation").mkdir()
    for split, names in (("train", "0000\n0005\n"), ("val", "0001\n"), ("negative", "N0000003\n")):
        save_text(tmp_path / "ImageSet" / f"{split}.txt", names)
    found = records(tmp_path, "sixray")
    splits = {Path(path).stem: record.split for path, record in found.items()}
    assert splits == {
        "0000": "train",
        "0001": "val",
        "N0000003": "negative",
        "0009": "unlisted",
        "0005": "train",
    }
    assert found["JPEGImage/0005.jpg"].fault == "it is named in ImageSet/, but not in JPEGImage/."


def pidray(top: Path) -> None:
    for split in ("train", "easy", "hard", "hidden"):
        save(top / split / f"xray_{split}.png")
        name = "xray_train" if split == "train" else f"xray_test_{split}"
        objects = [
            {"image_id": 1, "category_id": 2, "bbox": [10, 5, 20, 10], "segmentation": [FLAT]},
            {
                "image_id": 1,
                "category_id": 1,
                "bbox": [0, 0, 2, 20],
                "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 40, 760]},
                "iscrowd": 1,
            },
        ]
        save_json(
            top / "annotations" / f"{name}.json",
            coco([f"xray_{split}.png"], objects, ("Baton", "Pliers")),
        )


def test_pidray_reads_polygons_runs_and_all_four_splits(tmp_path: Path) -> None:
    pidray(tmp_path)
    found = records(tmp_path, "pidray")
    assert {path: record.split for path, record in found.items()} == {
        "train/xray_train.png": "train",
        "easy/xray_easy.png": "easy",
        "hard/xray_hard.png": "hard",
        "hidden/xray_hidden.png": "hidden",
    }
    annotation = found["hard/xray_hard.png"].annotation
    assert annotation.boxes == (box("Pliers", 10, 5, 30, 15), box("Baton", 0, 0, 2, 20))
    assert annotation.size_px == (WIDTH, HEIGHT)
    assert annotation.outlines[1].runs == (0, 40, 760)


def test_pidray_version_two_finds_test_images_in_their_folders(tmp_path: Path) -> None:
    save(tmp_path / "train" / "a.png")
    save(tmp_path / "hidden" / "b.png")
    save_json(tmp_path / "annotations" / "train.json", coco(["a.png"], []))
    save_json(tmp_path / "annotations" / "test.json", coco(["b.png"], []))
    found = records(tmp_path, "pidray")
    assert {path: record.split for path, record in found.items()} == {
        "train/a.png": "train",
        "hidden/b.png": "test",
    }


def test_outlines_become_label_maps_in_the_letterbox(tmp_path: Path) -> None:
    pidray(tmp_path / "pidray")
    out = tmp_path / "scans.h5"
    prepare(tmp_path / "pidray", "pidray", out, PrepareConfig(size_px=40))
    masks = rows(out, "masks")
    assert masks.shape == (4, 40, 40)
    wanted = np.zeros((40, 40), np.uint8)
    wanted[10:30, 0:2] = 1
    wanted[15:25, 10:30] = 2
    np.testing.assert_array_equal(masks[0], wanted)
    table = rows(out, "boxes")[:2]
    assert [float(table[name][0]) for name in ("x_min", "y_min", "x_max", "y_max")] == [
        10,
        15,
        30,
        25,
    ]


@pytest.mark.parametrize(
    ("format", "name"), [("opixray", "Folding_Knife"), ("hixray", "Portable_Charger_1")]
)
def test_opixray_and_hixray_read_their_lines(tmp_path: Path, format: str, name: str) -> None:
    for split in ("train", "test"):
        save(tmp_path / split / f"{split}_image" / "009001.jpg")
        save(tmp_path / split / f"{split}_image" / "009002.jpg")
        save_text(
            tmp_path / split / f"{split}_annotation" / "009001.txt",
            f"009001.jpg {name} 10 5 20 15\n009001.jpg {name} 20 5 10 15\n",
        )
        save_text(tmp_path / split / f"{split}_knife.txt", "009001.jpg\n")
    assert detect(DataFolder(tmp_path)) == format
    found = records(tmp_path, format)
    record = found["train/train_image/009001.jpg"]
    assert record.annotation.boxes == (box(name, 10, 5, 20, 15), box(name, 20, 5, 10, 15))
    assert found["test/test_image/009001.jpg"].split == "test"
    assert (
        found["test/test_image/009002.jpg"].fault == "test/test_annotation/009002.txt is not there."
    )


def test_clcxray_trusts_the_categories_of_each_file(tmp_path: Path) -> None:
    for split, categories in (("train", ("blade", "knife")), ("val", ("knife", "blade"))):
        save(tmp_path / f"{split}2017" / "a.jpg")
        document = coco(
            ["a.jpg"], [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}], categories
        )
        save_json(tmp_path / "annotations" / f"instances_{split}2017.json", document)
    for format in ("clcxray", "coco"):
        found = records(tmp_path, format)
        assert found["train2017/a.jpg"].annotation.boxes == (box("blade", 1, 2, 4, 6),)
        assert found["val2017/a.jpg"].annotation.boxes == (box("knife", 1, 2, 4, 6),)
        assert found["val2017/a.jpg"].split == "val"


def test_pixray_reads_polygons_beside_the_image(tmp_path: Path) -> None:
    save(tmp_path / "train" / "X.png")
    save_json(
        tmp_path / "train" / "X.json", {"objects": [{"label": "Razor_blade", "polygon": SQUARE}]}
    )
    save(tmp_path / "train" / "Y.png")
    found = records(tmp_path, "pixray")
    annotation = found["train/X.png"].annotation
    assert annotation.boxes == (box("Razor_blade", 10, 5, 30, 15),)
    assert annotation.outlines[0].polygons[0][1] == (30.0, 5.0)
    assert found["train/Y.png"].fault == "train/Y.json is not there."


def test_dvxray_makes_a_scan_of_each_view(tmp_path: Path) -> None:
    top = tmp_path / "DvXray_Positive_Samples"
    for name in ("P1_OL", "P1_SD", "P2_OL", "P2_SD", "other"):
        save(top / f"{name}.png")
    entry = {"label": "Gun", "ol_bb": [10, 5, 20, 15], "sd_bb": "difficult"}
    save_json(top / "P1.json", {"name": "P1", "objects": [entry]})
    save_json(top / "P2.json", {"name": "P2", "objects": "None"})
    found = records(tmp_path, "dvxray")
    prefix = "DvXray_Positive_Samples"
    assert found[f"{prefix}/P1_OL.png"].annotation.boxes == (box("Gun", 10, 5, 20, 15),)
    hidden = found[f"{prefix}/P1_SD.png"].annotation
    assert (hidden.boxes, hidden.all_labels()) == ((), ["Gun"])
    assert found[f"{prefix}/P2_OL.png"].annotation.all_labels() == []
    assert "_OL" in found[f"{prefix}/other.png"].fault


def test_ldxray_gives_side_views_the_labels_of_the_main_view(tmp_path: Path) -> None:
    for view in ("A", "B"):
        save(tmp_path / f"train_{view}" / "0001.jpg")
    save(tmp_path / "test_A" / "0002.jpg")
    document = coco(["0001.jpg"], [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}])
    save_json(tmp_path / "train.json", document)
    save_json(tmp_path / "test.json", coco(["0002.jpg"], []))
    found = records(tmp_path, "ldxray")
    assert found["train_A/0001.jpg"].annotation.boxes == (box("Gun", 1, 2, 4, 6),)
    side = found["train_B/0001.jpg"]
    assert (side.fault, side.annotation.boxes, side.annotation.all_labels()) == ("", (), ["Gun"])
    assert found["test_A/0002.jpg"].split == "test"


@pytest.mark.parametrize("top", ["Baggages", ""])
def test_gdxray_reads_rows_of_a_series_whichever_way_up(tmp_path: Path, top: str) -> None:
    for place in (1, 2):
        path = tmp_path / top / "B0001" / f"B0001_{place:04d}.png"
        save(path, np.full((HEIGHT, WIDTH), 200, np.uint8))
    truth = "  2.0000000e+00   1.0e+01   2.0e+01   1.5e+01   5.0e+00\n"
    save_text(tmp_path / top / "B0001" / "ground_truth.txt", truth)
    out = tmp_path / "scans.h5"
    prepare(tmp_path, "gdxray", out, PrepareConfig(size_px=40))
    assert rows(out, "images").shape == (2, 40, 40, 1)
    assert rows(out, "metadata")["n_items"].tolist() == [0, 1]
    row = rows(out, "boxes")[0]
    corners = [float(row[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
    assert (row["name"], corners) == (b"item", [10, 15, 20, 25])


@pytest.mark.parametrize("places", [("",), ("STCray_TrainSet/", "STCray_TestSet/")])
def test_stcray_reads_two_corners_and_takes_the_rest_as_clean(
    tmp_path: Path, places: tuple[str, ...]
) -> None:
    for place in places:
        for name in ("a", "b"):
            save(tmp_path / place / "Images" / "Class 04_Knife" / f"{name}.jpg")
        shape = {"label": "Knife", "points": [[20, 15], [10, 5]], "shape_type": "rectangle"}
        document = {"shapes": [shape], "imageWidth": WIDTH, "imageHeight": HEIGHT}
        save_json(tmp_path / place / "Json_BB" / "Class 04_Knife" / "a.json", document)
    found = records(tmp_path, "stcray")
    first = found[f"{places[0]}Images/Class 04_Knife/a.jpg"]
    assert first.annotation.boxes == (box("Knife", 10, 5, 20, 15),)
    clean = found[f"{places[-1]}Images/Class 04_Knife/b.jpg"]
    assert clean.annotation.all_labels() == []
    assert clean.split == ("train" if places == ("",) else "test")


def test_compass_xp_reads_labels_from_the_table(tmp_path: Path) -> None:
    for name in ("0001", "0002", "0003"):
        save(tmp_path / "Colour" / f"{name}.png")
    table = "basename\tclass\tinstance\tpose\tdangerous\n"
    table += "0001\tpistol\t1\t1\tTrue\n0002\tumbrella\t1\t1\tFalse\n0009\tpen\t1\t1\tFalse\n"
    save_text(tmp_path / "meta.txt", table)
    found = records(tmp_path, "compass_xp")
    assert found["Colour/0001.png"].annotation.all_labels() == ["dangerous", "pistol"]
    assert found["Colour/0002.png"].annotation.all_labels() == ["umbrella"]
    assert found["Colour/0003.png"].fault == "meta.txt does not name it."
    assert "not in Colour/" in found["Colour/0009.png"].fault


@pytest.mark.parametrize(("build", "format"), [(sixray_official, "sixray"), (pidray, "pidray")])
def test_layouts_are_recognised(tmp_path: Path, build: object, format: str) -> None:
    assert callable(build)
    build(tmp_path)
    assert detect(DataFolder(tmp_path)) == format


def test_every_format_of_the_list_has_a_reader() -> None:
    wanted = "clcxray coco compass_xp dvxray folder gdxray hixray indexed_png labelme ldxray"
    wanted += " opixray pidray pixray sixray stcray voc yolo"
    assert sorted(FORMATS) == wanted.split()
    assert all(reader.layout for reader in FORMATS.values())


def test_faults_of_a_reader_reach_the_table(tmp_path: Path) -> None:
    sixray_official(tmp_path / "six")
    save_text(tmp_path / "six" / "Annotation" / "P00002.xml", "<annotation><object>")
    out = tmp_path / "scans.h5"
    summary = prepare(tmp_path / "six", "sixray", out, PrepareConfig(size_px=16))
    assert (summary.n_scans, summary.n_set_aside) == (2, 1)
    assert "is not readable XML" in set_aside(out)["JPEGImage/P00002.jpg"]
