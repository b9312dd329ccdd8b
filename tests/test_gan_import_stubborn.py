"""Files that would hang, fill the memory, mislead the terminal, or leave the wrong partner."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from gan_files import TINY, put, refused, tiny_pickle, tiny_weights
from gan_pickles import official_pickle

from xraysynth.errors import CheckpointError
from xraysynth.gan.checkpoint import discriminator_path, load_generator, tensors_hash
from xraysynth.gan.foreign import import_generator


def own_file(path: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    """Write a generator's file whose hash is right, whatever it holds."""
    sizes = TINY.model_dump(mode="json") | config
    metadata = {"kind": "generator", "config": sizes, "hash": tensors_hash(tensors)}
    return put(path, safetensors.torch.save(tensors, {"xraysynth": json.dumps(metadata)}))


@pytest.mark.parametrize("again", ["pickle", "own"])
def test_the_discriminator_of_an_earlier_import_goes(tmp_path: Path, again: str) -> None:
    out = tmp_path / "out.safetensors"
    assert import_generator(put(tmp_path / "a.pkl", tiny_pickle()), out).discriminator
    assert discriminator_path(out) is not None
    lone = put(tmp_path / "b.pkl", official_pickle(tiny_weights(), {}))
    if again == "own":
        import_generator(lone, tmp_path / "b.safetensors")
        lone = tmp_path / "b.safetensors"
    assert not import_generator(lone, out).discriminator
    assert discriminator_path(out) is None


def test_an_own_file_keeps_its_discriminator_under_the_same_stem(tmp_path: Path) -> None:
    import_generator(put(tmp_path / "a.pkl", tiny_pickle()), tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").rename(tmp_path / "a.weights")
    assert import_generator(tmp_path / "a.weights", tmp_path / "a.safetensors").discriminator
    assert discriminator_path(tmp_path / "a.safetensors") is not None


def _dag(levels: int, fan_out: int) -> bytes:
    """Return a pickle of modules, each of which holds the one before it many times."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def record(state: bytes, index: int) -> bytes:
        return (
            b"cargparse\nNamespace\n)\x81}" + state + b"b" + b"r" + struct.pack("<I", index) + b"0"
        )

    parts = [b"\x80\x02", record(text("x") + b"Ns", 0)]
    for level in range(1, levels + 1):
        inner = b"j" + struct.pack("<I", level - 1)
        held = b"".join(text(f"m{index}") + inner for index in range(fan_out))
        parts.append(record(text("_modules") + b"}(" + held + b"us", level))
    return b"".join([*parts, b"}", text("G_ema"), b"j", struct.pack("<I", levels), b"s."])


def test_modules_that_hold_each_other_without_end_are_named(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CheckpointError, match="unfold to more than 100000 parts"):
        import_generator(put(tmp_path / "a.pkl", _dag(11, 30)), tmp_path / "own.safetensors")
    assert time.monotonic() - began < 20


def test_a_small_file_of_a_huge_grid_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xraysynth.gan.checkpoint.Generator", None)
    sizes = {"resolution": 1024, "channel_base": 1024, "channel_max": 4, "base_grid": [64, 64]}
    with pytest.raises(CheckpointError, match="has more than"):
        load_generator(own_file(tmp_path / "a.safetensors", tiny_weights(), **sizes))


def test_exotic_numbers_are_named(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"xraysynth": json.dumps({"kind": "generator", "hash": "0"})},
        "a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]},
    }
    text = json.dumps(header).encode()
    file = put(tmp_path / "a.safetensors", struct.pack("<Q", len(text)) + text + b"\0\0")
    with pytest.raises(CheckpointError, match=r"tensor a holds .*want plain floating point"):
        load_generator(file)


def test_an_absent_scalar_and_too_few_channels_are_named(tmp_path: Path) -> None:
    name = "synthesis.b4.conv1.noise_strength"
    rest = {key: tensor for key, tensor in tiny_weights().items() if key != name}
    with pytest.raises(CheckpointError, match=r"noise_strength is absent;.* wants \(\)\."):
        load_generator(own_file(tmp_path / "a.safetensors", rest))
    with pytest.raises(ValueError, match=r"config\.channel_base of 64 leaves no channel"):
        load_generator(own_file(tmp_path / "a.safetensors", rest, resolution=128, channel_base=64))


@pytest.mark.parametrize("command", ["import-gan", "generate"])
def test_a_name_out_of_a_file_does_not_steer_the_terminal(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = {**tiny_weights(), "zzz\x1b[31m": torch.zeros(1)}
    file = own_file(tmp_path / "a.safetensors", tensors)
    status, sentence = refused(command, file, tmp_path, capsys)
    assert status == 2
    assert r"zzz\x1b[31m" in sentence and "\x1b" not in sentence


@pytest.mark.parametrize("command", ["import-gan", "generate"])
def test_a_pipe_is_no_regular_file(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    status, sentence = refused(command, tmp_path / "pipe", tmp_path, capsys)
    assert status == 2
    assert "is no regular file; want" in sentence
