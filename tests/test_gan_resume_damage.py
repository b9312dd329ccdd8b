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
from xraysynth.gan.checkpoint import load_tensors, save_tensors, tensors_hash


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


# Files whose hashes agree


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state of a run, with moments."""
    folder = tmp_path_factory.mktemp("stopped")
    run = trainer.train(scan_file(folder / "s.h5"), folder / "run", config(kimg=0.008)).parent
    return run / "resume.safetensors"


def _moment(kind: str) -> str:
    return f"generator_optimiser.0.{kind}"


def _given(name: str, value: Any) -> Any:
    """Return a change that puts a tensor, or what a function makes of it, in its place."""

    def change(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
        tensors[name] = value(tensors[name]) if callable(value) else value

    return change


def _with_hashes(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> Path:
    """Write a state whose hashes agree, whatever it holds."""
    metadata["hash"] = tensors_hash(tensors)
    metadata["facts_hash"] = resume._facts_hash(metadata)
    save_tensors(path, tensors, metadata)
    return path


def _kept(value: int) -> Any:
    return lambda _, metadata: metadata["counters"].update(kept=value)


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        pytest.param(
            _given("generator_optimiser.foo", torch.zeros(1)),
            CheckpointError,
            "another version.*generator_optimiser.foo",
            id="foreign-moment",
        ),
        pytest.param(
            lambda tensors, _: tensors.pop(_moment("exp_avg_sq")),
            CheckpointError,
            "another version.*generator_optimiser.0 ",
            id="absent-moment",
        ),
        pytest.param(
            _given(_moment("exp_avg"), torch.zeros(3)),
            CheckpointError,
            "another version.*generator_optimiser.0 ",
            id="moment-of-another-shape",
        ),
        pytest.param(
            _given("generator_optimiser.9999.step", torch.zeros(())),
            CheckpointError,
            "another version.*generator_optimiser.9999 ",
            id="moment-of-nothing",
        ),
        pytest.param(
            _given(_moment("exp_avg"), lambda tensor: tensor * torch.nan),
            DamagedError,
            "exp_avg holds values that are not finite",
            id="endless-moment",
        ),
        pytest.param(
            _given("discriminator.b8.conv0.weight", lambda tensor: tensor * torch.nan),
            DamagedError,
            "discriminator.b8.conv0.weight holds values that are not finite",
            id="endless-weight",
        ),
        pytest.param(
            _given("discriminator.b8.conv0.weight", lambda tensor: tensor.to(torch.int32)),
            CheckpointError,
            "another version.*as discriminator ",
            id="whole-weights",
        ),
        pytest.param(_kept(1024), DamagedError, "counters.kept is 1024; want 0 or a", id="kept"),
        pytest.param(_kept(16), DamagedError, "resolution below 16", id="kept-all"),
        pytest.param(_kept(6), DamagedError, "counters.kept is 6", id="kept-no-resolution"),
    ],
)
def test_what_no_run_saves_is_named_though_its_hashes_agree(
    stopped: Path, tmp_path: Path, change: Any, kind: type[Exception], sentence: str
) -> None:
    tensors, metadata = load_tensors(stopped, "training")
    assert _moment("exp_avg_sq") in tensors
    change(tensors, metadata)
    path = _with_hashes(tmp_path / "resume.safetensors", tensors, metadata)
    with pytest.raises(kind, match=sentence):
        resume.load_state(path, config(kimg=0.008), metadata["key"])


def test_a_config_of_a_huge_network_takes_no_memory(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "Generator", None)
    tensors, metadata = load_tensors(stopped, "training")
    metadata["config"] |= {"resolution": 1024, "base_grid": [64, 64]}
    metadata["config"] |= {"channel_base": 2**21, "channel_max": 2048}
    path = _with_hashes(tmp_path / "resume.safetensors", tensors, metadata)
    with pytest.raises(DamagedError, match="numbers for a network of its size"):
        resume.load_state(path, config(kimg=0.008), metadata["key"])
