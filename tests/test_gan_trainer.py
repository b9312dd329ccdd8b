"""The training run: resumes bit for bit, grows, refuses what does not fit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from xraysynth.errors import CheckpointError, DamagedError, InputError
from xraysynth.files import sha256_file
from xraysynth.gan import resume, trainer
from xraysynth.gan import state as training
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.train_config import GrowthStep, TrainConfig
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype

TINY = NetworkConfig(z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8)


class Cut(Exception):
    """Stands for a kill."""


def scan_file(path: Path, size_px: int = 16, count: int = 24) -> Path:
    """Write scans that show a bright square on dark ground."""
    images = np.full((count, size_px, size_px, 3), 20, np.uint8)
    for index, image in enumerate(images):
        row, column = stream(0, "square", index).integers(0, size_px // 2, 2)
        image[row : row + size_px // 2, column : column + size_px // 2] = 220
    batch = ScanBatch(images=images, metadata=np.zeros(count, table_dtype("scans")))
    write_scans(path, iter([batch]), count=count, classes=[], attributes={})
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return scan_file(tmp_path / "scans.h5")


def config(**changes: object) -> TrainConfig:
    settings = {
        "kimg": 0.048,
        "batch": 4,
        "network": TINY,
        "snapshot_kimg": 0.012,
        "r1_interval": 3,
    }
    return TrainConfig.model_validate(settings | changes)


def cut_after(calls: int) -> Iterator[None]:
    """Return a progress callback that raises after some calls."""
    for _ in range(calls):
        yield
    raise Cut


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
@pytest.mark.parametrize("steps_before_cut", [2, 4, 8])
def test_interrupted_run_ends_in_the_same_bytes(
    tmp_path: Path, scans: Path, loss: str, steps_before_cut: int
) -> None:
    settings = config(loss=loss, penalise_fakes=loss == "relativistic", ada_kimg=0.01)
    whole = trainer.train(scans, tmp_path / "whole", settings, seed=3)
    countdown = cut_after(steps_before_cut)
    with pytest.raises(Cut):
        trainer.train(
            scans, tmp_path / "cut", settings, seed=3, progress=lambda *_: next(countdown)
        )
    resumed = trainer.train(scans, tmp_path / "cut", settings, seed=3)
    assert sha256_file(resumed) == sha256_file(whole)
    assert sha256_file(resumed.with_name("resume.safetensors")) == sha256_file(
        whole.with_name("resume.safetensors")
    )
    lines = [
        json.loads(line) for line in (tmp_path / "cut" / "stats.jsonl").read_text().splitlines()
    ]
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})


def test_growth_resumes_in_every_resolution(tmp_path: Path, scans: Path) -> None:
    settings = config(growth=(GrowthStep(resolution=8, kimg=0.02),), warmup_kimg=0.008)
    whole = trainer.train(scans, tmp_path / "whole", settings)
    countdown = cut_after(3)
    with pytest.raises(Cut):
        trainer.train(scans, tmp_path / "cut", settings, progress=lambda *_: next(countdown))
    assert sha256_file(trainer.train(scans, tmp_path / "cut", settings)) == sha256_file(whole)
    assert load_generator(whole).resolution == 16


def test_every_number_of_the_state_is_resumed(tmp_path: Path) -> None:
    state = training.start(config(), 0, 16, 3)
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    numbers = {name: value for name, value in fields.items() if isinstance(value, (int, float))}
    assert len(numbers) >= 7
    for value, name in enumerate(numbers, start=1):
        setattr(state, name, value if isinstance(numbers[name], int) else value / 16)
    resume.save_state(tmp_path / "resume.safetensors", state, "key")
    resumed = resume.load_state(tmp_path / "resume.safetensors", config(), "key")
    for name in numbers:
        assert getattr(resumed, name) == getattr(state, name) != numbers[name], name


def test_initial_generator_is_spread_out(tmp_path: Path, scans: Path) -> None:
    first = trainer.train(scans, tmp_path / "run", config(kimg=0.016))
    settings = config(init=str(first), init_spread=1.5)
    spread, plain = training.start(settings, 0, 16, 3).generator, load_generator(first)
    latent_z = torch.randn((4, plain.z_dim), generator=torch.Generator().manual_seed(0))
    wanted = plain.synthesis(plain.mapping(latent_z, 1.5))
    torch.testing.assert_close(
        spread.synthesis(spread.mapping(latent_z)), wanted, atol=1e-4, rtol=0
    )
    with pytest.raises(ValueError, match="init_spread wants `init`"):
        config(init_spread=1.5)


def test_a_state_of_another_version_is_named(tmp_path: Path) -> None:
    path, state = tmp_path / "resume.safetensors", training.start(config(), 0, 16, 3)
    resume.save_state(path, state, "key")
    with pytest.raises(CheckpointError, match=r"another version of xraysynth.*moments"):
        resume.load_state(path, config(moments_weight=1.0), "key")


def test_another_seed_gives_other_weights(tmp_path: Path, scans: Path) -> None:
    hashes = {
        generator_hash(
            load_generator(trainer.train(scans, tmp_path / str(seed), config(kimg=0.008), seed))
        )
        for seed in (0, 1)
    }
    assert len(hashes) == 2


def test_training_leaves_global_chance_alone(tmp_path: Path, scans: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    assert torch.equal(before, torch.get_rng_state())


def test_discriminator_learns_to_tell_squares_from_noise(tmp_path: Path, scans: Path) -> None:
    settings = config(kimg=0.2, snapshot_kimg=0.1, learning_rate=0.01, augment="none")
    trainer.train(scans, tmp_path / "run", settings)
    first_loss = 2 * np.log(2)
    last = json.loads((tmp_path / "run" / "stats.jsonl").read_text().splitlines()[-1])
    assert last["loss_discriminator"] < first_loss


def test_growth_carries_weights_and_draws_nearly_the_same_picture(tmp_path: Path) -> None:
    settings = config()
    state = training.start(settings, 0, 8, 3)
    latent_z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    small = state.average(latent_z)
    training.grow(state, settings, 0, 16)
    large = state.average(latent_z)
    assert torch.equal(
        state.generator.synthesis.block(8).conv1.weight,
        state.average.synthesis.block(8).conv1.weight,
    )
    shrunk = torch.nn.functional.avg_pool2d(large, 2)
    assert (shrunk - small).abs().mean() < 0.35 * small.abs().mean()


def test_run_of_other_settings_is_named(tmp_path: Path, scans: Path) -> None:
    trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    network = TINY.model_copy(update={"w_dim": 16})
    with pytest.raises(
        CheckpointError, match=r"other settings: learning_rate was 0.002 and is 0.01;"
    ):
        trainer.train(scans, tmp_path / "run", config(kimg=0.008, learning_rate=0.01))
    with pytest.raises(
        CheckpointError, match=r"network.w_dim was 8 and is 16, seed was 0 and is 1;"
    ):
        trainer.train(scans, tmp_path / "run", config(kimg=0.008, network=network), seed=1)


def test_more_kimg_extend_a_run(tmp_path: Path, scans: Path) -> None:
    trainer.train(scans, tmp_path / "cut", config(kimg=0.024))
    extended = trainer.train(scans, tmp_path / "cut", config())
    assert sha256_file(extended) == sha256_file(trainer.train(scans, tmp_path / "whole", config()))


def test_initial_generator_of_another_resolution_is_named(tmp_path: Path, scans: Path) -> None:
    checkpoint = trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    smaller = scan_file(tmp_path / "smaller.h5", size_px=8, count=6)
    with pytest.raises(CheckpointError, match=r"draws 16 x 16 px .* scans have 8 x 8 px"):
        trainer.train(smaller, tmp_path / "other", config(init=str(checkpoint)))


@pytest.mark.parametrize(("growth", "stages"), [("8:9,16:0.008", ["16"]), ("", ["16"])])
def test_initial_generator_grows_to_larger_scans(
    tmp_path: Path, scans: Path, growth: str, stages: list[str]
) -> None:
    checkpoint = trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    larger = scan_file(tmp_path / "larger.h5", size_px=32, count=6)
    grown = trainer.train(
        larger, tmp_path / "grown", config(kimg=0.024, init=str(checkpoint), growth=growth)
    )
    assert load_generator(str(grown)).resolution == 32
    left = sorted((tmp_path / "grown").glob("checkpoint-??.safetensors"))
    assert [path.stem.removeprefix("checkpoint-") for path in left] == stages


def test_scans_of_odd_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="power of two"):
        trainer.train(scan_file(tmp_path / "odd.h5", size_px=22), tmp_path / "run", config())


@pytest.mark.parametrize(
    ("images", "found"),
    [
        pytest.param(np.zeros((8, 16, 16, 3), np.float32), r"float32 \(8, 16, 16, 3\)", id="float"),
        pytest.param(np.zeros((8, 16, 16), np.uint8), r"uint8 \(8, 16, 16\)", id="no-channels"),
    ],
)
def test_images_of_another_kind_are_named(
    tmp_path: Path, scans: Path, images: np.ndarray, found: str
) -> None:
    with h5py.File(scans, "r+") as file:
        del file["images"]
        file["images"] = images
    with pytest.raises(InputError, match=f"{found}; want uint8 or uint16"):
        trainer.train(scans, tmp_path / "run", config())


def test_damaged_scan_is_named_when_it_is_read(tmp_path: Path, scans: Path) -> None:
    with h5py.File(scans) as file:
        place = file["images"].id.get_chunk_info(5)
    content = bytearray(scans.read_bytes())
    content[place.byte_offset + place.size // 2] ^= 255
    scans.write_bytes(content)
    with pytest.raises(DamagedError, match=r"scans\.h5 is damaged: scan 5 cannot be read"):
        trainer.train(scans, tmp_path / "run", config())


@pytest.mark.parametrize("length", [0, 7, 200, -1])
def test_truncated_checkpoint_is_damaged(tmp_path: Path, scans: Path, length: int) -> None:
    checkpoint = trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(DamagedError, match="truncated or something else"):
        load_generator(checkpoint)


def test_changed_weights_do_not_match_their_hash(tmp_path: Path, scans: Path) -> None:
    checkpoint = trainer.train(scans, tmp_path / "run", config(kimg=0.008))
    content = bytearray(checkpoint.read_bytes())
    content[-3] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(DamagedError, match="hash"):
        load_generator(checkpoint)
