"""What labels cost: folded inference against the published form, same weights, one process.

The published form generates, then generates again for the features, concatenates all of them
at full size, projects to 512 values a pixel and applies the head. Ours adds one small matrix a
site to the one pass. Prints a table and, last, one JSON object.

python benchmarks/segmenter_speed.py --resolution 64 --batch 4
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.features import SiteMap, concatenated, project

PROJECTED, CLASSES = 512, 10


def main() -> None:
    """Read the command line, time the three forms in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rng = torch.Generator().manual_seed(0)
    generator = narrow_generator(arguments.resolution, rng)
    latent_w = generator.mapping(torch.randn(arguments.batch, generator.z_dim, generator=rng))
    projection, head, folded = random_maps(generator, rng)

    def generate() -> Tensor:
        images: Tensor = generator.synthesis(latent_w)
        return images

    def ours() -> Tensor:
        return project(generator, latent_w, folded, "bilinear")[1]

    def published() -> Tensor:
        generate()
        pixels = functional.conv2d(
            concatenated(generator, latent_w, "bilinear"), projection[:, :, None, None]
        )
        return functional.conv2d(pixels, head[:, :, None, None])

    with torch.no_grad():
        largest = (ours() - published()).abs().max() / published().abs().max()
        seconds = in_turn([generate, ours, published], arguments.rounds)
    generated, labelled, plain = seconds
    features = sum(site.channels for site in generator.sites)
    report = {
        "resolution_px": arguments.resolution,
        "batch": arguments.batch,
        "features_per_pixel": features,
        "generate_seconds": generated,
        "generate_with_masks_seconds": labelled,
        "published_seconds": plain,
        "generate_with_masks_vs_generate": labelled / generated,
        "with_masks_speedup_vs_published": plain / labelled,
        "largest_relative_difference": float(largest),
    }
    for name, value in report.items():
        print(f"{name:36s} {value:.6g}")
    print(json.dumps(report))


def narrow_generator(resolution: int, rng: torch.Generator) -> Generator:
    """Return a generator of the bundled one's widths, with random weights."""
    config = NetworkConfig(resolution=resolution, channel_base=32 * resolution, channel_max=96)
    generator = Generator(config).eval().requires_grad_(False)
    for parameter in generator.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=rng))
    return generator


def random_maps(generator: Generator, rng: torch.Generator) -> tuple[Tensor, Tensor, SiteMap]:
    """Return projection (512, features), head (classes, 512) and both folded into one map."""
    channels = [site.channels for site in generator.sites]
    projection = torch.randn(PROJECTED, sum(channels), generator=rng) / sum(channels) ** 0.5
    head = torch.randn(CLASSES, PROJECTED, generator=rng)
    site_map = SiteMap(weights=projection.split(channels, dim=1), bias=torch.zeros(PROJECTED))
    return projection, head, site_map.folded(head, torch.zeros(CLASSES))


def in_turn(forms: list[Callable[[], Tensor]], rounds: int) -> list[float]:
    """Return the median seconds of each form, timed in turn so that drift hits all alike."""
    times: list[list[float]] = [[] for _ in forms]
    for _ in range(rounds):
        for form, kept in zip(forms, times, strict=True):
            begun = time.perf_counter()
            form()
            kept.append(time.perf_counter() - begun)
    return [statistics.median(kept) for kept in times]


if __name__ == "__main__":
    main()
