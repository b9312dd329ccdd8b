"""`evaluate gan`: a generator of known quality gets the figures that it deserves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from evaluated_gan import SIMULATION, SMALL, labelled_scans, small_generator
from PIL import Image

from xraysynth import scanfile
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.cli import main
from xraysynth.errors import InputError, StorageError
from xraysynth.evaluate import gan as evaluation
from xraysynth.evaluate import requested
from xraysynth.evaluate.contents_batches import (
    ContentsClassifierConfig,
    labelled_batches,
    labelled_rows,
)
from xraysynth.evaluate.contents_classifier import own_figures, train_contents_classifier
from xraysynth.evaluate.gan import GanSource, evaluate_gan
from xraysynth.evaluate.gan_material import asked_as, simulation_settings
from xraysynth.evaluate.memorisation import Nearest, copy_figures, nearest
from xraysynth.gan.checkpoint import save_generator
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.scanfile import open_scans


@pytest.fixture
def gan(tmp_path: Path) -> Path:
    path = tmp_path / "g.safetensors"
    save_generator(path, small_generator(), {"simulate": SIMULATION})
    return path


def test_generator_that_draws_real_scans_is_as_near_as_real_halves(
    gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the generator's samples stand further simulated scans: nothing can be nearer."""
    config = SMALL.model_copy(update={"count": 24})
    report = evaluate_gan(GanSource(gan=gan), config, 0, tmp_path / "fresh.json")
    other = simulate(SimulationConfig.model_validate(SIMULATION), 24, 987, tmp_path / "other.h5")
    with open_scans(other) as file:
        scans = file["images"][:]
    monkeypatch.setattr(evaluation, "made_pictures", lambda *_: scans)
    ideal = evaluate_gan(GanSource(gan=gan), config, 0, tmp_path / "ideal.json")
    name = "colour histogram (JS, bit)"
    assert ideal["measures"][name]["ratio"] < 3 < report["measures"][name]["ratio"]
    assert abs(ideal["measures"]["AUC simple"]["made"]["mean"] - 0.5) < 0.25
    assert report["measures"]["AUC simple"]["made"]["mean"] > 0.95


def test_figures_and_pictures_are_written_and_repeat(gan: Path, tmp_path: Path) -> None:
    first, again = (
        evaluate_gan(GanSource(gan=gan), SMALL, 3, tmp_path / name / "gan.json")
        for name in ("a", "b")
    )
    assert first == again == json.loads((tmp_path / "a" / "gan.json").read_text())
    assert first["samples_each"] == 12 and first["real_scans"] == 24
    for picture in ("gan.samples.png", "gan.nearest.png"):
        data = [(tmp_path / name / picture).read_bytes() for name in ("a", "b")]
        assert data[0] == data[1]
        with Image.open(tmp_path / "a" / picture) as image:
            assert image.width == 10 * 18


