"""Groups of pixels that look alike to the generator, coarse to fine, without any label.

k-means on the features of the two finest resolutions, each channel brought to one scale: they
follow items, where a projection that clustering learned follows places
(`docs/decisions/0021-groups-of-features.md`). The nearest centre of a pixel is the largest of
`2 c . x - |c|^2`, which is linear in `x`: a grouping is a `SiteMap` like a segmenter's, and is
read while the generator draws. A segmenter's own map is a grouping too.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import drawn_pixels, mapped_latents
from xraysynth.oneshot.features import SiteMap, project
from xraysynth.oneshot.reading import fine_features, standardised
from xraysynth.randomness import stream

LEVELS = (6, 12, 24)
"""Groups at each level, coarse to fine."""
REFERENCE_SCANS = 32
REFERENCE_PIXELS = 8192
MOST_FEATURES = 256
"""Read of a pixel; more are mixed to so many values, at random."""


def learn_groupings(
    generator: Generator, seed: int, levels: tuple[int, ...] = LEVELS
) -> tuple[SiteMap, ...]:
    """Return one grouping a level: hidden features to one score a group; the highest is its group.

    Deterministic for a seed.
    """
    read = fine_features(generator, generator.resolution // 2, MOST_FEATURES, seed)
    read = standardised(generator, read, "bilinear", 1.0, seed)
    latent_w = mapped_latents(generator, REFERENCE_SCANS, 1.0, seed, "groups")
    pixels = _sampled(generator, latent_w, read, seed)
    return tuple(_grouping(read, pixels, min(count, len(pixels)), seed) for count in levels)


def group_maps(generator: Generator, latent_w: Tensor, grouping: SiteMap) -> np.ndarray:
    """Return the group (n, H, W) uint8 of each pixel of the scans of `latent_w`."""
    parts = []
    for batch in latent_w.split(16):
        with torch.no_grad():
            _, scores = project(generator, batch, grouping, "bilinear")
        parts.append(scores.argmax(1).cpu().numpy().astype(np.uint8))
    return np.concatenate(parts)


def _sampled(generator: Generator, latent_w: Tensor, read: SiteMap, seed: int) -> np.ndarray:
    """Return random pixels (m, values) of some scans."""

    def mapped(one: Tensor) -> Tensor:
        with torch.no_grad():
            return project(generator, one, read, "bilinear")[1]

    pixels = drawn_pixels(latent_w, REFERENCE_PIXELS, mapped, seed, "group pixels")
    return np.asarray(pixels.cpu().numpy())


def _grouping(site_map: SiteMap, pixels: np.ndarray, count: int, seed: int) -> SiteMap:
    """Return the map from hidden features to how near each of `count` centres is."""
    rng = stream(seed, "group centres", count)
    centres, group_of = kmeans2(pixels.astype(np.float64), count, minit="++", rng=rng)
    used = np.unique(group_of)
    on_device = torch.from_numpy(centres[used]).float().to(site_map.bias.device)
    return site_map.folded(2 * on_device, -on_device.square().sum(1))
