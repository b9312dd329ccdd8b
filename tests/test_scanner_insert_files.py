"""The command `insert`: files in, files out, and what is said of files that do not serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraysynth.cli import main
from xraysynth.scanner.insert_files import InsertionJob, insert_files
from xraysynth.scanner.insertion import InsertionConfig
from xraysynth.scanner.pairs import read_pair

AIR = 60_000
ENDINGS = ("low", "high", "mask", "colour")


def write_pair(folder: Path, name: str, low: np.ndarray, high: np.ndarray) -> None:
    """Write one raw pair."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, channel in (("low", low), ("high", high)):
        values = np.rint(channel * AIR).astype(np.uint16)
        Image.fromarray(values).save(folder / f"{name}_{ending}.png")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write two bags and a threat of each of two classes."""
    for index in range(2):
        bag = np.ones((90, 110))
        bag[10:80, 10:100] = 0.6 + 0.05 * index
        write_pair(tmp_path / "bags", f"bag_{index}", bag, bag**0.8)
    for name, size in (("gun", 20), ("knife", 12)):
        threat = np.ones((30, 30))
        threat[5 : 5 + size, 8:18] = 0.3
        write_pair(tmp_path / "threats" / name, f"{name}_0", threat, threat**0.45)
    return tmp_path


def run(raw: Path, out: str, *more: str) -> int:
    """Run the command."""
    folders = ["--bags", raw / "bags", "--threats", raw / "threats", "--out", raw / out]
    return main(["insert", *map(str, folders), "--count", "3", *more])


def test_pictures_table_and_masks_belong_together(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raw, "out", "--palette", "sixray_white") == 0
    assert "3 scans with an inserted threat" in capsys.readouterr().out
    table = pd.read_csv(raw / "out" / "insertions.csv")
    assert set(table["class"]) <= {"gun", "knife"}
    for row in table.to_dict("records"):
        files = [raw / "out" / f"{row['name']}_{ending}.png" for ending in ENDINGS]
        mask, colour = (np.asarray(Image.open(path)) for path in files[2:])
        rows, cols = np.nonzero(mask)
        box = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
        assert box == (row["left"], row["top"], row["right"], row["bottom"])
        assert row["area_px"] == len(rows)
        assert colour.shape == (90, 110, 3)
        bag = raw / "bags" / row["bag"]
        before, after = (
            read_pair(Path(f"{start}_low.png"), Path(f"{start}_high.png"), AIR)
            for start in (bag, raw / "out" / row["name"])
        )
        changed = np.abs(before.low - after.low) > 0.01
        assert changed[mask > 0].mean() > 0.9
        assert not changed[mask == 0][:1].any()
        own = -np.log(after.low / before.low).astype(float) - np.log(after.high / before.high)
        whole = -np.log(after.low).astype(float) - np.log(after.high)
        assert row["visibility"] == pytest.approx(
            own[mask > 0].sum() / whole[mask > 0].sum(), abs=0.02
        )


def test_same_seed_same_files_and_another_seed_others(raw: Path) -> None:
    for out, seed in (("first", "4"), ("again", "4"), ("other", "5")):
        assert run(raw, out, "--seed", seed) == 0
    first, again, other = (
        {path.name: path.read_bytes() for path in sorted((raw / out).iterdir())}
        for out in ("first", "again", "other")
    )
    assert first == again
    assert first.keys() == other.keys()
    assert first["insertions.csv"] != other["insertions.csv"]


def test_results_can_be_inserted_into_again(raw: Path) -> None:
    assert run(raw, "out") == 0
    job = InsertionJob(
        bags=raw / "out", threats=raw / "threats" / "gun", out=raw / "twice", count=1
    )
    assert insert_files(job, InsertionConfig()).n_insertions == 1


def test_scans_of_simulate_serve_as_bags(tmp_path: Path, raw: Path) -> None:
    scans = str(tmp_path / "scans.h5")
    simulated = ["simulate", "--out", scans, "--count", "1", "--size", "96", "--channels", "dual"]
    assert main(simulated) == 0
    threats = str(raw / "threats" / "knife")
    arguments = ["--bags", scans, "--threats", threats, "--out", str(tmp_path / "out")]
    assert main(["insert", *arguments, "--count", "1"]) == 0
    table = pd.read_csv(tmp_path / "out" / "insertions.csv")
    assert table["bag"].tolist() == ["scans.h5:0"]


def spoil(folder: Path, how: str) -> None:
    """Spoil one file of a folder's only good pair's neighbour."""
    write_pair(folder, "bad", np.full((20, 20), 0.9), np.full((20, 20), 0.9))
    low, high = folder / "bad_low.png", folder / "bad_high.png"
    if how == "missing":
        high.unlink()
    elif how == "size":
        Image.fromarray(np.full((21, 20), AIR, dtype=np.uint16)).save(high)
    elif how == "eight":
        Image.fromarray(np.full((20, 20), 200, dtype=np.uint8)).save(low)
    elif how == "colour":
        Image.fromarray(np.full((20, 20, 3), 200, dtype=np.uint8)).save(low)
    elif how == "text":
        low.write_text("not a picture")
    elif how == "truncated":
        noise = np.random.default_rng(0).integers(0, AIR, (20, 20)).astype(np.uint16)
        Image.fromarray(noise).save(low)
        low.write_bytes(low.read_bytes()[:-300])
    elif how == "dim":
        write_pair(folder, "bad", np.full((20, 20), 0.05), np.full((20, 20), 0.05))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("missing", "bad_high.png is missing beside bad_low.png"),
        ("size", "bad_low.png has 20 x 20 pixels, bad_high.png 20 x 21; want the same"),
        ("eight", "bad_low.png is 8-bit grey; want 16-bit grey"),
        ("colour", "bad_low.png is 8-bit colour; want 16-bit grey"),
        ("text", "bad_low.png is no picture that can be read"),
        ("truncated", "bad_low.png is truncated or damaged"),
        ("dim", "the clearest pixels of bad_low.png have the value 3000"),
    ],
)
def test_pairs_that_do_not_serve_are_set_aside_with_the_reason(
    raw: Path, how: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(raw / "threats" / "knife", how)
    assert run(raw, "out", "--seed", "1", "--count", "8") == 0
    assert "1 set aside, each with its reason" in capsys.readouterr().out
    table = pd.read_csv(raw / "out" / "set_aside.csv")
    assert table["name"].tolist() == ["knife/bad"]
    assert reason in table["reason"][0]
    assert len(pd.read_csv(raw / "out" / "insertions.csv")) == 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bags", "empty"], "holds no pair that serves: want NAME_low.png and NAME_high.png"),
        (["--bags", "absent"], "absent does not exist; want a folder"),
        (["--palette", "neon"], "'neon' is not a palette; want one of standard"),
        (["--air", "70000"], "--air is 70000; pictures of 16 bit hold at most 65535"),
        (["--out", "bags/out"], "choose a folder outside the sources"),
        (["--set", "insides=0.5"], "insides is not a setting; did you mean inside?"),
        (["--set", "scale=[9,9]"], "none of 20 pairs of bag and threat served"),
    ],
)
def test_odd_input_gets_one_sentence(
    raw: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "empty").mkdir()
    places = ("--bags", "--out")
    if arguments[0] in places:
        arguments = [arguments[0], str(raw / arguments[1])]
    assert run(raw, "out", *arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
