"""What stays as it was trained: fine blocks of the discriminator, or the grown generator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_gan_trainer import TINY, Cut, config, cut_after, scan_file

from xraysynth.errors import CheckpointError, InputError
from xraysynth.files import sha256_file
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import discriminator_path, load_generator, load_tensors
from xraysynth.gan.state import let_learn


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return scan_file(tmp_path / "scans.h5")


@pytest.fixture
def trained(tmp_path: Path, scans: Path) -> Path:
    return trainer.train(scans, tmp_path / "first", config(kimg=0.024))


def judge_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    path = discriminator_path(checkpoint)
    assert path is not None
    return load_tensors(path, "discriminator")[0]


@pytest.mark.parametrize(("blocks", "frozen"), [(0, ()), (1, ("b16.",)), (2, ("b16.", "b8."))])
def test_the_finest_blocks_stay_and_all_others_learn(
    tmp_path: Path, scans: Path, trained: Path, blocks: int, frozen: tuple[str, ...]
) -> None:
    settings = config(init=str(trained), freeze_discriminator=blocks)
    before = judge_of(trained)
    after = judge_of(trainer.train(scans, tmp_path / "second", settings))
    stayed = {name for name in before if torch.equal(before[name], after[name])}
    assert stayed == {name for name in before if name.startswith(frozen)}


def test_all_blocks_learn_once_the_networks_have_grown(trained: Path) -> None:
    settings = config(init=str(trained), freeze_discriminator=2)
    state = training.start(settings, 0, 16, 3)
    let_learn(state, settings)
    learning = [part.requires_grad for part in state.discriminator.parameters()]
    assert True in learning and False in learning
    state.images_seen = 100
    training.grow(state, settings, 0, 32)
    let_learn(state, settings)
    assert all(part.requires_grad for part in state.discriminator.parameters())


def test_nothing_to_freeze_is_named(tmp_path: Path, scans: Path, trained: Path) -> None:
    partner = discriminator_path(trained)
    assert partner is not None
    partner.unlink()
    with pytest.raises(CheckpointError, match="freeze_discriminator: 0"):
        settings = config(init=str(trained), freeze_discriminator=1)
        trainer.train(scans, tmp_path / "second", settings)


def test_a_discriminator_that_does_not_fit_is_told_of(
    tmp_path: Path, scans: Path, trained: Path
) -> None:
    def notes(out: str) -> list[str]:
        told: list[str] = []
        settings = config(init=str(trained), kimg=0.004)
        trainer.train(scans, tmp_path / out, settings, progress=lambda *now: told.append(now[2]))
        return told

    assert not any("does not fit" in note for note in notes("fits"))
    narrow = TINY.model_copy(update={"channel_max": 6})
    foreign = discriminator_path(
        trainer.train(scans, tmp_path / "narrow", config(kimg=0.004, network=narrow))
    )
    own = discriminator_path(trained)
    assert own is not None and foreign is not None
    own.write_bytes(foreign.read_bytes())
    sentence = f"the discriminator beside {trained} does not fit; a new one learns"
    assert sentence in notes("not")[0]


def test_freezing_random_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="wants `init`"):
        config(freeze_discriminator=1)


def test_a_frozen_generator_learns_in_what_growth_adds_alone(tmp_path: Path, trained: Path) -> None:
    larger = scan_file(tmp_path / "larger.h5", size_px=32, count=8)
    settings = config(init=str(trained), freeze_generator=True)
    grown = trainer.train(larger, tmp_path / "grown", settings)
    before, after = (load_generator(path).state_dict() for path in (trained, grown))
    stayed = {name for name in before if torch.equal(before[name], after[name])}
    assert set(before) == stayed  # The mean of codes as well: they are the same as ever.
    first = load_tensors(tmp_path / "grown" / "checkpoint.safetensors", "generator")[0]
    untrained = training.start(settings, 0, 16, 3)
    training.grow(untrained, settings, 0, 32)
    new = {name: t for name, t in untrained.average.state_dict().items() if ".b32." in name}
    learned = {name for name in new if not torch.equal(first[name], new[name])}
    assert learned == {name for name in new if not name.endswith("noise_const")}


def test_a_frozen_generator_stays_frozen_after_a_cut(tmp_path: Path, trained: Path) -> None:
    larger = scan_file(tmp_path / "larger.h5", size_px=32, count=8)
    settings = config(init=str(trained), freeze_generator=True)
    whole = trainer.train(larger, tmp_path / "whole", settings)
    countdown = cut_after(5)
    with pytest.raises(Cut):
        trainer.train(larger, tmp_path / "cut", settings, progress=lambda *_: next(countdown))
    assert sha256_file(trainer.train(larger, tmp_path / "cut", settings)) == sha256_file(whole)


def test_a_frozen_generator_with_nothing_to_learn_is_named(
    tmp_path: Path, scans: Path, trained: Path
) -> None:
    with pytest.raises(InputError, match="at the 16 px of these scans nothing would be left"):
        settings = config(init=str(trained), freeze_generator=True)
        trainer.train(scans, tmp_path / "second", settings)
    with pytest.raises(ValueError, match="freeze_generator wants `init`"):
        config(freeze_generator=True)
