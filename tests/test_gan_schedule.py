"""The arithmetic of a run by hand, what stops it, what it reports, and death at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch

from xraysynth.errors import InputError, SettingsError, StageError
from xraysynth.files import sha256_file
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.adapt import adapt_augmentation
from xraysynth.gan.checkpoint import load_generator, load_tensors
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.data import ScanStream
from xraysynth.gan.health import check_variety, measure_health
from xraysynth.gan.pace import Pace
from xraysynth.gan.steps import update_average, warm_up
from xraysynth.gan.train_config import GrowthStep, TrainConfig
from xraysynth.pipeline.yaml_file import parse_yaml
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype
from xraysynth.settings import settings_from_mapping

TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)


def settings(**changes: object) -> TrainConfig:
    small = {"kimg": 0.032, "batch": 4, "network": TINY, "snapshot_kimg": 0.008, "r1_interval": 3}
    return TrainConfig.model_validate(small | changes)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Noise of which half of the scans hold a gun."""
    images = stream(0, "noise").integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    metadata = np.zeros(24, table_dtype("scans"))
    metadata["labels"][::2], metadata["labels"][1::2] = b'["gun"]', b"[]"
    batch = ScanBatch(images=images, metadata=metadata)
    path = tmp_path / "scans.h5"
    write_scans(path, iter([batch]), count=24, classes=[], attributes={})
    return path


# Arithmetic


@pytest.mark.parametrize(
    ("images_seen", "init", "half_life"),
    [
        pytest.param(1000, "", 50.0, id="5-percent-of-what-was-seen"),
        pytest.param(1_000_000, "", 10_000.0, id="at-most-ema-kimg"),
        pytest.param(1000, "bundled", 10_000.0, id="no-ramp-after-a-trained-start"),
    ],
)
def test_average_moves_by_its_half_life(images_seen: int, init: str, half_life: float) -> None:
    state = training.start(settings(), 0, 16, 3)
    state.images_seen = images_seen
    weight = state.generator.synthesis.block(16).conv1.weight
    before = state.average.synthesis.block(16).conv1.weight.clone()
    with torch.no_grad():
        weight.add_(1.0)
    update_average(state, settings(batch=16, init=init))
    moved = (state.average.synthesis.block(16).conv1.weight - before).mean().item()
    assert moved == pytest.approx(1 - 0.5 ** (16 / half_life), rel=1e-3)


def test_lazy_penalties_rescale_adam() -> None:
    state = training.start(settings(r1_interval=16, path_length_interval=4), 0, 16, 3)
    discriminator = state.discriminator_optimiser.param_groups[0]
    assert discriminator["lr"] == pytest.approx(0.002 * 16 / 17)
    assert discriminator["betas"] == pytest.approx((0.0, 0.99 ** (16 / 17)))
    generator = state.generator_optimiser.param_groups[0]
    assert generator["lr"] == pytest.approx(0.002 * 4 / 5)
    assert generator["betas"] == pytest.approx((0.0, 0.99 ** (4 / 5)))
    plain = training.start(settings(path_length_weight=0), 0, 16, 3)
    assert plain.generator_optimiser.param_groups[0]["lr"] == pytest.approx(0.002)


def test_rate_rises_from_zero_after_growth() -> None:
    config = settings(warmup_kimg=1.0, path_length_interval=4)
    state = training.start(config, 0, 16, 3)
    state.grown_at, state.images_seen = 5000, 5250
    warm_up(state, config)
    assert state.generator_optimiser.param_groups[0]["lr"] == pytest.approx(0.25 * 0.002 * 4 / 5)


def test_p_moves_by_hand_computed_steps() -> None:
    config = settings(batch=64, ada_kimg=500, ada_interval=4, ada_target=0.6)
    state = training.start(config, 0, 16, 3)
    signs = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    seen = []
    for step, sign in enumerate(signs, start=1):
        state.step = step
        adapt_augmentation(state, sign, config)
        seen.append(state.augment_p)
    one = 64 * 4 / 500_000
    assert seen == pytest.approx([0, 0, 0, one, one, one, one, 0, 0, 0, 0, 0])


def test_schedule_of_resolutions_by_hand() -> None:
    config = settings(growth="16:60:64,32:100,64:160")
    assert config.growth == (
        GrowthStep(resolution=16, kimg=60, batch=64),
        GrowthStep(resolution=32, kimg=100),
        GrowthStep(resolution=64, kimg=160),
    )
    state = training.start(settings(), 0, 16, 3)
    due = []
    for images_seen in (0, 59_999, 60_000, 159_999, 160_000, 319_999, 320_000, 10**7):
        state.images_seen = images_seen
        due.append(trainer._resolution_due(state, config, 128))
    assert due == [16, 16, 32, 32, 64, 64, 128, 128]
    assert [config.at(size).batch for size in (16, 32, 128)] == [64, 4, 4]


