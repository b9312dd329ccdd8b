"""Labelled scans, and tiny networks that can be asked for what they hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from test_gan_trainer import config as short

from xraysynth.gan.config import UNKNOWN, NetworkConfig
from xraysynth.gan.train_config import TrainConfig
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch, write_scans
from xraysynth.schema import table_dtype

NAMES = ("gun", "knife", UNKNOWN)
TINY = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)
LABELLED = TINY.model_copy(update={"label_names": NAMES})


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return normal numbers, the same for the same seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def labelled_scans(path: Path, size_px: int = 16, count: int = 32, label: str = "") -> Path:
    """Write scans whose upper half is bright with a gun, whose lower half is with a knife."""
    images = np.full((count, size_px, size_px, 3), 20, np.uint8)
    metadata = np.zeros(count, table_dtype("scans"))
    for index, image in enumerate(images):
        names = [["gun"], ["knife"], ["gun", "knife"], []][index % 4]
        if "gun" in names:
            image[: size_px // 2] = 220
        if "knife" in names:
            image[size_px // 2 :] = 220
        image += stream(0, "texture", index).integers(0, 20, image.shape).astype(np.uint8)
        metadata["labels"][index] = label or json.dumps(names)
    batch = ScanBatch(images=images, metadata=metadata)
    write_scans(path, iter([batch]), count=count, classes=[], attributes={})
    return path


def config(**changes: object) -> TrainConfig:
    """Return the settings of a short training with labels."""
    return short(**{"network": TINY, "labels": "threats", **changes})
