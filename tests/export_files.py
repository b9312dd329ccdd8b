"""A tiny generator and segmenter, and what their exports have in common."""

from __future__ import annotations

from pathlib import Path

import torch

from xraysynth.gan.checkpoint import generator_hash, save_generator
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.export import ExportConfig
from xraysynth.oneshot.features import SiteMap
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, save_segmenter

SMALL = NetworkConfig(
    resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
)
CONFIG = ExportConfig(count=10, shard_size=4, batch=3)
Files = tuple[Path, Path]
"""Of a generator and of a segmenter."""


def make_files(folder: Path, seed: int) -> Files:
    """Write a tiny random generator, and a random segmenter of it, to a new folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(SMALL).eval()
        weights = tuple(torch.randn(3, site.channels) for site in generator.sites)
    folder.mkdir()
    save_generator(folder / "generator.safetensors", generator)
    facts = SegmenterFacts(
        class_names=("background", "bag", "gun"),
        exemplar_ids=("0" * 16,),
        exemplar_origins=("Drawn by lot.",),
        generator_hash=generator_hash(generator),
    )
    segmenter = Segmenter(site_map=SiteMap(weights=weights, bias=torch.zeros(3)), facts=facts)
    save_segmenter(segmenter, folder / "segmenter.safetensors")
    return folder / "generator.safetensors", folder / "segmenter.safetensors"


def same_bytes(first: Path, second: Path) -> bool:
    """Tell whether two folders hold the same files."""
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
