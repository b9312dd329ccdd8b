"""`prepare`: what it sets aside or refuses, each with its reason, and what it survives."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scan_fixtures import coco, run, save, save_json, save_text, set_aside, voc_xml

from xraysynth.errors import DamagedError, InputError
from xraysynth.scans import PrepareConfig
from xraysynth.settings import settings_from_mapping


def test_half_a_pair_is_set_aside(tmp_path: Path, out: Path) -> None:
    for name in ("a_low", "a_high", "b_low"):
        save(tmp_path / "raw" / f"{name}.png", np.full((9, 30), 60000, np.uint16))
    run(tmp_path / "raw", "folder", out)
    assert set_aside(out) == {"b_low.png": "b_high.png is missing."}


def test_pairs_of_two_sizes_are_set_aside(tmp_path: Path, out: Path) -> None:
    for name, width in (("a_low", 30), ("a_high", 30), ("b_low", 30), ("b_high", 31)):
        save(tmp_path / "raw" / f"{name}.png", np.full((9, width), 60000, np.uint16))
    run(tmp_path / "raw", "folder", out)
    assert "differ in size" in set_aside(out)["b_low.png"]


def test_every_bad_image_is_set_aside_with_its_reason(bags: Path, out: Path) -> None:
    whole = (bags / "bag_0.png").read_bytes()
    (bags / "cut.png").write_bytes(whole[: len(whole) // 2])
    (bags / "empty.png").write_bytes(b"")
    save_text(bags / "page.jpg", "<html>404</html>")
    save(bags / "tiny.png", np.zeros((3, 30, 3), np.uint8))
    Image.fromarray(np.zeros((20, 20), np.float32)).save(bags / "float.tif")
    save_text(bags / "notes.txt", "not an image, not looked at")
    save(bags / "._bag_0.png")
    summary = run(bags, "folder", out)
    reasons = set_aside(out)
    assert summary.n_scans == 5
    assert summary.n_set_aside == len(reasons) == 5
    assert reasons["cut.png"].startswith("it is damaged")
    assert reasons["empty.png"] == reasons["page.jpg"]
    assert reasons["tiny.png"] == "it is 30x3 px; want at least 8 a side."
    assert "floating-point" in reasons["float.tif"]
    assert summary.reasons["it is NxN px; want at least N a side."] == 1


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(bags: Path, out: Path) -> None:
    (bags / "bomb.png").write_bytes(_png_header(60_000, 60_000))
    save(bags / "large.png", np.zeros((300, 300), np.uint8))
    run(bags, "folder", out, PrepareConfig(size_px=16, max_pixels=50_000))
    reasons = set_aside(out)
    assert "exceeds limit" in reasons["bomb.png"] or "the limit is" in reasons["bomb.png"]
    assert reasons["large.png"] == "it is 300x300, 90,000 pixels; the limit is 50,000."


def _png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds next to nothing."""
    stream = io.BytesIO(b"")
    stream.write(b"\x89PNG\r\n\x1a\n")
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 1000)),
        (b"IEND", b""),
    ):
        stream.write(struct.pack(">I", len(data)) + kind + data)
        stream.write(struct.pack(">I", zlib.crc32(kind + data)))
    return stream.getvalue()


def test_a_link_out_of_the_folder_is_refused(bags: Path, out: Path, tmp_path: Path) -> None:
    secret = save(tmp_path / "secret.png")
    (bags / "link.png").symlink_to(secret)
    (bags / "within.png").symlink_to(bags / "bag_0.png")
    summary = run(bags, "folder", out)
    assert set_aside(out) == {
        "link.png": "link.png is a link out of the data set's folder; refused."
    }
    assert summary.n_scans == 6