def test_copies_of_training_scans_are_found(
    gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = simulate(
        SimulationConfig.model_validate(SIMULATION), 30, 5, tmp_path / "training.h5"
    )
    with open_scans(training) as file:
        learned = file["images"][:]
    monkeypatch.setattr(evaluation, "made_pictures", lambda *_: learned[:12])
    source = GanSource(gan=gan, training=training)
    report = evaluate_gan(source, SMALL, 0, tmp_path / "gan.json")
    assert report["nearest"]["near_copies"] == 1.0
    assert report["nearest"]["median_distance"] == 0.0
    assert report["nearest"]["median_distance_of_fresh_scans"] > 0


def test_nearest_is_the_nearest_of_all() -> None:
    rng = np.random.default_rng(0)
    samples, references = rng.normal(size=(40, 3)), rng.normal(size=(700, 3))
    found = nearest(samples, references)
    plain = np.linalg.norm(samples[:, None] - references[None], axis=2)
    np.testing.assert_array_equal(found.index, plain.argmin(1))
    np.testing.assert_allclose(found.distance, plain.min(1), rtol=1e-7)
    alone = nearest(references, references, same=True)
    assert (alone.distance > 0).all()


def test_near_copies_are_about_a_hundredth_without_copying() -> None:
    rng = np.random.default_rng(0)
    made, fresh = (Nearest(np.arange(20_000), rng.random(20_000)) for _ in range(2))
    assert copy_figures(made, fresh)["near_copies"] == pytest.approx(0.01, abs=0.003)


# Contents


def test_classifier_learns_what_scans_hold(tmp_path: Path) -> None:
    names = ("gun", "knife")
    learn = labelled_rows(labelled_scans(tmp_path, 160, 1), names)
    test = labelled_rows(labelled_scans(tmp_path, 64, 2), names)
    config = ContentsClassifierConfig(steps=60, width=6, batch=32)
    figures = [
        own_figures(train_contents_classifier(learn, names, changed, 0), test)
        for changed in (config, config.model_copy(update={"steps": 1}))
    ]
    assert figures[0]["gun"]["auc"] > 0.85
    assert figures[0]["gun"]["auc"] > figures[1]["gun"]["auc"]


def test_what_is_asked_for_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every content is asked for alone, and found where the generator answers with it."""
    generator = small_generator(label_names=("gun", "knife"))
    path = tmp_path / "g.safetensors"
    save_generator(path, generator, {"simulate": SIMULATION})
    asked: list[list[float]] = []

    def answer(network: Generator, seed: int, count: int, *, labels: torch.Tensor) -> np.ndarray:
        asked.append(labels[0].tolist())
        value = np.full((count, 16, 16, 3), 200, np.uint8)
        value[:, 4:12, 4:12, int(labels[0].argmax())] = 0
        return value

    def obvious(model: Any, images: np.ndarray) -> np.ndarray:
        return np.stack([images[:, 8, 8, place] == 0 for place in range(2)], axis=1) - 0.5

    monkeypatch.setattr(requested, "sample_images", answer)
    monkeypatch.setattr(requested, "recognised", obvious)
    config = SMALL.model_copy(
        update={
            "requested": 5,
            "count": 20,
            "classifier": ContentsClassifierConfig(scans=40, steps=2, batch=8, width=4),
        }
    )
    report = evaluate_gan(GanSource(gan=path), config, 0, tmp_path / "gan.json")["requested"]
    assert asked == [[1.0, 0.0], [0.0, 1.0]]
    held_out = report["classifier"]["held_out"]
    for name in ("gun", "knife"):
        found = report["contents"][name]
        assert (found["recognised"], found["false_alarms"]) == (1.0, 0.0)
        assert found["ceiling"] == held_out[name]["recognised"]
        assert found["false_alarms_of_real"] == held_out[name]["false_alarms"]
        assert found["of_ceiling"] == (round(1 / found["ceiling"], 4) if found["ceiling"] else None)
    assert report["classifier"]["training_scans"] == 40
    assert 0 <= held_out["gun"]["auc"] <= 1


@pytest.mark.parametrize("place_px", [4, 5])
def test_places_turn_with_their_scans(tmp_path: Path, place_px: int) -> None:
    """Scans that show nothing but their guns: what is bright is where the mask says."""
    known = labelled_scans(tmp_path, 40, 3)
    with h5py.File(known, "r+") as file:
        bit = 1 << scanfile.class_names(file).index("gun")
        guns = (file["overlaps"][:] & bit) > 0
        file["images"][:] = 255 * np.repeat(guns[..., None], 3, axis=3).astype(np.uint8)
    names = ("gun", "knife")
    config = ContentsClassifierConfig(steps=6, batch=16, noise=0, blur_probability=0)
    rows = labelled_rows(known, names)
    for scans, present, places in labelled_batches(rows, names, config, place_px, 0):
        if place_px == 5:  # 32 px are no multiple: only sizes are of use.
            assert places is not None and places.shape == (16, 2, 7, 7)
            continue
        bright = torch.nn.functional.max_pool2d(scans[:, 0], place_px) > 0
        assert places is not None and places.amax() == 1
        assert torch.equal(bright, places[:, 0] > 0)
        assert torch.equal(places[:, 0].amax((1, 2)) > 0, present[:, 0] > 0)


def test_scans_without_masks_teach_by_their_labels(tmp_path: Path) -> None:
    known = labelled_scans(tmp_path, 40, 4)
    with h5py.File(known, "r+") as file:
        del file["overlaps"]
    names = ("gun", "knife")
    config = ContentsClassifierConfig(steps=1, batch=8)
    (batch,) = labelled_batches(labelled_rows(known, names), names, config, 4, 0)
    assert batch[2] is None


def test_scans_without_one_of_the_threats_teach_nothing(tmp_path: Path) -> None:
    settings = SimulationConfig(size_px=16, threats=(1, 1), threat_classes=("gun",))
    scans = simulate(settings, 40, 0, tmp_path / "s.h5")
    with pytest.raises(InputError, match="gun is in all of the scans"):
        labelled_rows(scans, ("gun",))
    with pytest.raises(InputError, match="knife is in none of the scans"):
        labelled_rows(scans, ("knife",))


# Errors, command line


def test_generator_without_settings_asks_for_scans(tmp_path: Path) -> None:
    save_generator(tmp_path / "g.safetensors", small_generator())
    with pytest.raises(InputError, match=r"--scans REAL\.h5, or .*--training SCANS\.h5"):
        simulation_settings(tmp_path / "g.safetensors")
    settings = SimulationConfig.model_validate(SIMULATION)
    training = simulate(settings, 2, 0, tmp_path / "s.h5")
    assert simulation_settings(tmp_path / "g.safetensors", training) == settings


def test_scans_of_another_size_are_named(
    gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = simulate(SimulationConfig(size_px=32), 2, 0, tmp_path / "s.h5")
    out = tmp_path / "gan.json"
    arguments = ["evaluate", "gan", "--gan", str(gan), "--scans", str(scans), "--out", str(out)]
    assert main([*arguments, "--no-network"]) == 2
    assert "32 x 32 with 3 channels" in capsys.readouterr().err
    assert not out.exists()


def test_command_prints_the_figures(
    gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = str(tmp_path / "cache")
    arguments = ["evaluate", "gan", "--gan", str(gan), "--count", "12", "--no-network"]
    arguments += ["--cache", cache]
    assert main([*arguments, "--set", "splits=1", "--out", str(tmp_path / "gan.json")]) == 0
    printed = capsys.readouterr().out
    assert (
        "generated" in printed and "real halves" in printed and "12 scans of each kind" in printed
    )


def test_scans_are_asked_for_what_the_held_out_ones_hold(tmp_path: Path) -> None:
    config = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, channel_max=8, label_names=("gun", "knife", UNKNOWN)
    )
    settings = SimulationConfig.model_validate(
        SIMULATION | {"threats": (1, 1), "threat_classes": ("knife",)}
    )
    scans = simulate(settings, 8, 1, tmp_path / "scans.h5")
    asked = asked_as(scans, Generator(config), 20, 0)
    assert asked is not None and asked.tolist() == [[0.0, 1.0, 0.0]] * 20
    assert asked_as(scans, small_generator(), 20, 0) is None


def test_unlabelled_scans_are_not_asked_for_as_empty_ones(tmp_path: Path) -> None:
    settings = SimulationConfig.model_validate(
        SIMULATION | {"threats": (1, 1), "threat_classes": ("knife",)}
    )
    scans = simulate(settings, 8, 1, tmp_path / "scans.h5")
    generator = small_generator(label_names=("gun", "knife"))
    with h5py.File(scans, "r+") as file:
        rows = file["metadata"][:]
        rows["labels"][1:] = b""
        file["metadata"][:] = rows
    asked = asked_as(scans, generator, 20, 0)
    assert asked is not None and asked.tolist() == [[0.0, 1.0]] * 20
    with h5py.File(scans, "r+") as file:
        rows["labels"] = b""
        file["metadata"][:] = rows
    assert asked_as(scans, generator, 20, 0) is None


def test_contents_that_no_test_scan_holds_have_no_area(tmp_path: Path) -> None:
    names = ("gun",)
    given = labelled_rows(labelled_scans(tmp_path, 40, 3, size_px=16), names)
    classifier = ContentsClassifierConfig(steps=1, width=4, batch=8)
    model = train_contents_classifier(given, names, classifier, 0)
    without = np.flatnonzero(given.present[:, 0] == 0)
    test = replace(given, rows=given.rows[without], present=given.present[without])
    figures = own_figures(model, test)["gun"]
    assert figures["auc"] is None and figures["recognised"] is None
    assert figures["false_alarms"] is not None


@pytest.mark.parametrize("option", [["--count", "12"], ["--workers", "2"], ["--no-network"]])
def test_settings_given_twice_are_refused(
    gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    name = option[0].removeprefix("--").removeprefix("no-")
    arguments = ["evaluate", "gan", "--gan", str(gan), "--out", str(tmp_path / "gan.json")]
    assert main([*arguments, *option, "--set", f"{name}=13"]) == 2
    assert "are for the same setting" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "material", None)
    with pytest.raises(StorageError, match="could not be written"):
        evaluate_gan(GanSource(gan=gan), SMALL, 0, gan / "gan.json")
