"""Settings of a training that cannot be meant are refused, each with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_gan_trainer import TINY, config, scan_file

from xraysynth.errors import InputError, SettingsError
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.train_config import GrowthStep, TrainConfig
from xraysynth.pipeline.definition import with_overrides
from xraysynth.settings import settings_from_mapping


def read(*texts: str, where: str = "") -> TrainConfig:
    """Return the settings that `--set` texts give."""
    return settings_from_mapping(TrainConfig, with_overrides({}, texts), where)


CHOICES = "it should be none, threats, or a list of labels such as [gun]."
FORM = "it should be resolution:kimg or resolution:kimg:batch, comma between."
RISING = "it should name rising powers of two, such as 16 and 32, not"
ONE_NUMBER = "it should end with a comma: 8:32:16 and 512:16 are one number to YAML without it."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kimg=0.0001", "kimg is 0.0001; it should be at least 0.001, which is one image."),
        ("labels=gun", f"labels is 'gun'; {CHOICES}"),
        ("labels=5", f"labels is 5; {CHOICES}"),
        ("growth=24:1", f"growth is 1441; {RISING} [24]."),
        ("growth=24:8:16", f"growth is 86896; {RISING} [24]."),
        ("growth=16", f"growth is 16; {FORM}"),
        ("growth=.inf", f"growth is inf; {FORM}"),
        ("growth=8:32:16", f"growth is 30736; {ONE_NUMBER}"),
        ("init_widen=true", "init_widen wants `init`: new weights have the channels of `network`."),
        ("contents_weight=1", "contents_weight wants `labels`: threats, or a list such as [gun]."),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_settings_that_contradict_each_other_are_named_with_their_place() -> None:
    with pytest.raises(SettingsError, match=r"^train_gan\.init_widen wants `init`"):
        read("init_widen=true", where="train_gan")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("growth=", ()),
        ("growth=8:32:16,", (GrowthStep(resolution=8, kimg=32, batch=16),)),
        ("growth=512:16,", (GrowthStep(resolution=512, kimg=16),)),
        ("growth=8:30:16", (GrowthStep(resolution=8, kimg=30, batch=16),)),
    ],
)
def test_schedules_are_read_as_they_were_meant(text: str, steps: tuple[GrowthStep, ...]) -> None:
    assert read(text).growth == steps


@pytest.mark.parametrize("name", ["channel_base", "discriminator_base"])
def test_networks_too_narrow_for_their_resolution_are_named(name: str, tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"resolution": 256, name: 128}
    sentence = f"{name} of 128 leaves no channel at a resolution of 256; set {name} to 256 at least"
    with pytest.raises(SettingsError, match=f"^network.{sentence}"):
        settings_from_mapping(NetworkConfig, sizes, "network")
    scans = scan_file(tmp_path / "scans.h5", size_px=128, count=4)
    narrow = config(network=TINY.model_copy(update={name: 64}), growth="8:0.008")
    with pytest.raises(InputError, match=f"{name} of 64 leaves no channel at a resolution of 128"):
        trainer.train(scans, tmp_path / "run", narrow)


def test_settings_that_would_change_nothing_are_named(tmp_path: Path) -> None:
    trained = trainer.train(scan_file(tmp_path / "s.h5"), tmp_path / "run", config(kimg=0.004))
    with pytest.raises(InputError, match="init_widen finds nothing to widen"):
        training.start(config(init=str(trained), init_widen=True), 0, 16, 3)
    with pytest.raises(InputError, match=r"freeze_discriminator is 3.*has 2 such blocks"):
        training.start(config(init=str(trained), freeze_discriminator=3), 0, 16, 3)


@pytest.mark.parametrize(
    ("name", "value", "theirs"),
    [("resolution", 128, 16), ("image_channels", 1, 3), ("value_map", "line_integral", "linear")],
)
def test_sizes_that_the_scans_decide_are_named_if_set_otherwise(
    name: str, value: object, theirs: object, tmp_path: Path
) -> None:
    scans = scan_file(tmp_path / "scans.h5", size_px=16, count=4)
    given = TINY.model_dump(include=TINY.model_fields_set)
    with pytest.raises(InputError) as caught:
        trainer.train(
            scans, tmp_path / "run", config(network=NetworkConfig(**given | {name: value}))
        )
    assert str(caught.value) == (
        f"network.{name} is {value}, but the scans decide it, and theirs is {theirs}; leave it "
        "out, or prepare other scans."
    )
    right = NetworkConfig(**given | {name: theirs})
    assert trainer.train(scans, tmp_path / "run", config(network=right, kimg=0.008)).is_file()
