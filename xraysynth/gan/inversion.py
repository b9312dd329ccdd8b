"""Given scans into W+: the codes with which a generator draws them.

The start is the nearest of many samples, by pixels pooled at two sizes; then all rows of the code
are optimised together, noise held constant, in units of the codes' own spread. Beside the
pictures' difference at several scales, and that of their gradients, a pull towards the mean code
keeps the result where the generator draws well.

References
----------
.. [1] R. Abdal et al., "Image2StyleGAN", ICCV 2019 (codes of W+).
.. [2] T. Karras et al., CVPR 2020, section 5 (projection; step sizes that rise and fall).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from xraysynth.errors import InputError
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.gan.values import to_values
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed
from xraysynth.settings import Settings

CHUNK = 32
"""Scans, or samples to start from, that are in memory as pictures at a time."""
BEYOND = 0.05
"""Share of a difference that counts where a pixel cannot show it."""
POOLED_PX = (8, 16)
"""Sizes at which scans and samples are compared for the start."""


class InversionConfig(Settings):
    """How scans are inverted."""

    candidates: int = Field(2048, ge=1)
    """Samples of which the nearest is the start."""
    candidate_psi: float = Field(0.8, gt=0, le=1)
    """Truncation of those samples."""
    steps: int = Field(200, ge=0)
    """Steps of optimisation; 0 leaves the start as it is."""
    learning_rate: float = Field(0.2, gt=0)
    """Largest step, in standard deviations of the code."""
    scales: int = Field(4, ge=1, le=8)
    """Sizes at which pictures are compared, each half of the one before."""
    gradient_weight: float = Field(0.5, ge=0)
    """Weight of the difference of the pictures' gradients."""
    pull: float = Field(0.02, ge=0)
    """Weight of the squared distance to the mean code, in standard deviations."""
    batch: int = Field(16, ge=1)
    """Scans at a time; the result of a scan depends on it in the last bits alone."""


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """What was found for each scan."""

    latent_w_plus: np.ndarray
    """(n, num_ws, w_dim) float32."""
    images: np.ndarray
    """(n, h, w, c) as the scans, what the generator draws from the codes."""
    start_images: np.ndarray
    """(n, h, w, c) as the scans, the nearest samples."""
    error: np.ndarray
    """(n,) float32, root mean square difference to the scan, in shares of full scale."""
    start_error: np.ndarray
    """(n,) float32, the same of the start."""
    mean_error: np.ndarray
    """(n,) float32, the same of the picture of the mean code."""

    @property
    def relative_error(self) -> np.ndarray:
        """(n,) error over that of the mean code's picture; 1 says nothing was found."""
        return np.asarray(self.error / np.maximum(self.mean_error, 1e-12))


def invert(
    generator: Generator,
    images: np.ndarray,
    config: InversionConfig,
    seed: int = 0,
    progress: Progress = silent,
) -> Inversion:
    """Find codes of W+ with which a generator draws given scans.

    Parameters
    ----------
    generator : frozen, in evaluation mode
    images : (n, h, w, c) uint8 or uint16, as the scans that the generator learned from
    config : how
    seed : of the samples to start from
    progress : called with scans times steps done

    Raises
    ------
    InputError
        If the scans are of another size or kind.

    Notes
    -----
    A low error does not say that the code is a likely one: W+ reaches pictures that the generator
    never draws by itself.
    """
    images = np.asarray(images)
    _check(generator, images)
    device = generator.mapping.w_avg.device
    best = _nearest(generator, images, config, seed)
    spread = _spread(generator, seed)
    parts = []
    total = len(images) * max(config.steps, 1)
    for start in range(0, len(images), config.batch):
        chosen = slice(start, start + config.batch)
        target = _values(generator, images[chosen]).to(device)

        def report(step: int, done: int = start, count: int = len(target)) -> None:
            progress(done * max(config.steps, 1) + step * count, total, "")

        parts.append(_descend(generator, target, best[chosen], spread, config, report))
    found = torch.cat(parts)
    pictures, first = _draw(generator, found), _draw(generator, best)
    mean = _draw(generator, generator.mapping.w_avg.expand(1, generator.num_ws, -1))
    return Inversion(
        latent_w_plus=found.cpu().numpy(),
        images=pictures,
        start_images=first,
        error=root_mean_square(pictures, images),
        start_error=root_mean_square(first, images),
        mean_error=root_mean_square(np.broadcast_to(mean, images.shape), images),
    )


