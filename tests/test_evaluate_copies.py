"""`evaluate gan`: copies of training scans are found, however the held-out scans were chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated_gan import SIMULATION, SMALL, small_generator

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.errors import InputError
from xraysynth.evaluate import gan as evaluation
from xraysynth.evaluate.gan import GanSource, evaluate_gan
from xraysynth.evaluate.memorisation import Nearest, copy_figures, nearest
from xraysynth.gan.checkpoint import save_generator
from xraysynth.scanfile import ScanBatch, open_scans, write_scans


@pytest.fixture
def gan(tmp_path: Path) -> Path:
    path = tmp_path / "g.safetensors"
    save_generator(path, small_generator(), {"simulate": SIMULATION})
    return path


def scans_of(path: Path, count: int, seed: int) -> Path:
    return simulate(SimulationConfig.model_validate(SIMULATION), count, seed, path)


def joined(path: Path, parts: list[tuple[Path, int]]) -> Path:
    """Write the first scans of some files, as many as each comes with, to one file."""
    pictures, metadata = [], []
    for part, count in parts:
        with open_scans(part) as file:
            pictures.append(file["images"][:count])
            metadata.append(file["metadata"][:count])
    batch = ScanBatch(images=np.concatenate(pictures), metadata=np.concatenate(metadata))
    write_scans(path, iter([batch]), count=len(batch.images), classes=[], attributes={})
    return path


def test_held_out_scans_among_the_training_scans_do_not_hide_copies(
    gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = scans_of(tmp_path / "training.h5", 30, 5)
    held_out = joined(
        tmp_path / "held.h5", [(scans_of(tmp_path / "new.h5", 20, 6), 20), (training, 4)]
    )
    with open_scans(training) as file:
        learned = file["images"][:]
    monkeypatch.setattr(evaluation, "made_pictures", lambda *_: learned[:12])
    source = GanSource(gan=gan, scans=held_out, training=training)
    found = evaluate_gan(source, SMALL, 0, tmp_path / "gan.json")["nearest"]
    assert found["near_copies"] == 1.0
    assert found["fresh_scans_left_out"] == 4
    assert found["median_distance_of_fresh_scans"] > 0


def test_copies_of_training_scans_that_are_not_compared_count(
    gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large training file some scans are looked at, but all are known by their pixels."""
    training = scans_of(tmp_path / "training.h5", 80, 5)
    with open_scans(training) as file:
        learned = file["images"][:]
    source = GanSource(gan=gan, scans=scans_of(tmp_path / "new.h5", 24, 6), training=training)
    for some in (learned[:12], learned[-12:]):
        monkeypatch.setattr(evaluation, "made_pictures", lambda *_, some=some: some)
        found = evaluate_gan(source, SMALL, 0, tmp_path / "gan.json")["nearest"]
        assert found["among"] == "48 training scans"
        assert found["near_copies"] == 1.0


@pytest.mark.parametrize("whole", [True, False])
def test_held_out_scans_that_were_all_learned_from_are_refused(
    gan: Path, tmp_path: Path, whole: bool
) -> None:
    training = scans_of(tmp_path / "training.h5", 80, 5)
    held_out = training if whole else joined(tmp_path / "held.h5", [(training, 24)])
    source = GanSource(gan=gan, scans=held_out, training=training)
    with pytest.raises(InputError, match=r"are all in .* as well; want held-out scans"):
        evaluate_gan(source, SMALL, 0, tmp_path / "gan.json")
    assert not (tmp_path / "gan.json").exists()


def test_features_that_are_equal_have_no_distance() -> None:
    rng = np.random.default_rng(0)
    references = rng.normal(1000, 1, (400, 16))
    found = nearest(references[:50], references)
    assert not found.distance.any()
    np.testing.assert_array_equal(found.index, np.arange(50))


def test_an_exact_copy_counts_whatever_the_yardstick() -> None:
    made = Nearest(np.arange(4), np.array([0.0, 0.0, 1.0, 9.0]))
    fresh = Nearest(np.arange(200), np.r_[np.zeros(4), np.linspace(5, 6, 196)])
    figures = copy_figures(made, fresh)
    assert figures["near_copies"] == 0.75
    assert figures["fresh_scans_left_out"] == 4
    assert copy_figures(made, Nearest(np.arange(4), np.zeros(4)))["near_copies"] == 0.5
