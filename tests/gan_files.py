"""A tiny network and its files, whole, from which tests of import go on."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from gan_pickles import official_pickle
from torch import Tensor, nn

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.cli import main
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.generator import Generator

TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=12
)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of all tensors of a network."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@functools.cache
def tiny_weights() -> dict[str, Tensor]:
    """Return the weights of a tiny generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return weights_of(Generator(TINY))


@functools.cache
def tiny_pickle() -> bytes:
    """Return a snapshot of the tiny generator, and of a discriminator, in the official form."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return official_pickle(tiny_weights(), weights_of(Discriminator(TINY)))


def put(path: Path, data: bytes) -> Path:
    """Write bytes and return where."""
    path.write_bytes(data)
    return path


def refused(
    command: str, file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Give a file to a command; return exit status and sentence, having seen nothing written."""
    out = folder / "out.safetensors"
    arguments = {
        "import-gan": [str(file), "--out", str(out)],
        "train-gan": [str(folder / "scans.h5"), "--init", str(file), "--out", str(out)],
        "generate": ["--gan", str(file), "--count", "1", "--out", str(out)],
    }
    if command == "train-gan":
        simulate(SimulationConfig(size_px=16), 1, 0, folder / "scans.h5")
    status = main([command, *arguments[command]])
    written = [path for path in out.rglob("*") if path.name != ".lock"] if out.is_dir() else []
    assert not written and not out.is_file()
    return status, capsys.readouterr().err
