"""Conversions lose nothing that the format can hold, and repeat byte for byte."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw
from scipy import ndimage
from shard_samples import NAMES, export_info, write_export

from xraysynth.errors import DamagedError, InputError
from xraysynth.files import sha256_file
from xraysynth.shards.convert import FORMATS, convert
from xraysynth.shards.outline import outline, run_lengths
from xraysynth.shards.png import encode_png
from xraysynth.shards.reader import ShardSet

EIGHT = np.ones((3, 3), bool)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "shards"
    write_export(path)
    return path


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 bits, low and high energy."""
    path = tmp_path_factory.mktemp("deep") / "shards"
    write_export(path, dtype="uint16", channels=2)
    return path


def masks_from_runs(size: list[int], counts: list[int]) -> np.ndarray:
    """Decode run lengths the slow way."""
    values = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
    return values.reshape(size, order="F")


def pairs(points: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the sides of a polygon."""
    corners = [(int(x), int(y)) for x, y in points]
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


# PNG, outline and runs


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_png_of_eight_bits_is_read_back_by_pillow(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    back = np.asarray(Image.open(io.BytesIO(encode_png(image))))
    assert np.array_equal(back, image.squeeze())


def test_png_of_sixteen_bits_is_read_back_by_pillow() -> None:
    image = np.random.default_rng(0).integers(0, 2**16, (4, 6, 2), dtype=np.uint16)
    grey = np.asarray(Image.open(io.BytesIO(encode_png(image[..., 0]))))
    assert np.array_equal(grey, image[..., 0])
    # Pillow keeps the upper eight bits of 16-bit RGB; the missing channel is zero.
    colour = np.asarray(Image.open(io.BytesIO(encode_png(image))))
    assert np.array_equal(colour[..., :2], image >> 8)
    assert not colour[..., 2].any()


@given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_runs_decode_to_the_mask(mask: np.ndarray) -> None:
    counts = run_lengths(mask)
    assert sum(counts) == mask.size
    assert np.array_equal(masks_from_runs(list(mask.shape), counts), mask)


@given(mask=arrays.arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_outline_encloses_the_region_with_its_holes_filled(mask: np.ndarray) -> None:
    numbered, count = ndimage.label(mask, EIGHT)
    for number in range(1, count + 1):
        region = numbered == number
        corners = outline(region)
        # The shoelace formula gives the area; scaled by four, Pillow can fill the polygon.
        x, y = np.array(corners).T
        filled = ndimage.binary_fill_holes(region)
        assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2 == filled.sum()
        picture = Image.new("1", (4 * mask.shape[1], 4 * mask.shape[0]))
        ImageDraw.Draw(picture).polygon([(4 * px, 4 * py) for px, py in corners], fill=1)
        assert np.array_equal(np.asarray(picture)[2::4, 2::4], filled)


# COCO


def test_coco_holds_every_object_exactly(folder: Path, tmp_path: Path) -> None:
    done = convert(folder, "coco", tmp_path / "coco")
    content = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    shards = ShardSet(folder)
    objects = shards.table("objects").merge(shards.table("images")[["sample_id", "sample_index"]])
    assert (done.samples, done.objects) == (8, len(objects)) == (8, len(content["annotations"]))
    assert {c["id"]: c["name"] for c in content["categories"]} == dict(enumerate(NAMES[2:], 2))
    for image, sample in zip(content["images"], shards, strict=True):
        picture = np.asarray(Image.open(tmp_path / "coco" / "images" / image["file_name"]))
        assert np.array_equal(picture, sample["image"])
    for entry, row in zip(content["annotations"], objects.to_dict("records"), strict=True):
        mask = masks_from_runs(**entry["segmentation"])
        assert (shards[row["sample_index"]]["mask"][mask] == row["class_id"]).all()
        assert entry["area"] == row["area_px"] == mask.sum()
        x, y, width, height = entry["bbox"]
        assert [x, y, x + width, y + height] == [
            row[n] for n in ("x_min", "y_min", "x_max", "y_max")
        ]
        assert entry["image_id"] == row["sample_index"] + 1
        assert entry["score"] == pytest.approx(row["score"], abs=1e-4)


def test_pycocotools_reads_the_masks(folder: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    convert(folder, "coco", tmp_path / "coco")
    read = coco.COCO(str(tmp_path / "coco" / "annotations.json"))
    for number, sample in enumerate(ShardSet(folder), start=1):
        for entry in read.loadAnns(read.getAnnIds(imgIds=[number])):
            mask = read.annToMask(entry).astype(bool)
            assert mask.sum() == entry["area"]
            assert (sample["mask"][mask] == entry["category_id"]).all()


# YOLO


def test_yolo_polygons_fill_to_the_masks(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "yolo"
    convert(folder, "yolo", out)
    settings = yaml.safe_load((out / "data.yaml").read_text())
    assert settings["names"] == dict(enumerate(NAMES[2:]))
    for sample in ShardSet(folder):
        name = sample["metadata"]["sample_id"]
        padded = np.pad(sample["mask"], 1)
        for line in (out / "labels" / f"{name}.txt").read_text().splitlines():
            place, *shares = line.split()
            points = np.array(shares, float).reshape(-1, 2) * [12, 16]
            assert np.abs(points - points.round()).max() < 1e-3
            # Every border of the polygon parts a pixel of the class from one of another.
            for (x, y), (to_x, to_y) in pairs(points.round().astype(int)):
                side = [(y, min(x, to_x)), (y - 1, min(x, to_x))]
                if x == to_x:
                    side = [(min(y, to_y), x), (min(y, to_y), x - 1)]
                inside = [padded[row + 1, column + 1] == int(place) + 2 for row, column in side]
                assert sorted(inside) == [False, True]
        assert (
            len((out / "labels" / f"{name}.txt").read_text().splitlines())
            == (sample["metadata"]["n_objects"])
        )


def test_yolo_images_have_eight_bits(deep: Path, tmp_path: Path) -> None:
    convert(deep, "yolo", tmp_path / "yolo")
    for sample in ShardSet(deep):
        path = tmp_path / "yolo" / "images" / f"{sample['metadata']['sample_id']}.png"
        picture = Image.open(path)
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture)[..., :2], sample["image"] >> 8)


# WebDataset


def test_webdataset_holds_every_array_exactly(deep: Path, tmp_path: Path) -> None:
    convert(deep, "webdataset", tmp_path / "wds")
    shards = ShardSet(deep)
    tars = sorted((tmp_path / "wds").iterdir())
    assert [path.name for path in tars] == ["shard-00000.tar", "shard-00001.tar"]
    samples = iter(shards)
    for path in tars:
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(0, 0, "", 0o644)}
            files = {m.name: handle.read() for m in members if (handle := tar.extractfile(m))}
        for _ in range(4):
            sample = next(samples)
            name = sample["metadata"]["sample_id"]
            description = json.loads(files[f"{name}.json"])
            assert description["sample_index"] == sample["metadata"]["sample_index"]
            assert len(description["objects"]) == sample["metadata"]["n_objects"]
            for ending, key in (("mask.png", "mask"), ("confidence.png", "confidence")):
                back = np.asarray(Image.open(io.BytesIO(files[f"{name}.{ending}"])))
                assert np.array_equal(back, sample[key])
            overlap = np.load(io.BytesIO(files[f"{name}.overlaps.npy"]))
            assert np.array_equal(overlap, sample["overlap"])
            assert files[f"{name}.png"] == encode_png(sample["image"])


# All


@pytest.mark.parametrize("to", FORMATS)
def test_conversion_repeats_byte_for_byte(deep: Path, tmp_path: Path, to: str) -> None:
    notes: list[tuple[int, int]] = []
    for out in ("first", "second"):
        convert(deep, to, tmp_path / out, lambda done, total, note: notes.append((done, total)))
    first = sorted(path for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert first
    for path in first:
        twin = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert sha256_file(path) == sha256_file(twin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    assert notes[7] == (8, 8)


def test_unknown_format_names_the_nearest(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'cocoo' is not a format to convert to; did you mean coco"
    ):
        convert(folder, "cocoo", tmp_path / "out")
    with pytest.raises(InputError, match="want one of coco, yolo, webdataset"):
        convert(folder, "xyz", tmp_path / "out")


def test_what_lies_at_the_target_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        convert(folder, "coco", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    assert convert(folder, "yolo", tmp_path / "empty").samples == 8


def test_damaged_sample_leaves_nothing_behind(tmp_path: Path) -> None:
    write_export(tmp_path / "shards", export_info())
    with h5py.File(tmp_path / "shards" / "shard-00001.h5", "r+") as file:
        rows = file["metadata"][...]
        rows["sample_id"][2] = b"../../evil"
        del file["metadata"]
        file["metadata"] = rows
    with pytest.raises(DamagedError, match="cannot name a file"):
        convert(tmp_path / "shards", "webdataset", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]
