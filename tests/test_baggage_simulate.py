"""Files of simulated scans: the same bytes for any number of workers, and after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xraysynth import scanfile, schema
from xraysynth.baggage import SimulationConfig, simulate, simulate_scan
from xraysynth.errors import SettingsError
from xraysynth.files import sha256_file

TINY = SimulationConfig(size_px=16, clutter=(0, 2))


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


def test_two_workers_write_the_same_bytes_as_one(tmp_path: Path) -> None:
    one = simulate(TINY, 40, 0, tmp_path / "one.h5", workers=1)
    two = simulate(TINY, 40, 0, tmp_path / "two.h5", workers=2)
    assert sha256_file(one) == sha256_file(two)
