"""Freeze-D: the finest trained blocks stay as they were, the rest learns, growth ends it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_gan_trainer import config, scan_file

from xraysynth.errors import CheckpointError
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import discriminator_path, load_tensors
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


def test_freezing_random_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="wants `init`"):
        config(freeze_discriminator=1)