def test_a_link_to_a_folder_is_refused_not_skipped(bags: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bags / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link to a folder; want a plain folder"):
        run(bags, "folder", out)


def test_a_pipe_does_not_hang_the_run(bags: Path, out: Path) -> None:
    os.mkfifo(bags / "pipe.png")
    run(bags, "folder", out)
    assert set_aside(out) == {"pipe.png": "pipe.png is not there."}


def test_a_scan_of_another_size_than_its_annotation_is_set_aside(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "six"
    for name in ("0001", "0002"):
        save(folder / "JPEGImage" / f"{name}.jpg")
        size = (40, 20) if name == "0001" else (80, 40)
        save_text(folder / "Annotation" / f"{name}.xml", voc_xml([("Gun", 1, 1, 5, 5)], size))
    run(folder, "sixray", out)
    reason = set_aside(out)["JPEGImage/0002.jpg"]
    assert reason == "it is 40x20 px, but its annotation was made for 80x40."


ENDLESS = float("inf")


@pytest.mark.parametrize("format", ["coco", "labelme", "voc", "yolo"])
def test_an_endless_number_sets_its_scan_aside(tmp_path: Path, out: Path, format: str) -> None:
    folder, place = tmp_path / "set", "JPEGImages" if format == "voc" else "images"
    for name in "ab":
        save(folder / place / f"{name}.png", seed=ord(name))
    document = coco(["a.png", "b.png"], [])
    document["images"][0]["width"] = ENDLESS
    labelme = {"shapes": [], "imageWidth": ENDLESS, "imageHeight": 20}
    path, text = {
        "coco": ("annotations/all.json", json.dumps(document).replace("Infinity", "1e999")),
        "labelme": ("images/a.json", json.dumps(labelme).replace("Infinity", "1e999")),
        "voc": ("Annotations/a.xml", voc_xml([]).replace("<width>40<", "<width>1e999<")),
        "yolo": ("labels/a.txt", "1e999 0.5 0.5 0.5 0.5"),
    }[format]
    save_text(folder / path, text)
    assert run(folder, format, out).n_scans == 1
    assert "want a finite number." in set_aside(out)[f"{place}/a.png"]


@pytest.mark.parametrize(
    ("format", "path", "text"),
    [
        ("yolo", "data.yaml", "names: {.inf: gun}"),
        ("indexed_png", "classes.json", '{"gun": 1e999}'),
        ("gdxray", "B0001/ground_truth.txt", "inf 1 5 1 5"),
    ],
)
def test_an_endless_id_is_told_in_a_sentence(
    tmp_path: Path, out: Path, format: str, path: str, text: str
) -> None:
    for place in ("B0001",) if format == "gdxray" else ("images", "masks"):
        save(tmp_path / "set" / place / "B0001_0001.png")
    save_text(tmp_path / "set" / path, text)
    save_text(tmp_path / "set/labels/B0001_0001.txt", "0 0.5 0.5 0.5 0.5")
    with pytest.raises((InputError, DamagedError), match="inf; want a finite number"):
        run(tmp_path / "set", format, out)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
def test_an_endless_box_is_dropped(tmp_path: Path, out: Path, number: str) -> None:
    objects = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, ENDLESS, 5]}]
    text = json.dumps(coco(["a.png", "b.png"], objects)).replace("Infinity", number)
    for name in "ab":
        save(tmp_path / "set/images" / f"{name}.png", seed=ord(name))
    save_text(tmp_path / "set/annotations/all.json", text)
    summary = run(tmp_path / "set", "coco", out)
    assert (summary.n_scans, summary.n_dropped_boxes) == (2, 1)


def test_an_earlier_file_survives_a_run_without_any_usable_scan(bags: Path, out: Path) -> None:
    run(bags, "folder", out)
    before = out.read_bytes()
    for path in bags.iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(
        InputError, match="has 5 scans and none is usable, 5 because it is not a PNG"
    ):
        run(bags, "folder", out)
    assert out.read_bytes() == before
    assert len(set_aside(out)) == 5


@pytest.mark.parametrize(
    ("build", "format", "message"),
    [
        pytest.param(lambda top: None, "folder", "does not exist; want the folder", id="missing"),
        pytest.param(lambda top: top.mkdir(), "folder", "is empty; want", id="empty"),
        pytest.param(lambda top: save_text(top, "x"), "folder", "is a file; want", id="file"),
        pytest.param(
            lambda top: save_text(top / "readme.md", "x"),
            "sixray",
            "it holds no images of any format",
            id="no images",
        ),
        pytest.param(
            lambda top: save(top / "a" / "1.png"),
            "sixray",
            "does not have the layout of sixray .* it looks like folder: use --format folder",
            id="plain folder",
        ),
        pytest.param(
            lambda top: (save(top / "JPEGImage" / "1.jpg"), (top / "ImageSet").mkdir()),
            "pidray",
            "it looks like sixray: use --format sixray",
            id="another layout",
        ),
        pytest.param(
            lambda top: save(top / "1.png"), "sixrey", "did you mean sixray", id="misspelt"
        ),
        pytest.param(
            lambda top: save(top / "1.png"), "zzz", "want one of clcxray, coco", id="unknown"
        ),
    ],
)
def test_bad_sources_get_one_clear_sentence(
    tmp_path: Path, out: Path, build: object, format: str, message: str
) -> None:
    assert callable(build)
    build(tmp_path / "source")
    with pytest.raises(InputError, match=message) as caught:
        run(tmp_path / "source", format, out)
    assert caught.value.exit_status == 2
    assert not out.exists()


def test_a_damaged_annotation_file_of_all_scans_ends_the_run(tmp_path: Path, out: Path) -> None:
    save(tmp_path / "set" / "train" / "a.png")
    save_text(tmp_path / "set" / "annotations" / "train.json", '{"images": [')
    with pytest.raises(DamagedError, match=r"cannot be read as pidray: annotations/train.json"):
        run(tmp_path / "set", "pidray", out)


def test_settings_name_the_nearest_valid_key() -> None:
    with pytest.raises(InputError, match=r"did you mean prepare\.size_px"):
        settings_from_mapping(PrepareConfig, {"sizepx": 64}, "prepare")


def test_names_that_are_not_utf8_do_not_stop_the_run(bags: Path, out: Path) -> None:
    raw = os.fsencode(bags) + b"/bag_\xff.png"
    Path(os.fsdecode(raw)).write_bytes((bags / "bag_0.png").read_bytes())
    bad = os.fsencode(bags) + b"/cut_\xff.png"
    Path(os.fsdecode(bad)).write_bytes(b"")
    summary = run(bags, "folder", out)
    assert (summary.n_scans, summary.n_set_aside) == (6, 1)


def test_a_file_that_is_json_but_no_coco_is_named(tmp_path: Path, out: Path) -> None:
    save(tmp_path / "set" / "train" / "a.png")
    save_json(tmp_path / "set" / "annotations" / "train.json", {"images": {}})
    with pytest.raises(DamagedError, match=r"`images` in annotations/train\.json is not a list"):
        run(tmp_path / "set", "pidray", out)
