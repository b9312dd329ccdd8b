"""Groups of pixels that look alike to the generator, coarse to fine, without any label.

k-means on the projection that clustering learned. The nearest centre of a pixel is the largest of
`2 c . x - |c|^2`, which is linear in `x`: a grouping is a `SiteMap` like a segmenter's, and is
read while the generator draws. A segmenter's own map is a grouping too.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import ClusterConfig, Clustering, mapped_latents
from xraysynth.oneshot.features import SiteMap, project
from xraysynth.randomness import stream

LEVELS = (6, 12, 24)
"""Groups at each level, coarse to fine."""
REFERENCE_SCANS = 32
REFERENCE_PIXELS = 8192


def learn_groupings(
    generator: Generator, clusters: Clustering, seed: int, levels: tuple[int, ...] = LEVELS
) -> tuple[SiteMap, ...]:
    """Return one grouping a level: hidden features to one score a group; the highest is its group.

    Deterministic for a seed.
    """
    psi = ClusterConfig().truncation_psi
    latent_w = mapped_latents(generator, REFERENCE_SCANS, psi, seed, "groups")
    pixels = _projected(generator, latent_w, clusters.site_map)
    chosen = stream(seed, "group pixels").permutation(len(pixels))[:REFERENCE_PIXELS]
    return tuple(
        _grouping(clusters.site_map, pixels[chosen], min(count, len(chosen)), seed)
        for count in levels
    )


def group_maps(generator: Generator, latent_w: Tensor, grouping: SiteMap) -> np.ndarray:
    """Return the group (n, H, W) uint8 of each pixel of the scans of `latent_w`."""
    parts = []
    for batch in latent_w.split(16):
        with torch.no_grad():
            _, scores = project(generator, batch, grouping, "bilinear")
        parts.append(scores.argmax(1).cpu().numpy().astype(np.uint8))
    return np.concatenate(parts)


def _projected(generator: Generator, latent_w: Tensor, site_map: SiteMap) -> np.ndarray:
    """Return the projected pixels (n, dim) of some scans."""
    parts = []
    for batch in latent_w.split(8):
        with torch.no_grad():
            _, maps = project(generator, batch, site_map, "bilinear")
        parts.append(maps.permute(0, 2, 3, 1).flatten(0, 2).cpu().numpy())
    return np.concatenate(parts)


def _grouping(site_map: SiteMap, pixels: np.ndarray, count: int, seed: int) -> SiteMap:
    """Return the map from hidden features to how near each of `count` centres is."""
    rng = stream(seed, "group centres", count)
    centres, group_of = kmeans2(pixels.astype(np.float64), count, minit="++", rng=rng)
    used = np.unique(group_of)
    on_device = torch.from_numpy(centres[used]).float().to(site_map.bias.device)
    return site_map.folded(2 * on_device, -on_device.square().sum(1))
