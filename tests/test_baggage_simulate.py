"""Files of simulated scans: the same bytes for any number of workers, and after a kill."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xraysynth import scanfile, schema
from xraysynth.baggage import SimulationConfig, simulate, simulate_scan
from xraysynth.errors import DamagedError, SettingsError
from xraysynth.files import sha256_file

TINY = SimulationConfig(size_px=16, clutter=(0, 2))
TWO_VIEWS = SimulationConfig(size_px=32, clutter=(1, 3), threats=(0, 2), views=2, two_bags=0)


def test_file_holds_what_single_scans_are(tmp_path: Path) -> None:
    with scanfile.open_scans(simulate(TINY, 3, 7, tmp_path / "scans.h5")) as file:
        assert scanfile.class_names(file) == schema.class_names()
        assert file["images"].shape == (3, 16, 16, 3)
        for index in range(3):
            scan = simulate_scan(TINY, 7, index)
            np.testing.assert_array_equal(file["images"][index], scan.image)
            np.testing.assert_array_equal(file["masks"][index], scan.label_map)
            np.testing.assert_array_equal(file["overlaps"][index], scan.overlaps)
        schema.validate("scans", file["metadata"][:])
        schema.validate("items", file["items"][:])
        assert file["metadata"]["n_items"].sum() == len(file["items"]) - 3


def test_killed_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole = simulate(TINY, 40, 0, tmp_path / "whole.h5")
    out = tmp_path / "killed.h5"

    def stop(done: int, total: int, note: str = "") -> None:
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(TINY, 40, 0, out, progress=stop)
    assert not out.exists()
    parts = sorted(tmp_path.glob(".killed.h5.parts/*/part-*.h5"))
    assert [part.name for part in parts] == ["part-00000.h5", "part-00001.h5"]
    parts[1].write_bytes(parts[1].read_bytes()[:1000])
    before = parts[0].stat().st_mtime_ns

    def first_part_is_kept(done: int, total: int, note: str = "") -> None:
        assert parts[0].stat().st_mtime_ns == before

    simulate(TINY, 40, 0, out, progress=first_part_is_kept)
    assert sha256_file(out) == sha256_file(whole)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_parts_of_other_settings_are_not_used(tmp_path: Path) -> None:
    out = tmp_path / "scans.h5"

    def stop(done: int, total: int, note: str = "") -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(TINY, 18, 0, out, progress=stop)
    simulate(TINY, 18, 1, out)
    fresh = simulate(TINY, 18, 1, tmp_path / "fresh.h5")
    assert sha256_file(out) == sha256_file(fresh)


@pytest.mark.parametrize(
    ("count", "seed", "workers", "sentence"),
    [
        (0, 0, 1, "count is 0; want a whole number of at least 1."),
        (5, -1, 1, "seed is -1; want a whole number of at least 0."),
        (5, 0, 0, "workers is 0; want a whole number of at least 1."),
    ],
)
def test_impossible_numbers_are_refused(
    tmp_path: Path, count: int, seed: int, workers: int, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        simulate(TINY, count, seed, tmp_path / "scans.h5", workers)


def test_two_views_of_two_workers_are_the_bytes_of_one(tmp_path: Path) -> None:
    one = simulate(TWO_VIEWS, 17, 0, tmp_path / "one.h5", workers=1)
    two = simulate(TWO_VIEWS, 17, 0, tmp_path / "two.h5", workers=2)
    assert sha256_file(one) == sha256_file(two)


def test_a_process_killed_outright_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    out, whole = tmp_path / "killed.h5", tmp_path / "whole.h5"
    words = [sys.executable, "-m", "xraysynth", "simulate", "--count", "33", "--size", "16"]
    words += ["--set", "clutter=[0, 2]"]
    child = subprocess.Popen([*words, "--out", str(out)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".killed.h5.parts/*/part-00000.h5")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert not out.exists()
    simulate(TINY, 33, 0, out)
    assert sha256_file(out) == sha256_file(simulate(TINY, 33, 0, whole))


def test_views_of_a_scan_are_rows_side_by_side(tmp_path: Path) -> None:
    with scanfile.open_scans(simulate(TWO_VIEWS, 3, 0, tmp_path / "scans.h5")) as file:
        metadata, items, parts = (file[name][:] for name in ("metadata", "items", "parts"))
        assert scanfile.n_views(file) == 2
        assert file["images"].shape == (6, 32, 32, 3)
        assert metadata["view_id"].tolist() == [0, 1] * 3
        assert (metadata["scan_id"][::2] == metadata["scan_id"][1::2]).all()
        for name, rows in (("scans", metadata), ("items", items), ("parts", parts)):
            schema.validate(name, rows)
        assert (items["view_id"] == 0).sum() == (items["view_id"] == 1).sum()


def test_masks_read_from_the_file_are_those_of_the_scan(tmp_path: Path) -> None:
    with scanfile.open_scans(simulate(TWO_VIEWS, 18, 5, tmp_path / "scans.h5")) as file:
        items, parts = file["items"][:], file["parts"][:]
        for index, view_id in ((0, 0), (11, 1), (17, 1)):
            scan = simulate_scan(TWO_VIEWS, 5, index, view_id)
            for name, rows, read in (
                ("items", items, scanfile.item_mask),
                ("parts", parts, scanfile.part_mask),
            ):
                own = rows[(rows["scan_id"] == scan.items["scan_id"][0])]
                own = own[own["view_id"] == view_id]
                assert len(own) == len(getattr(scan, name))
                for row, fresh in zip(own, getattr(scan, name), strict=True):
                    np.testing.assert_array_equal(read(file, row), scan.mask(fresh))


def test_overlaps_are_the_union_of_the_items_masks(tmp_path: Path) -> None:
    # Items of one class may reach the threshold together only: more bits than masks, never fewer.
    with scanfile.open_scans(simulate(TWO_VIEWS, 2, 0, tmp_path / "scans.h5")) as file:
        items = file["items"][:]
        for place, scan in enumerate(file["metadata"][:]):
            overlaps = file["overlaps"][place]
            own = items[
                (items["scan_id"] == scan["scan_id"]) & (items["view_id"] == scan["view_id"])
            ]
            union = np.zeros_like(overlaps)
            for row in own:
                mask = scanfile.item_mask(file, row)
                union[mask] |= np.uint32(1 << int(row["class_id"]))
            assert not (union & ~overlaps).any()
            assert (union == overlaps).mean() > 0.995


def test_pycocotools_reads_the_masks(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    with scanfile.open_scans(simulate(TWO_VIEWS, 1, 0, tmp_path / "scans.h5")) as file:
        for row in file["parts"][:]:
            runs = file["mask_runs"][row["runs_start"] :][: row["runs_count"]].tolist()
            encoded = coco.frPyObjects({"counts": runs, "size": [32, 32]}, 32, 32)
            np.testing.assert_array_equal(coco.decode(encoded) == 1, scanfile.part_mask(file, row))


def test_pandas_reads_the_tables(tmp_path: Path) -> None:
    out = simulate(TWO_VIEWS, 2, 0, tmp_path / "scans.h5")
    for name in ("metadata", "items", "parts"):
        frame = pd.read_hdf(out, name)
        with scanfile.open_scans(out) as file:
            assert len(frame) == len(file[name])
            assert list(frame.columns) == list(file[name].dtype.names)


def test_damaged_runs_are_told(tmp_path: Path) -> None:
    with scanfile.open_scans(simulate(TINY, 1, 0, tmp_path / "scans.h5")) as file:
        row = file["items"][0]
        row["runs_count"] += 1
        with pytest.raises(DamagedError, match=r"scans.h5 is damaged: the runs fill \d+ pixels"):
            scanfile.item_mask(file, row)


def test_files_without_part_masks_have_no_parts(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"part_masks": False})
    with scanfile.open_scans(simulate(config, 2, 0, tmp_path / "scans.h5")) as file:
        assert "parts" not in file
        assert scanfile.item_mask(file, file["items"][0]).sum() == file["items"][0]["area_px"]


def test_more_scans_than_a_file_can_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="want at most 10000000 scans in one file"):
        simulate(TINY, 10**12, 0, tmp_path / "scans.h5")
