"""What settings become beside scans and a trained generator, when a run begins or goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from gan_labelled import config, labelled_scans
from test_gan_trainer import TINY
from torch import Tensor

from xraysynth.cli import main
from xraysynth.errors import CheckpointError, InputError
from xraysynth.files import sha256_file
from xraysynth.gan import distributed, steps, trainer
from xraysynth.gan.augment import AugmentDraw, apply_augmentation
from xraysynth.gan.checkpoint import load_generator, save_generator
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.contents import LabelChoice, check_request
from xraysynth.gan.fitting import fitted
from xraysynth.gan.generator import Generator
from xraysynth.gan.layouts import network_config
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.values import ValueMap
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype


def scans_with(path: Path, *rows: list[str] | None, count: int = 16, channels: int = 3) -> Path:
    """Write scans of noise with labels in turn."""
    images = np.random.default_rng(0).integers(1, 255, (count, 16, 16, channels))
    metadata = np.zeros(count, table_dtype("scans"))
    for index in range(count):
        row = rows[index % len(rows)]
        metadata["labels"][index] = b"" if row is None else json.dumps(row).encode()
    dtype = np.uint16 if channels == 2 else np.uint8
    batch = ScanBatch(images=images.astype(dtype), metadata=metadata)
    write_scans(path, iter([batch]), count=count, classes=[], attributes={})
    return path


def short(**changes: object) -> TrainConfig:
    return config(**{"network": TINY, "kimg": 0.008, "least_diversity": 0.0, **changes})


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return labelled_scans(tmp_path / "scans.h5")


# Labels


def test_generator_that_knows_none_of_the_labels_is_refused(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "first", short())
    others = scans_with(tmp_path / "others.h5", ["hammer"], ["lighter"], [])
    with pytest.raises(InputError, match=r"hold hammer, lighter, and .* knows gun, knife: nothing"):
        trainer.train(others, tmp_path / "more", short(init=str(first)))


def test_labels_that_the_generator_does_not_know_are_named(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "first", short())
    others = scans_with(tmp_path / "others.h5", ["hammer"], ["gun"], [])
    notes: list[str] = []
    trainer.train(
        others,
        tmp_path / "more",
        short(init=str(first)),
        progress=lambda *now: notes.append(now[2]),
    )
    assert "knows no hammer: not told of" in notes[-1]


@pytest.mark.parametrize(
    ("rows", "labels", "names"),
    [
        ([["gun"], ["Unknown"], []], "threats", ("gun", UNKNOWN)),
        ([["gun"], ["knife"], []], ("gun", "Gun"), ("gun", UNKNOWN)),
        ([["gun"], ["a\tb"], []], "threats", ("gun", "a b", UNKNOWN)),
    ],
)
def test_checkpoints_hold_names_that_can_be_read_again(
    tmp_path: Path, rows: list[list[str]], labels: LabelChoice, names: tuple[str, ...]
) -> None:
    path = scans_with(tmp_path / "scans.h5", *rows)
    checkpoint = trainer.train(path, tmp_path / "run", short(labels=labels))
    assert load_generator(checkpoint).config.label_names == names
    trainer.train(path, tmp_path / "run", short(labels=labels, kimg=0.012))


def test_no_labels_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="should be none, threats, or a list"):
        short(labels=[])


@pytest.mark.parametrize("labels", ["none", "threats"])
def test_unlabelled_scans_do_not_pass_for_empty_ones(
    tmp_path: Path, scans: Path, labels: str
) -> None:
    first = trainer.train(scans, tmp_path / "first", short(label_drop=0.0))
    assert UNKNOWN not in load_generator(first).config.label_names
    bare = scans_with(tmp_path / "bare.h5", ["gun"], None, ["knife"])
    with pytest.raises(InputError, match="would pass for empty ones"):
        fitted(bare, short(init=str(first), labels=labels))
    assert fitted(scans, short(init=str(first))).network.label_names == ("gun", "knife")


def test_names_that_differ_by_case_are_told_apart() -> None:
    sizes = NetworkConfig(label_names=("Lamp", "lamp"))
    assert check_request(sizes, ["Lamp"], False, "it") == ("Lamp",)
    assert check_request(sizes, ["lamp"], False, "it") == ("lamp",)


@pytest.mark.parametrize(("name", "value"), [("label_names", ("bomb",)), ("names_contents", True)])
def test_names_that_labels_decide_are_refused_if_set_otherwise(
    scans: Path, name: str, value: object
) -> None:
    network = NetworkConfig(**TINY.model_dump(include=TINY.model_fields_set) | {name: value})
    with pytest.raises(InputError, match=f"network.{name} is .*leave it out"):
        fitted(scans, short(network=network))


# The generator to start from


def test_a_run_goes_on_without_the_generator_that_it_began_with(
    tmp_path: Path, scans: Path
) -> None:
    def initial(*labels: str) -> Path:
        shutil.rmtree(tmp_path / "first", ignore_errors=True)
        return trainer.train(scans, tmp_path / "first", short(labels=labels))

    settings = short(init=str(initial("gun", "knife")), labels=("gun", "knife"))
    more = settings.model_copy(update={"kimg": 0.016})
    whole = trainer.train(scans, tmp_path / "whole", more)
    for run in ("replaced", "deleted"):
        trainer.train(scans, tmp_path / run, settings)
    initial("knife", "gun")
    assert sha256_file(trainer.train(scans, tmp_path / "replaced", more)) == sha256_file(whole)
    shutil.rmtree(tmp_path / "first")
    assert sha256_file(trainer.train(scans, tmp_path / "deleted", more)) == sha256_file(whole)


@pytest.mark.parametrize("cut", [0.008, 0.024])
def test_a_run_goes_on_with_the_stages_that_it_had(tmp_path: Path, scans: Path, cut: float) -> None:
    """Stages below the generator to start from are left out, also where it is gone."""
    large = labelled_scans(tmp_path / "large.h5", size_px=32)
    first = trainer.train(scans, tmp_path / "first", short())
    settings = short(init=str(first), growth="8:0.012,16:0.016", kimg=0.032)
    whole = trainer.train(large, tmp_path / "whole", settings)
    grown = sha256_file(whole.with_name("checkpoint-16.safetensors"))

    def stop(done: int, *_: object) -> None:
        if done > cut * 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        snapshots = settings.model_copy(update={"snapshot_kimg": 0.004})
        trainer.train(large, tmp_path / "cut", snapshots, progress=stop)
    first.unlink()
    again = trainer.train(large, tmp_path / "cut", settings)
    assert sha256_file(again) == sha256_file(whole)
    assert sha256_file(again.with_name("checkpoint-16.safetensors")) == grown


def test_frozen_blocks_that_growth_would_replace_at_once_are_refused(
    tmp_path: Path, scans: Path
) -> None:
    large = labelled_scans(tmp_path / "large.h5", size_px=32)
    first = trainer.train(scans, tmp_path / "first", short())
    settings = short(init=str(first), freeze_discriminator=1)
    with pytest.raises(InputError, match=r"from the 16 px of .* to 32 the networks grow at once"):
        trainer.train(large, tmp_path / "run", settings)
    staged = settings.model_copy(update={"growth": short(growth="16:0.004").growth})
    assert trainer.train(large, tmp_path / "run", staged).is_file()


def test_a_generator_of_other_values_is_refused(tmp_path: Path) -> None:
    scans = scans_with(tmp_path / "scans.h5", None, channels=2)
    sizes = TINY.model_copy(update={"resolution": 16, "image_channels": 2})
    save_generator(tmp_path / "linear.safetensors", Generator(sizes))
    settings = short(init=str(tmp_path / "linear.safetensors"), labels="none")
    with pytest.raises(CheckpointError, match=r"values of the map linear.*have line_integral"):
        trainer.train(scans, tmp_path / "run", settings)


def test_line_integrals_of_other_bits_are_other_values(tmp_path: Path) -> None:
    fine = scans_with(tmp_path / "fine.h5", [], channels=2)
    first = trainer.train(fine, tmp_path / "first", short(labels="none"))
    with h5py.File(fine) as file:
        pixels = (file["images"][:] >> 8).astype(np.uint8)
    batch = ScanBatch(images=pixels, metadata=np.zeros(len(pixels), table_dtype("scans")))
    rough = tmp_path / "rough.h5"
    write_scans(rough, iter([batch]), count=len(pixels), classes=[], attributes={})
    with pytest.raises(CheckpointError, match=r"of 16-bit pixels, and the scans have 8 bits"):
        trainer.train(rough, tmp_path / "more", short(labels="none", init=str(first)))


@pytest.mark.parametrize(("channels", "value_map"), [(2, "line_integral"), (3, "linear")])
def test_imported_weights_draw_the_values_of_their_channels(channels: int, value_map: str) -> None:
    sizes = TINY.model_copy(update={"resolution": 16, "image_channels": channels})
    weights = Generator(sizes).state_dict()
    read = network_config({name: tuple(tensor.shape) for name, tensor in weights.items()})
    assert read.value_map == value_map


def test_training_exposes_scans_by_the_map_of_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = []

    def spy(images: Tensor, draw: AugmentDraw, value_map: ValueMap, bits: int) -> Tensor:
        maps.append((value_map, bits))
        return apply_augmentation(images, draw, value_map, bits)

    monkeypatch.setattr(steps, "apply_augmentation", spy)
    dual = {"image_channels": 2, "value_map": "line_integral", "pixel_bits": 16}
    for changes in ({}, dual):
        sizes = TINY.model_copy(update={"resolution": 16, **changes})
        state: Any = SimpleNamespace(augment_p=1.0, generator=Generator(sizes))
        batch: Any = SimpleNamespace(share=distributed.ALONE, rng=torch.Generator().manual_seed(0))
        steps.augmented(state, batch, torch.zeros(2, sizes.image_channels, 16, 16), short())
    assert maps == [("linear", 8), ("line_integral", 16)]


def test_an_import_that_cannot_be_written_is_told_before_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "g.safetensors"
    assert main(["import-gan", str(tmp_path / "absent.pkl"), "--out", str(out)]) != 0
    assert f"{out} could not be written" in capsys.readouterr().err


def test_resuming_nothing_starts_and_says_so(
    tmp_path: Path, scans: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = short().model_dump(include={"kimg", "batch"}) | TINY.model_dump(
        include=TINY.model_fields_set
    )
    names = {name: f"network.{name}" for name in TINY.model_fields_set}
    options = [f"--set={names.get(name, name)}={value}" for name, value in settings.items()]
    command = ["train-gan", str(scans), "--out", str(tmp_path / "run"), "--resume", *options]
    for told in (True, False):
        assert main(command) == 0
        assert ("holds no training to go on with" in capsys.readouterr().err) == told


# The schedule


def test_growth_that_would_never_end_is_refused(tmp_path: Path, scans: Path) -> None:
    with pytest.raises(InputError, match=r"growth takes 48 .*kimg is 0.008 .*never be reached"):
        trainer.train(scans, tmp_path / "run", short(growth="8:48"))
    with pytest.raises(InputError, match="never be reached"):
        trainer.train(scans, tmp_path / "run", short(growth="8:0.008"))
    assert not (tmp_path / "run").exists()


def test_batches_of_later_stages_are_checked_at_the_start(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "processes", lambda: 2)
    with pytest.raises(InputError, match="batch is 6 and 2 processes train"):
        trainer.train(scans, tmp_path / "run", short(growth="8:0.004:6"))
