"""`evaluate gan`: what a run keeps for the next one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluated_gan import SIMULATION, SMALL, labelled_scans, small_generator

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate_batch
from xraysynth.evaluate import contents_classifier, gan_material, kept
from xraysynth.evaluate.contents_batches import (
    ContentsClassifierConfig,
    labelled_rows,
)
from xraysynth.evaluate.feature_network import Features
from xraysynth.evaluate.gan import GanSource, evaluate_gan
from xraysynth.gan.checkpoint import save_generator, save_tensors


def test_second_run_looks_up_what_the_first_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "g.safetensors"
    generator = small_generator(label_names=("gun", "knife"))
    save_generator(path, generator, {"simulate": SIMULATION})
    classifier = ContentsClassifierConfig(scans=40, steps=2, batch=8, width=4)
    changes = {"requested": 4, "count": 20, "classifier": classifier}
    config = SMALL.model_copy(update={**changes, "cache": tmp_path / "cache"})
    first = evaluate_gan(GanSource(gan=path), config, 0, tmp_path / "first.json")
    unkept = evaluate_gan(
        GanSource(gan=path), SMALL.model_copy(update=changes), 0, tmp_path / "unkept.json"
    )
    assert len(list((tmp_path / "cache").iterdir())) == 3

    def refused(*_: object) -> Path:
        raise AssertionError("made again")

    monkeypatch.setattr(gan_material, "simulate", refused)
    monkeypatch.setattr(contents_classifier, "train_contents_classifier", refused)
    again = evaluate_gan(GanSource(gan=path), config, 0, tmp_path / "again.json")
    assert first == unkept == again


def test_features_are_kept_by_what_the_pictures_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def network(pictures: np.ndarray, *_: object) -> Features:
        seen.append(len(pictures))
        wide = pictures.reshape(len(pictures), -1).astype(np.float32)
        return Features(pooled=wide, middle=wide[:, :3])

    monkeypatch.setattr(kept, "features_of", network)
    store, silent_network = kept.Kept(tmp_path), torch.nn.Identity()
    pictures = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
    results = [
        kept.kept_features(given, silent_network, store)
        for given in (pictures, pictures.copy(), pictures[:1], pictures)
    ]
    assert seen == [2, 1]
    np.testing.assert_array_equal(results[1].pooled, results[0].pooled)
    for file in tmp_path.iterdir():  # A damaged file is made again.
        file.write_bytes(file.read_bytes()[:50])
    np.testing.assert_array_equal(
        kept.kept_features(pictures, silent_network, store).middle, results[0].middle
    )
    assert seen == [2, 1, 2]


def test_changed_scanner_and_damaged_file_are_simulated_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimulationConfig.model_validate(SIMULATION)
    run = gan_material.Simulation(settings, 3, 0, 1, "scans")
    store = kept.Kept(tmp_path / "cache")

    def made() -> Path:
        return gan_material.simulated(run, store, tmp_path)

    first = made()
    whole = first.read_bytes()
    first.write_bytes(whole[:100])
    assert made() == first and first.read_bytes() == whole
    other = simulate_batch(settings, 1, range(2))
    monkeypatch.setattr(gan_material, "simulate_batch", lambda *_: other)
    assert made() != first


def test_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = kept.Kept(tmp_path / "file" / "cache")
    run = gan_material.Simulation(SimulationConfig.model_validate(SIMULATION), 2, 0, 1, "scans")
    assert gan_material.simulated(run, store, tmp_path).parent == tmp_path
    kept.keep_tensors(store.path("x.safetensors", 0), "x", {"a": torch.zeros(1)})
    assert kept.kept_tensors(store.path("x.safetensors", 0), "x") is None


def test_kept_work_that_is_not_what_was_kept_is_made_anew(tmp_path: Path) -> None:
    store = kept.Kept(tmp_path / "cache")
    path = store.path("x.safetensors", 0)
    assert path is not None
    kept.keep_tensors(path, "x", {"a": torch.zeros(64)})
    assert kept.kept_tensors(path, "x") is not None
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert kept.kept_tensors(path, "x") is None
    save_tensors(path, {"a": torch.zeros(64)}, {"kind": "x"})  # As it was kept before hashes.
    assert kept.kept_tensors(path, "x") is None


def test_kept_classifier_that_does_not_fit_is_trained_anew(tmp_path: Path) -> None:
    names, store = ("gun",), kept.Kept(tmp_path / "cache")
    given = labelled_rows(labelled_scans(tmp_path, 40, 3, size_px=16), names)
    classifier = ContentsClassifierConfig(steps=1, width=4, batch=8)

    def weights() -> dict[str, torch.Tensor]:
        model = contents_classifier.kept_contents_classifier(given, names, classifier, 0, store)
        return model.state_dict()

    first = weights()
    (path,) = (tmp_path / "cache").iterdir()
    kept.keep_tensors(path, "contents classifier", {"a": torch.zeros(1)})
    again = weights()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_kept_scans_are_named_by_their_labels_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = gan_material.Simulation(SimulationConfig.model_validate(SIMULATION), 3, 0, 1, "scans")
    store = kept.Kept(tmp_path / "cache")
    first = gan_material.simulated(run, store, tmp_path)
    other = simulate_batch(run.settings, run.seed, range(2))
    other.metadata["labels"] = b"[]"
    monkeypatch.setattr(gan_material, "simulate_batch", lambda *_: other)
    assert gan_material.simulated(run, store, tmp_path) != first
