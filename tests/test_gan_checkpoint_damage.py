"""Checkpoints whose config was changed, partners that are no sane weights, files not to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gan_labelled import config, labelled_scans
from torch import Tensor

from xraysynth.errors import CheckpointError, DamagedError, InputError, XraysynthError
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import (
    discriminator_path,
    generator_config,
    generator_path,
    load_discriminator,
    load_generator,
    load_tensors,
    save_generator,
    save_tensors,
    tensors_hash,
)
from xraysynth.gan.foreign import import_generator
from xraysynth.gan.generator import Generator

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint whose generator knows guns by request and knives as clutter."""
    folder = tmp_path_factory.mktemp("trained")
    settings = config(labels=["gun"], clutter_weight=1.0, kimg=0.008)
    return trainer.train(labelled_scans(folder / "scans.h5"), folder / "run", settings)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkpoint, its discriminator beside it."""
    partner = discriminator_path(trained)
    assert partner is not None
    for file in (trained, partner):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / trained.name


# The config of a generator


def test_a_changed_config_does_not_match_its_hash(copied: Path) -> None:
    tensors, metadata = load_tensors(copied, "generator")
    metadata["config"]["pixel_range"] = [100, 101]
    save_tensors(copied, tensors, metadata)
    for load in (load_generator, generator_config):
        with pytest.raises(DamagedError, match="config and facts do not match their hash"):
            load(copied)


def test_facts_whose_names_are_numbers_match_their_hash(copied: Path) -> None:
    facts = {"sizes": {2: 1, 10: (1, 2)}}
    save_generator(copied, load_generator(copied), facts)
    assert load_generator(copied).config.label_names == ("gun", "unknown")


def test_generators_of_earlier_versions_load_without_that_hash(copied: Path) -> None:
    tensors, metadata = load_tensors(copied, "generator")
    del metadata["facts_hash"]
    save_tensors(copied, tensors, metadata)
    assert load_generator(copied).config == generator_config(copied)
    assert "facts_hash" not in load_tensors(generator_path("bundled"), "generator")[1]
    assert load_generator("bundled").resolution == 64


# The discriminator beside it


def _changed_partner(
    checkpoint: Path, change: Callable[[Tensors], Tensors], *, hashed: bool = True
) -> Path:
    """Change the discriminator beside a checkpoint; its hash is right, or absent."""
    partner = discriminator_path(checkpoint)
    assert partner is not None
    tensors = change(load_tensors(partner, "discriminator")[0])
    metadata: dict[str, Any] = {"kind": "discriminator"}
    save_tensors(partner, tensors, metadata | ({"hash": tensors_hash(tensors)} if hashed else {}))
    return partner


def _endless(tensors: Tensors) -> Tensors:
    return {name: tensor * torch.nan for name, tensor in tensors.items()}


def _whole(tensors: Tensors) -> Tensors:
    return {name: tensor.to(torch.int32) for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "hashed", "sentence"),
    [
        pytest.param(_endless, True, "not finite", id="nan"),
        pytest.param(_whole, True, "holds torch.int32; want floating point", id="whole-numbers"),
        pytest.param(dict, False, "the weights have no hash", id="no-hash"),
    ],
)
def test_a_discriminator_of_no_sane_weights_is_named(
    copied: Path, change: Callable[[Tensors], Tensors], hashed: bool, sentence: str
) -> None:
    partner = _changed_partner(copied, change, hashed=hashed)
    out = copied.with_name("own.safetensors")
    for use in (
        lambda: import_generator(copied, out),
        lambda: training.start(
            config(init=str(copied), labels=["gun"], network=generator_config(copied)), 0, 16, 3
        ),
    ):
        with pytest.raises(XraysynthError, match=sentence) as caught:
            use()
        assert str(partner) in str(caught.value)
    assert not out.exists()


def test_a_discriminator_that_is_told_nothing_learns_anew(copied: Path) -> None:
    name = "mapping.embed.weight"
    _changed_partner(copied, lambda tensors: {**tensors, name: tensors[name][:, :0]})
    bare = generator_config(copied).model_copy(update={"label_names": ()})
    save_generator(copied, Generator(bare))
    settings = config(init=str(copied), labels="none", network=bare, clutter_weight=1.0)
    state = training.start(settings, 0, 16, 3)
    assert "does not fit" in state.note


def test_a_discriminator_without_clutter_comes_along(trained: Path, tmp_path: Path) -> None:
    scans = labelled_scans(tmp_path / "scans.h5")
    settings = config(init=str(trained), labels=["gun"], kimg=0.008, clutter_weight=0.0)
    further = trainer.train(scans, tmp_path / "further", settings)
    found = import_generator(further, tmp_path / "own.safetensors")
    assert found.config.clutter and found.discriminator and found.notes == ()
    saved, partner = (discriminator_path(p) for p in (further, tmp_path / "own.safetensors"))
    assert saved is not None and partner is not None
    before, after = load_discriminator(saved), load_discriminator(partner)
    assert all(torch.equal(before[name], after[name]) for name in before.keys() | after.keys())


def test_a_discriminator_of_another_network_is_left_out_with_its_name(copied: Path) -> None:
    name = "b16.conv0.weight"
    partner = _changed_partner(copied, lambda tensors: {**tensors, name: tensors[name][:1]})
    found = import_generator(copied, copied.with_name("own.safetensors"))
    assert not found.discriminator
    assert found.notes[0].startswith(f"the discriminator in {partner} was left out: its tensor b16")


# Permission


def test_a_file_that_may_not_be_read_is_named_so(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    for load in (load_generator, lambda path: import_generator(path, path.with_name("o"))):
        with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); want"):
            load(copied)


def test_another_kind_of_file_is_still_named(copied: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a generator; want a discriminator"):
        load_discriminator(copied)


@pytest.mark.parametrize("kind", ["x" * 10_000, ["x"] * 10_000])
def test_a_kind_out_of_a_file_is_not_written_out(copied: Path, kind: object) -> None:
    tensors, metadata = load_tensors(copied, "generator")
    save_tensors(copied, tensors, metadata | {"kind": kind})
    with pytest.raises(CheckpointError, match="want a generator") as caught:
        load_generator(copied)
    assert len(str(caught.value)) < 300