@pytest.mark.parametrize("text", ["16:25", "16:48:32", "64:59", "8:0.02", "16:25,32:50", "16:60"])
def test_schedule_means_the_same_to_yaml_and_to_us(text: str) -> None:
    assert settings(growth=parse_yaml(text, "growth")).growth == settings(growth=text).growth


@pytest.mark.parametrize(
    ("growth", "sentence"),
    [
        ("16", "should be resolution:kimg"),
        ("16:a", r"growth\.0\.kimg"),
        ("32:1,16:1", "rising powers of two"),
        ("24:1", "rising powers of two"),
        (17, "rising powers of two|resolution"),
    ],
)
def test_schedule_that_cannot_be_read_is_named(growth: object, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        settings_from_mapping(TrainConfig, {"growth": growth}, "train_gan")


def test_schedule_beyond_the_scans_is_named(tmp_path: Path, scans: Path) -> None:
    with pytest.raises(InputError, match="growth names 16; want resolutions below the 16"):
        trainer.train(scans, tmp_path / "run", settings(growth="8:0.01,16:0.01"))


def test_stage_has_its_own_batch(tmp_path: Path, scans: Path) -> None:
    trainer.train(scans, tmp_path / "run", settings(growth="8:0.016:8"))
    lines = stats(tmp_path / "run")
    assert [(line["step"], line["kimg"], line["resolution"]) for line in lines] == [
        (1, 0.008, 8), (2, 0.016, 8), (4, 0.024, 16), (6, 0.032, 16)
    ]  # fmt: skip


def stats(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


# What stops a run


def test_not_a_number_stops_with_the_last_checkpoint(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer.train(scans, tmp_path / "whole", settings(kimg=0.008))

    def poison(state: training.TrainState, config: TrainConfig) -> None:
        warm_up(state, config)
        if state.step == 3:
            with torch.no_grad():
                state.generator.synthesis.block(4).const.fill_(torch.nan)

    monkeypatch.setattr(trainer, "warm_up", poison)
    with pytest.raises(
        StageError, match=r"diverged: the loss is nan.*start in a new folder, with `init`"
    ):
        trainer.train(scans, tmp_path / "run", settings())
    assert sha256_file(tmp_path / "run" / whole.name) == sha256_file(whole)


def test_collapse_stops_with_the_last_good_checkpoint(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second snapshot on every latent gives the same picture."""
    whole = trainer.train(scans, tmp_path / "whole", settings(kimg=0.008))

    def flatten(state: training.TrainState, config: TrainConfig) -> None:
        update_average(state, config)
        if state.step > 2:
            with torch.no_grad():
                for parameter in state.average.mapping.parameters():
                    parameter.zero_()

    monkeypatch.setattr(trainer, "update_average", flatten)
    with pytest.raises(
        StageError, match=r"collapsed: .* vary 0.00% .*least_diversity.*in a new folder"
    ):
        trainer.train(scans, tmp_path / "run", settings())
    assert sha256_file(tmp_path / "run" / whole.name) == sha256_file(whole)
    assert [line["diversity"] > 0.02 for line in stats(tmp_path / "run")] == [True, False, False]


def test_variety_may_come_back() -> None:
    state, config = training.start(settings(), 0, 16, 3), settings()
    assert [check_variety(state, value, config) for value in (0.5, 0.01, 0.5, 0.01)] == [
        True, False, True, False
    ]  # fmt: skip
    with pytest.raises(StageError, match="collapsed"):
        check_variety(state, 0.0, config)


def test_weight_that_is_not_finite_is_named() -> None:
    state = training.start(settings(), 0, 16, 3)
    with torch.no_grad():
        state.average.synthesis.block(8).conv0.bias[0] = torch.inf
    with pytest.raises(StageError, match="a weight is not finite"):
        check_variety(state, 1.0, settings())


def test_noise_is_as_varied_as_noise(scans: Path) -> None:
    """The spread of uniform noise over [-1, 1] is 1 / sqrt(3)."""
    feed = ScanStream(scans, 0, mirror=False)
    state = training.start(settings(), 0, 16, 3)
    before = torch.get_rng_state()
    diversity = measure_health(state, feed, 0)["diversity"]
    drawn = state.average(
        torch.from_numpy(
            np.stack([stream(0, "latent", i).standard_normal(8) for i in range(64)])
        ).float()
    ).clamp(-1, 1)
    feed.close()
    expected = drawn.var(0, correction=0).sqrt().mean().item() * 3**0.5
    assert diversity == pytest.approx(expected, rel=0.05)
    assert torch.equal(before, torch.get_rng_state())


# What it reports


def test_time_left_follows_the_speed_of_late() -> None:
    clock = iter([0.0, 10.0, 20.0, 60.0])
    pace = Pace(1000, clock=lambda: next(clock))
    assert pace.after(2000) == 100
    assert pace.after(3000) == 100
    assert pace.left(3000 + 100 * 60 * 30) == "30 min left"
    # Half a minute back is before 20 s: only the last step counts.
    assert pace.after(4000) == 25
    assert pace.left(4000 + 25 * 3600 * 5) == "5.0 h left"


def test_progress_tells_speed_and_time_left(tmp_path: Path, scans: Path) -> None:
    notes: list[str] = []
    trainer.train(
        scans, tmp_path / "run", settings(kimg=0.008), progress=lambda *a: notes.append(a[2])
    )
    assert len(notes) == 2 and all("images/s at 16 px, " in note for note in notes)
    assert notes[-1].endswith("0 s left")


def test_absent_tensorboard_is_named(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'xraysynth\[tensorboard\]'"):
        trainer.train(scans, tmp_path / "run", settings(tensorboard=True))


def test_tensorboard_gets_figures_and_pictures(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board()
    fake = types.ModuleType("torch.utils.tensorboard")
    monkeypatch.setattr(fake, "SummaryWriter", board.open, raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    with_board = trainer.train(scans, tmp_path / "run", settings(tensorboard=True))
    assert board.folder == str(tmp_path / "run" / "tensorboard") and board.closed
    assert [step for name, step in board.scalars if name == "loss_generator"] == [2, 4, 6, 8]
    # Six rows of ten scans of 16 pixels, two pixels of gap after each.
    assert board.pictures == [(6 * 18, 10 * 18, 3)] * 4
    plain = trainer.train(scans, tmp_path / "plain", settings())
    assert sha256_file(with_board) == sha256_file(plain)


class Board:
    """Stands for TensorBoard's writer."""

    def open(self, folder: str, purge_step: int) -> Board:
        self.folder, self.purge_step, self.closed = folder, purge_step, False
        self.scalars: list[tuple[str, int]] = []
        self.pictures: list[tuple[int, ...]] = []
        return self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert isinstance(value, float | int)
        self.scalars.append((name, step))

    def add_image(self, name: str, image: np.ndarray, step: int, dataformats: str) -> None:
        assert (name, dataformats, image.dtype.name) == ("samples", "HWC", "uint8")
        self.pictures.append(image.shape)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


# Death at any moment

CHILD = """
import sys, torch
from pathlib import Path
from xraysynth.gan.trainer import train
from xraysynth.gan.train_config import TrainConfig
torch.set_num_threads(1)
scans, out, config = sys.argv[1:]
train(Path(scans), Path(out), TrainConfig.model_validate_json(config), 5,
      lambda done, total, note: print(done, flush=True))
"""


def test_killed_labelled_growing_run_ends_in_the_same_weights(tmp_path: Path, scans: Path) -> None:
    config = settings(
        kimg=0.24, labels="threats", growth="8:0.15:8", loss="relativistic", penalise_fakes=True,
        snapshot_kimg=0.05, ada_kimg=0.05, path_length_weight=0,
    )  # fmt: skip
    whole = trainer.train(scans, tmp_path / "whole", config, 5)
    out = tmp_path / "cut"
    command = [sys.executable, "-c", CHILD, str(scans), str(out), config.model_dump_json()]
    rng = stream(time.time_ns(), "moments of death")
    for begin, end in ((0.06, 0.14), (0.16, 0.22)):
        images = int(1000 * rng.uniform(begin, end))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= images:
                    time.sleep(rng.uniform(0, 0.03))
                    os.kill(child.pid, signal.SIGKILL)
                    break
        assert child.returncode == -signal.SIGKILL, f"killed after {images} images"
    resumed = trainer.train(scans, out, config, 5)
    for name in ("checkpoint", "checkpoint-8", "checkpoint-discriminator", "resume"):
        files = [run.with_name(f"{name}.safetensors") for run in (whole, resumed)]
        assert sha256_file(files[0]) == sha256_file(files[1]), name
    assert load_generator(resumed).config.contents == ("gun",)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_asked_to_end_saves_first(tmp_path: Path, scans: Path, number: int) -> None:
    config = settings(kimg=0.2, snapshot_kimg=0.2, path_length_weight=0)
    whole = trainer.train(scans, tmp_path / "whole", config, 5)
    out = tmp_path / "cut"
    command = [sys.executable, "-c", CHILD, str(scans), str(out), config.model_dump_json()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert any(int(line) >= 60 for line in child.stdout)
        os.kill(child.pid, number)
        assert "KeyboardInterrupt" in child.stderr.read()
    saved = load_tensors(out / "resume.safetensors", "training")[1]["counters"]["images_seen"]
    assert 60 <= saved < 200
    trainer.train(scans, out, config, 5)
    for name in ("checkpoint", "resume"):
        files = [run / f"{name}.safetensors" for run in (whole.parent, out)]
        assert sha256_file(files[0]) == sha256_file(files[1]), name


def test_wrong_growth_is_refused_by_type() -> None:
    with pytest.raises(pydantic.ValidationError):
        TrainConfig(growth=({"resolution": 16},))  # type: ignore[arg-type]
