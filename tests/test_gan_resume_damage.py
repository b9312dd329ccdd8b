"""A run's state that was changed on disk is named; a checkpoint that is gone comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_gan_trainer import config, scan_file

from xraysynth.errors import CheckpointError, DamagedError
from xraysynth.files import sha256_file
from xraysynth.gan import resume, trainer
from xraysynth.gan import state as training
from xraysynth.gan.checkpoint import load_tensors, save_tensors


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "resume.safetensors"
    resume.save_state(path, training.start(config(), 0, 16, 3), "key")
    return path


def test_flipped_bits_among_the_weights_are_damage(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(DamagedError, match="do not match their hash"):
        resume.load_state(saved, config(), "key")


def test_a_tensor_that_is_absent_is_damage(tmp_path: Path) -> None:
    run = trainer.train(scan_file(tmp_path / "s.h5"), tmp_path / "run", config(kimg=0.008)).parent
    tensors, metadata = load_tensors(run / "resume.safetensors", "training")
    moments = [name for name in tensors if name.startswith("generator_optimiser.")]
    save_tensors(
        run / "resume.safetensors",
        {name: tensor for name, tensor in tensors.items() if name != moments[0]},
        metadata,
    )
    with pytest.raises(DamagedError, match="do not match their hash"):
        resume.load_state(run / "resume.safetensors", config(), metadata["key"])


def _without(name: str) -> Any:
    return lambda metadata: metadata.pop(name)


def _counting(**changes: object) -> Any:
    return lambda metadata: metadata["counters"].update(changes)


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        pytest.param(_without("key"), CheckpointError, "other settings", id="key"),
        pytest.param(_without("hash"), CheckpointError, "another version.*no hash", id="hash"),
        pytest.param(_without("config"), DamagedError, "config is None", id="config"),
        pytest.param(_without("counters"), DamagedError, "counters is None", id="counters"),
        pytest.param(
            _counting(images_seen=-5000), DamagedError, "images_seen is -5000", id="negative"
        ),
        pytest.param(_counting(step=3), DamagedError, "do not match their hash", id="other-step"),
        pytest.param(_counting(step="x"), DamagedError, "counters.step is 'x'", id="text"),
        pytest.param(_counting(more=1), DamagedError, "counters.more is not a setting", id="more"),
    ],
)
def test_changed_metadata_is_named(
    saved: Path, change: Any, kind: type[Exception], sentence: str
) -> None:
    tensors, metadata = load_tensors(saved, "training")
    change(metadata)
    save_tensors(saved, tensors, metadata)
    with pytest.raises(kind, match=sentence):
        resume.load_state(saved, config(), "key")


def test_a_finished_run_writes_its_checkpoint_again(tmp_path: Path) -> None:
    scans = scan_file(tmp_path / "scans.h5")
    checkpoint = trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    before = sha256_file(checkpoint)
    checkpoint.unlink()
    assert sha256_file(trainer.train(scans, tmp_path / "run", config(kimg=0.008))) == before


def test_a_state_that_is_whole_loads(saved: Path) -> None:
    loaded = resume.load_state(saved, config(), "key")
    first = training.start(config(), 0, 16, 3)
    for one, other in zip(loaded.average.parameters(), first.average.parameters(), strict=True):
        assert torch.equal(one, other)
