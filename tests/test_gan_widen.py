"""More channels for a trained generator: the same scans, and more to learn with."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
import torch
from test_gan_trainer import TINY, config, scan_file

from xraysynth.errors import InputError
from xraysynth.gan import state as training
from xraysynth.gan import trainer
from xraysynth.gan.checkpoint import load_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.train_config import TrainConfig
from xraysynth.gan.widen import widened

NARROW = NetworkConfig(resolution=32, channel_base=256, channel_max=16, z_dim=16, w_dim=16)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("base, most", [(256, 16), (512, 16), (256, 32), (1024, 24)])
def test_scans_stay_as_they_were(base: int, most: int) -> None:
    """With noise, labels and weights that training has moved, too."""
    labels = ("gun", "knife")
    narrow = Generator(NARROW.model_copy(update={"label_names": labels}))
    with torch.no_grad():
        for parameter in narrow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    wide = widened(narrow, base, most)
    latent_z, asked = torch.randn(3, 16), torch.eye(3, 2)
    assert torch.allclose(wide(latent_z, 0.7, asked), narrow(latent_z, 0.7, asked), atol=1e-4)
    assert [site.channels for site in wide.sites] == [
        min(base // site.resolution, most) for site in wide.sites
    ]


def test_weights_of_zero_learn() -> None:
    wide = widened(Generator(NARROW), 512, 32)
    wide(torch.randn(2, 16)).square().sum().backward()
    reads_new = wide.synthesis.block(32).conv1.weight[:8, 8:]
    assert reads_new.abs().max() == 0
    gradient = wide.synthesis.block(32).conv1.weight.grad
    assert gradient is not None and gradient[:8, 8:].abs().min() > 0


def test_fewer_channels_are_refused_with_the_layer() -> None:
    with pytest.raises(InputError, match=r"b16\.conv0 has 16 channels.*want as many or more"):
        widened(Generator(NARROW), 128, 16)


def test_a_run_begins_where_the_narrow_one_ended(tmp_path: Path) -> None:
    scans = scan_file(tmp_path / "scans.h5")
    narrow = TINY.model_copy(update={"channel_base": 64})
    trained = trainer.train(scans, tmp_path / "first", config(kimg=0.024, network=narrow))
    before = load_generator(trained)
    wider = narrow.model_copy(update={"channel_base": 128})
    settings = config(init=str(trained), init_widen=True, network=wider)
    state = training.start(settings, 0, 16, 3)
    latent_z = torch.randn(2, before.z_dim)
    assert torch.allclose(state.average(latent_z), before(latent_z), atol=1e-4)
    assert not state.note, "the discriminator beside it fits"
    after = load_generator(trainer.train(scans, tmp_path / "second", settings))
    assert sum(map(torch.numel, after.parameters())) > sum(map(torch.numel, before.parameters()))


def test_widening_wants_a_start() -> None:
    with pytest.raises(pydantic.ValidationError, match="init_widen wants `init`"):
        TrainConfig(init_widen=True)
