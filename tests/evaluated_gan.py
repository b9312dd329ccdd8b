"""A small generator, and scans to judge it by, for tests of `evaluate gan`."""

from pathlib import Path
from typing import Any

import torch

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.evaluate.gan import GanEvaluation
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator

SIMULATION: dict[str, Any] = {"size_px": 16, "threats": [0, 2], "threat_classes": ["gun", "knife"]}
SMALL = GanEvaluation(count=12, splits=2, network=False)


def small_generator(**changes: Any) -> Generator:
    config = NetworkConfig(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Generator(config.model_copy(update=changes)).eval().requires_grad_(False)


def labelled_scans(tmp_path: Path, count: int, seed: int, size_px: int = 32) -> Path:
    """Return scans with one loud threat at most, so that a small network learns fast."""
    settings = SimulationConfig(
        size_px=size_px,
        threats=(0, 1),
        clutter=(0, 1),
        threat_classes=("gun", "knife"),
        palette="standard",
        display_spread=0,
        bag_turn="level",
        two_bags=0,
    )
    return simulate(settings, count, seed, tmp_path / f"labelled-{seed}.h5")