def root_mean_square(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the root mean square difference of each pair of pictures, in shares of full scale.

    (n, h, w, c) and (n, h, w, c), both uint8 or both uint16 -> (n,) float32

    Examples
    --------
    >>> black, white = np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8)
    >>> root_mean_square(black, white).tolist()
    [1.0]
    """
    top = float(np.iinfo(first.dtype).max)
    errors = [
        np.sqrt(np.mean(np.square((one.astype(np.float64) - other) / top)))
        for one, other in zip(first, second, strict=True)
    ]
    return np.array(errors, np.float32)


def _check(generator: Generator, images: np.ndarray) -> None:
    """Refuse scans that the generator cannot draw."""
    height, width = generator.size_px
    channels, bits = generator.image_channels, generator.config.pixel_bits
    if images.dtype != np.dtype(f"uint{bits}") or images.ndim != 4 or not len(images):
        raise InputError(
            f"the scans to invert are {images.dtype} of shape {images.shape}; want at least one, "
            f"(n, h, w, channels) of {bits} bit, as the generator learned from."
        )
    if images.shape[1:] != (height, width, channels):
        raise InputError(
            f"the scans to invert are {images.shape[2]} x {images.shape[1]} with "
            f"{images.shape[3]} channels and the generator draws {width} x {height} with "
            f"{channels}; prepare them with {_prepared(width, height)}, or choose another "
            "generator."
        )


def _prepared(width: int, height: int) -> str:
    """Return the options with which `prepare` makes scans of a size."""
    square = width == height
    return f"--size {width}" if square else f"--set width_px={width} --set height_px={height}"


def _pooled(images: Tensor) -> Tensor:
    """Return scans pooled to a few sizes, in a row: (n, c, h, w) -> (n, values)."""
    rows = [F.adaptive_avg_pool2d(images, size).flatten(1) / size for size in POOLED_PX]
    return torch.cat(rows, dim=1)


@torch.no_grad()
def _nearest(
    generator: Generator, images: np.ndarray, config: InversionConfig, seed: int
) -> Tensor:
    """Return the code (n, num_ws, w_dim) of the sample most like each scan."""
    device = generator.mapping.w_avg.device
    wanted = torch.cat(
        [
            _pooled(_values(generator, images[start : start + CHUNK]).to(device))
            for start in range(0, len(images), CHUNK)
        ]
    )
    nearest = torch.full((len(images),), math.inf, device=device)
    codes = torch.zeros(len(images), generator.num_ws, generator.w_dim, device=device)
    own_seed = stream_seed(seed, "inversion")
    for start in range(0, config.candidates, CHUNK):
        numbers = range(start, min(start + CHUNK, config.candidates))
        latent_z = latents(generator, own_seed, numbers).to(device)
        latent_w = generator.mapping(latent_z, config.candidate_psi)
        distances = torch.cdist(wanted, _pooled(generator.synthesis(latent_w)))
        distance, place = distances.min(dim=1)
        better = distance < nearest
        codes[better] = latent_w[place[better]]
        nearest = torch.minimum(nearest, distance)
    return codes


@torch.no_grad()
def _spread(generator: Generator, seed: int) -> Tensor:
    """Return the standard deviation of each value of the mapped code: (w_dim,)."""
    device = generator.mapping.w_avg.device
    latent_z = latents(generator, stream_seed(seed, "inversion spread"), range(1024)).to(device)
    return generator.mapping.single(latent_z).std(dim=0).clamp(min=1e-6)


def _descend(  # noqa: PLR0913 (all that one batch needs)
    generator: Generator,
    target: Tensor,
    start: Tensor,
    spread: Tensor,
    config: InversionConfig,
    report: Callable[[int], None],
) -> Tensor:
    """Return codes near `start` whose pictures are nearer to `target`."""
    offset = torch.zeros_like(start, requires_grad=True)
    optimiser = torch.optim.Adam([offset], lr=config.learning_rate, betas=(0.9, 0.99))
    for step in range(config.steps):
        optimiser.param_groups[0]["lr"] = config.learning_rate * _rate(step, config.steps)
        latent_w = start + offset * spread
        away = (latent_w - generator.mapping.w_avg) / spread
        loss = _difference(generator.synthesis(latent_w), target, config).sum()
        loss = loss + config.pull * away.square().mean(dim=(1, 2)).sum()
        (offset.grad,) = torch.autograd.grad(loss, [offset])
        optimiser.step()
        report(step + 1)
    return (start + offset * spread).detach()


def _rate(step: int, steps: int) -> float:
    """Return the share of the largest step: a short rise, then half a cosine down."""
    share = step / max(steps, 1)
    return min(share / 0.05, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share)) if step else 0.05


def _difference(images: Tensor, target: Tensor, config: InversionConfig) -> Tensor:
    """Return how unlike pictures are, at several scales, in values and gradients: (n,)."""
    total = images.new_zeros(len(images))
    shown = images.clamp(-1.0, 1.0)
    # A pixel shows no more than white: beyond it only a slope is left, to find the way back.
    images = shown + BEYOND * (images - shown)
    for _ in range(config.scales):
        delta = images - target
        total = total + delta.square().mean(dim=(1, 2, 3))
        for axis in (2, 3):
            slope = delta.diff(dim=axis)
            total = total + config.gradient_weight * slope.square().mean(dim=(1, 2, 3))
        if min(images.shape[2:]) < 4:
            break
        images, target = F.avg_pool2d(images, 2), F.avg_pool2d(target, 2)
    return total


@torch.no_grad()
def _draw(generator: Generator, latent_w: Tensor) -> np.ndarray:
    """Return the pictures of codes: (n, num_ws, w_dim) -> (n, h, w, c), as stored."""
    parts = latent_w.split(CHUNK)
    return np.concatenate([generated_images(generator, generator.synthesis(w)) for w in parts])


def _values(generator: Generator, images: np.ndarray) -> Tensor:
    """Return scans as values that the generator draws: (n, h, w, c) -> (n, c, h, w)."""
    return to_values(images, generator.config.value_map)
