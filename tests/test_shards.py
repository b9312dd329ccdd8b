"""Shards: what is written is read back, the same bytes each time, in pandas and torch."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_samples import NAMES, export_info, sample_arrays, write_export

from xraysynth import hdf5, schema
from xraysynth.errors import DamagedError, InputError, SchemaError, StageError
from xraysynth.files import sha256_file
from xraysynth.shards import writer
from xraysynth.shards.describe import describe, several_bits
from xraysynth.shards.phash import hamming, perceptual_hash
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import ARRAYS, DescribeConfig, SampleArrays, join_names, shard_name
from xraysynth.shards.torch_dataset import ShardDataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "shards"
    write_export(path)
    return path


# Reference values


def test_regions_are_eight_connected_and_of_one_class() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[0, 0] = mask[1, 1] = 6
    mask[1, 2] = 7
    mask[5, 3:6] = 6
    found = find_regions(mask, [6, 7], DescribeConfig(min_area_px=1))
    boxes = [
        (r.class_id, r.rows.start, r.rows.stop, r.columns.start, r.columns.stop, r.inside.sum())
        for r in found
    ]
    assert boxes == [(6, 0, 2, 0, 2, 2), (7, 1, 2, 2, 3, 1), (6, 5, 6, 3, 6, 3)]
    assert len(find_regions(mask, [6], DescribeConfig(min_area_px=3))) == 1


def test_metadata_of_a_sample_counted_by_hand() -> None:
    gun, bag = NAMES.index("gun"), NAMES.index("bag")
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, 1:7, 1:7] = bag
    masks[0, 2:4, 2:5] = gun
    overlaps = np.left_shift(np.uint32(1), masks.astype(np.uint32))
    overlaps[0, 2:4, 2:5] |= 1 << bag
    confidence = np.full((2, 8, 8), 255, np.uint8)
    confidence[0, 2:4, 2:5] = 51
    images = np.zeros((2, 8, 8, 1), np.uint16)
    arrays = SampleArrays(images=images, masks=masks, overlaps=overlaps, confidence=confidence)
    first, empty = describe(arrays, export_info(), "shard-00000.h5", 10).metadata
    assert first["sample_id"] == b"01234567-7-00000010"
    assert first["classes_present"] == b"bag,gun"
    assert first["class_bits"] == 1 | 1 << bag | 1 << gun
    assert (first["n_objects"], first["n_classes"]) == (1, 2)
    assert first["foreground_share"] == pytest.approx(36 / 64)
    assert first["overlap_share"] == pytest.approx(6 / 64)
    assert first["mean_confidence"] == pytest.approx((58 + 6 * 0.2) / 64)
    assert first["foreground_confidence"] == pytest.approx((30 + 6 * 0.2) / 36)
    assert first["min_confidence"] == pytest.approx(0.2)
    assert not first["flagged"]
    assert empty["flagged"]
    assert empty["flag_reason"] == b"little foreground"


def test_several_bits_agrees_with_counting() -> None:
    overlaps = np.arange(2**10, dtype=np.uint32)
    counted = [(value & ~1).bit_count() > 1 for value in overlaps.tolist()]
    assert several_bits(overlaps).tolist() == counted


def test_perceptual_hash_forgives_noise_and_tells_scans_apart() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 230, (12, 8, 8, 1))
    images = coarse.repeat(8, 1).repeat(8, 2).astype(np.uint8)
    noisy = images + rng.integers(0, 5, images.shape).astype(np.uint8)
    first, second = perceptual_hash(images), perceptual_hash(noisy)
    assert max(map(hamming, first, second)) <= 4
    assert min(hamming(first[0], other) for other in first[1:]) > 12
    assert perceptual_hash(images[3:4])[0] == first[3]


# Invariants and round trips


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.tuples(*(st.integers(1, top) for top in (3, 9, 9, 4))),
    dtype=st.sampled_from(["uint8", "uint16"]),
    classes=st.integers(1, 32),
)
def test_round_trip_is_exact(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], dtype: str, classes: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    info = export_info(class_names=tuple(f"class {number}" for number in range(classes)))
    name = shard_name(0)
    samples = describe(sample_arrays(shape, dtype, classes), info, name, 0)
    writer.write_shard(folder / name, samples, info)
    writer.finish(folder, info)
    shards = ShardSet(folder)
    assert len(shards) == shape[0]
    for row, sample in enumerate(shards):
        assert np.array_equal(sample["image"], samples.images[row])
        assert sample["image"].dtype == dtype
        assert np.array_equal(sample["mask"], samples.masks[row])
        assert np.array_equal(sample["overlap"], samples.overlaps[row])
        assert np.array_equal(sample["confidence"], samples.confidence[row])
        assert sample["metadata"]["sample_index"] == row
    shards.close()


def test_every_data_set_has_one_checksummed_chunk_a_sample(folder: Path) -> None:
    with hdf5.open_hdf5(folder / shard_name(0), "shard") as file:
        for name in (*ARRAYS, "metadata"):
            dataset = file[name]
            assert dataset.shape[0] == 4
            assert dataset.chunks == (1, *dataset.shape[1:])
            assert dataset.id.get_num_chunks() == 4
            assert dataset.fletcher32
            assert (dataset.compression, dataset.compression_opts) == ("gzip", 1)
        assert hdf5.read_json_attribute(file, "classes") == list(NAMES)


def test_batches_hold_every_sample_in_order(folder: Path) -> None:
    shards = ShardSet(folder)
    batches = list(shards.batches(3))
    assert [len(batch["mask"]) for batch in batches] == [3, 1, 3, 1]
    rows = [row for batch in batches for row in batch["metadata"]]
    assert [row["sample_index"] for row in rows] == list(range(8))
    assert np.array_equal(batches[2]["image"][1], shards[5]["image"])
    assert np.array_equal(shards[-1]["mask"], shards[7]["mask"])
    with pytest.raises(IndexError, match="sample 8 of 8"):
        shards[8]


# pandas


def test_pandas_reads_every_table_with_its_types(folder: Path) -> None:
    for name in ("images", "objects", "classes"):
        frame = pd.read_hdf(folder / "tables.h5", name)
        assert isinstance(frame, pd.DataFrame)
        schema.validate(name, frame)
        assert list(frame.columns) == list(schema.table(name).columns)
        for column in schema.table(name).columns.values():
            if column.dtype.kind == "S":
                assert all(type(value) is str for value in frame[column.name])
            else:
                assert frame[column.name].dtype == column.dtype


def test_tables_select_group_and_merge_without_conversion(folder: Path) -> None:
    images, objects, classes = (
        pd.DataFrame(pd.read_hdf(folder / "tables.h5", name))
        for name in ("images", "objects", "classes")
    )
    assert images.sample_id.str.startswith("01234567-7").all()
    assert len(images[images.flagged]) + len(images[~images.flagged]) == 8
    counted = objects.groupby("sample_id").size().reindex(images.sample_id, fill_value=0)
    assert counted.to_list() == images.n_objects.to_list()
    merged = objects.merge(images).merge(classes)
    assert len(merged) == len(objects)
    assert set(merged.group) <= {"clutter", "threat"}
    assert classes.n_pixels.sum() == 8 * 16 * 12
    per_class = objects.groupby("class_id").size().reindex(classes.class_id, fill_value=0)
    assert per_class.to_list() == classes.n_instances.to_list()


def test_object_boxes_cut_out_their_pixels(folder: Path) -> None:
    shards = ShardSet(folder)
    objects = shards.table("objects").merge(shards.table("images")[["sample_id", "sample_index"]])
    for row in objects.head(30).to_dict("records"):
        x_min, y_min, x_max, y_max = (row[name] for name in ("x_min", "y_min", "x_max", "y_max"))
        mask = shards[row["sample_index"]]["mask"]
        cut = mask[y_min:y_max, x_min:x_max] == row["class_id"]
        assert cut.any(axis=0).all()
        assert cut.any(axis=1).all()
        assert cut.sum() >= row["area_px"] >= 2
        assert row["touches_border"] == (x_min == 0 or y_min == 0 or x_max == 12 or y_max == 16)


# torch


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 3), ("uint16", 2)])
def test_torch_dataset_scales_to_one(tmp_path: Path, dtype: str, channels: int) -> None:
    write_export(tmp_path, dtype=dtype, channels=channels)
    dataset = ShardDataset(tmp_path)
    sample = dataset[5]
    raw = dataset.shards[5]
    assert sample["image"].shape == (channels, 16, 12)
    assert sample["image"].dtype == torch.float32
    assert 0 <= sample["image"].min() < sample["image"].max() <= 1
    top = np.iinfo(dtype).max
    back = (sample["image"].numpy().transpose(1, 2, 0) * top).round().astype(dtype)
    assert np.array_equal(back, raw["image"])
    assert np.array_equal(sample["mask"].numpy(), raw["mask"])
    assert dataset.class_names == list(NAMES)


def test_loader_workers_open_their_own_files(folder: Path) -> None:
    dataset = ShardDataset(folder)
    here = [dataset[index]["mask"] for index in range(8)]  # The parent's files are open now.
    loader = torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=1)
    masks = torch.cat([batch["mask"] for batch in loader])
    assert torch.equal(masks, torch.stack(here))
    again = copy.deepcopy(dataset)  # As pickle does: open files stay behind.
    assert not again.shards.__getstate__()["_files"]
    assert torch.equal(again[3]["mask"], here[3])


def test_writing_and_reading_never_import_torch() -> None:
    rooms = "writer reader verify describe tables manifest card croissant"
    code = "".join(f"import xraysynth.shards.{room};" for room in rooms.split())
    code += "import sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Reproducibility


def test_the_same_export_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_export(first)
    write_export(second)
    names = sorted(path.name for path in first.iterdir())
    assert names == [
        "README.md",
        "croissant.json",
        "manifest.json",
        "shard-00000.h5",
        "shard-00001.h5",
        "tables.h5",
    ]
    for name in names:
        assert sha256_file(first / name) == sha256_file(second / name), name


def test_order_of_shards_and_rerun_do_not_matter(tmp_path: Path) -> None:
    manifest = write_export(tmp_path / "once")
    info = export_info()
    for number in (1, 0, 1):
        name = shard_name(number)
        samples = describe(sample_arrays(seed=number), info, name, 4 * number)
        writer.write_shard(tmp_path / "again" / name, samples, info)
    assert writer.finish(tmp_path / "again", info) == manifest


def test_manifest_names_every_file_with_its_hash(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["shards"]] == [shard_name(0), shard_name(1)]
    for entry in [*manifest["shards"], manifest["tables"], *manifest["documents"]]:
        assert entry["sha256"] == sha256_file(folder / entry["name"])
    assert [entry["samples"] for entry in manifest["shards"]] == [4, 4]
    assert manifest["shards"][1]["seeds"] == {"seed": 7, "first_index": 4, "last_index": 7}
    assert manifest["classes"] == list(NAMES)


def test_kept_shards_are_those_of_the_same_export_and_whole(tmp_path: Path) -> None:
    info = export_info()
    write_export(tmp_path, info)
    path = tmp_path / shard_name(1)
    assert writer.is_whole_shard(path, info, 4, 4)
    assert not writer.is_whole_shard(path, info, 4, 5)
    assert not writer.is_whole_shard(path, info, 0, 4)
    assert not writer.is_whole_shard(path, export_info(seed=8), 4, 4)
    assert not writer.is_whole_shard(tmp_path / shard_name(2), info, 8, 4)
    with h5py.File(path, "r+") as file:
        file["masks"][0] = file["masks"][1]  # Every checksum is right; the manifest knows better.
    assert not writer.is_whole_shard(path, info, 4, 4)
    path.write_bytes(path.read_bytes()[:-500])
    assert not writer.is_whole_shard(path, info, 4, 4)


def test_card_and_croissant_tell_classes_and_columns(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "| 6 | gun | threat |" in card
    for column in schema.table("objects").columns:
        assert f"`{column}`" in card
    croissant = json.loads((folder / "croissant.json").read_text())
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert [record["name"] for record in croissant["recordSet"]] == ["images", "objects", "classes"]
    assert all(len(entry["sha256"]) == 64 for entry in croissant["distribution"])


def test_a_class_name_does_not_break_the_table_of_the_card(tmp_path: Path) -> None:
    name = "<b>x</b>|`*y* pocket_knife"
    write_export(tmp_path, export_info(class_names=("background", "bag", name)))
    card = (tmp_path / "README.md").read_text()
    assert r"| 2 | &lt;b&gt;x&lt;/b&gt;\|\`\*y\* pocket_knife | other | " in card


# Errors


def test_missing_folder_and_unfinished_export_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; want a folder of shards"):
        ShardSet(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no manifest\.json: no export was finished"):
        ShardSet(tmp_path)


def test_another_export_in_the_folder_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_export(tmp_path)
    before = {path.name: sha256_file(path) for path in tmp_path.iterdir()}
    other = export_info(seed=8)
    with pytest.raises(InputError, match=r"holds shard-00000\.h5 of another export"):
        writer.prepare_folder(tmp_path, other, 2)
    assert before == {path.name: sha256_file(path) for path in tmp_path.iterdir()}
    writer.prepare_folder(tmp_path, other, 2, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_gap_between_shards_names_the_missing_one(tmp_path: Path) -> None:
    write_export(tmp_path, shards=3)
    (tmp_path / shard_name(1)).unlink()
    with pytest.raises(StageError, match=r"lacks shard-00001\.h5"):
        writer.finish(tmp_path, export_info())


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        pytest.param("masks", np.full((4, 16, 12), 40, np.uint8), "mask-class", id="class"),
        pytest.param("overlaps", np.zeros((4, 16, 12), np.uint32), "overlap-bit", id="bit"),
        pytest.param("masks", np.zeros((4, 16, 12), np.int64), "shard-dtype", id="type"),
        pytest.param("images", np.zeros((4, 16, 11, 3), np.uint8), "shard-shape", id="shape"),
        pytest.param("confidence", np.zeros((3, 16, 12), np.uint8), "shard-shape", id="count"),
    ],
)
def test_impossible_arrays_are_refused(field: str, value: np.ndarray, code: str) -> None:
    arrays = SampleArrays(**{**vars(sample_arrays()), field: value})
    with pytest.raises(SchemaError, match=field) as caught:
        describe(arrays, export_info(), shard_name(0), 0)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "names", [(), ("a", "a"), ("a,b",), ("x" * 33,), tuple(map(str, range(33)))]
)
def test_impossible_class_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="want 1 to 32"):
        export_info(class_names=names)


def test_class_names_that_no_column_can_list_together_are_refused() -> None:
    names = ("background", *(f"{place:02d}{'x' * 28}" for place in range(17)))
    with pytest.raises(InputError, match=r"take 526 bytes .* want at most 512"):
        export_info(class_names=names)
    assert len(join_names(export_info(class_names=names[:-1]).class_names[1:], "requested")) == 495
    with pytest.raises(SchemaError, match="classes_present would take 526 bytes"):
        join_names(names[1:], "classes_present")


def test_unreadable_sample_names_shard_and_rows(tmp_path: Path) -> None:
    write_export(tmp_path)
    path = tmp_path / shard_name(1)
    with h5py.File(path, "r") as file:
        place = file["masks"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[place.byte_offset + 3] ^= 255
    path.write_bytes(content)
    shards = ShardSet(tmp_path)
    assert shards[5]["mask"].shape == (16, 12)
    with pytest.raises(DamagedError, match=r"samples 2 to 2 of .*shard-00001\.h5 cannot be read"):
        shards[6]


@pytest.mark.parametrize("name", ["README.md", "manifest.json", "croissant.json", "tables.h5"])
def test_a_users_own_file_is_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(InputError, match=rf"holds {name}, which is of no export"):
        writer.prepare_folder(tmp_path, export_info(), 2)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"mine": 1}'
