"""What is read of a pixel: the hidden features of the finer sites, each brought to one scale."""

from __future__ import annotations

import torch

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.clustering import mapped_latents
from xraysynth.oneshot.features import Interpolation, SiteMap, device_of, project
from xraysynth.randomness import stream

STANDARD_SCANS = 32
"""Generated scans over which values are brought to one scale."""
BATCH = 4


def fine_features(generator: Generator, from_px: int, dim: int, seed: int) -> SiteMap:
    """Return the map to the features of all sites at least `from_px` wide.

    The finest sites are read in any case. More than `dim` features are mixed to so many values, at
    random.
    """
    coarsest = min(from_px, generator.resolution)
    read = [site.resolution >= coarsest for site in generator.sites]
    channels = [s.channels for s, is_read in zip(generator.sites, read, strict=True) if is_read]
    if sum(channels) > dim:
        mixed = stream(seed, "fine features").standard_normal((dim, sum(channels)))
        rows = torch.from_numpy(mixed / sum(channels) ** 0.5).float()
    else:
        rows = torch.eye(sum(channels))
    device = device_of(generator)
    parts = iter(rows.to(device).split(channels, 1))
    weights = tuple(
        next(parts) if is_read else torch.zeros(len(rows), site.channels, device=device)
        for site, is_read in zip(generator.sites, read, strict=True)
    )
    return SiteMap(weights=weights, bias=torch.zeros(len(rows), device=device))


def standardised(
    generator: Generator, site_map: SiteMap, interpolation: Interpolation, psi: float, seed: int
) -> SiteMap:
    """Return the map with each value at mean 0 and deviation 1 over generated scans."""
    latent_w = mapped_latents(generator, STANDARD_SCANS, psi, seed, "standardise")
    means, squares = [], []
    for some in latent_w.split(BATCH):
        with torch.no_grad():
            pixels = project(generator, some, site_map, interpolation)[1]
        means.append(pixels.mean((0, 2, 3)))
        squares.append(pixels.square().mean((0, 2, 3)))
    mean, square = torch.stack(means).mean(0), torch.stack(squares).mean(0)
    std = (square - mean.square()).clamp_min(0).sqrt().clamp_min(1e-6)
    return site_map.folded(torch.diag(1 / std), -mean / std)
