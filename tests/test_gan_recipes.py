"""The comparison of recipes: equal time, resumable, a page that says what was measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from test_gan_trainer import TINY, scan_file

from xraysynth.errors import CheckpointError
from xraysynth.files import read_json

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SLICE_S = 0.2


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the program with two small recipes, without the network that takes most time."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    settings: Any = importlib.import_module("gan_recipes_settings")
    page: Any = importlib.import_module("gan_recipes_page")
    program: Any = importlib.import_module("gan_recipes")
    small = settings.RELATIVISTIC | {"batch": 4, "network": TINY.model_dump()}
    chosen = (
        settings.Recipe("whole", "at once", small),
        settings.Recipe("grown", "smaller first", small, ((16, SLICE_S),)),
    )
    monkeypatch.setattr(page, "RECIPES", chosen)
    monkeypatch.setattr(program, "RECIPES", chosen)
    monkeypatch.setattr(program, "feature_network", lambda: None)
    return program


def run(program: Any, monkeypatch: pytest.MonkeyPatch, folder: Path, seconds: float) -> None:
    scans = folder / "scans.h5"
    if not scans.is_file():
        scan_file(scans, 32, 32)
    options = ["--minutes", str(seconds / 60), "--slice-seconds", str(SLICE_S), "--count", "12"]
    page = ["--out", str(folder / "out"), "--markdown", str(folder / "docs/results/page.md")]
    monkeypatch.setattr("sys.argv", ["gan_recipes.py", str(scans), *options, *page])
    program.main()


def test_stopped_comparison_goes_on_and_writes_its_page(
    recipes: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(recipes, monkeypatch, tmp_path, SLICE_S)
    first = read_json(tmp_path / "out/whole/curve.json")
    run(recipes, monkeypatch, tmp_path, 2 * SLICE_S)
    curves = {name: read_json(tmp_path / f"out/{name}/curve.json") for name in ("whole", "grown")}
    assert len(first) == 1
    assert curves["whole"][:1] == first
    for curve in curves.values():
        assert len(curve) == 2
        assert SLICE_S <= curve[0]["seconds"] < curve[1]["seconds"]
    assert [entry["resolution"] for entry in curves["grown"]] == [16, 32]
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["recipes"]["whole"] == curves["whole"][-1]
    names = {"sliced Wasserstein 32 px", "sliced Wasserstein 16 px", "power spectrum (dB)"}
    assert names < set(last["real_halves"])
    text = (tmp_path / "docs/results/page.md").read_text(encoding="utf-8")
    kimg = curves["grown"][-1]["kimg"]
    assert f"| grown | {curves['grown'][-1]['seconds']:.0f} | {kimg:.1f} |" in text
    assert (tmp_path / "docs/images/gan-recipes.png").is_file()


def test_other_settings_do_not_go_on(
    recipes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(recipes, monkeypatch, tmp_path, SLICE_S)
    slower = recipes.RECIPES[0].settings | {"learning_rate": 0.001}
    changed = type(recipes.RECIPES[0])("whole", "slower", slower)
    monkeypatch.setattr(recipes, "RECIPES", (changed,))
    with pytest.raises(CheckpointError, match="other settings"):
        run(recipes, monkeypatch, tmp_path, 2 * SLICE_S)


def test_what_was_written_by_hand_stays(recipes: Any, tmp_path: Path) -> None:
    page: Any = importlib.import_module("gan_recipes_page")
    path = tmp_path / "page.md"
    path.write_text(f"# Title\n\n{page.BEGIN}\nold\n{page.END}\n\nProse.\n", encoding="utf-8")
    assert page.table({}, {"FD": 1.5}).splitlines()[-1] == "| other real scans |  |  | 1.5 |"
    page.write_between(path, "new")
    assert path.read_text(encoding="utf-8") == (
        f"# Title\n\n{page.BEGIN}\nnew\n{page.END}\n\nProse.\n"
    )
