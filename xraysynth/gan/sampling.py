"""From seeds to latents and from network output to pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.values import to_pixels, to_values
from xraysynth.randomness import stream

EXPORTED_PSI = 0.75
"""Truncation of what is exported, and of what segmenters learn from, unless it is said otherwise.
With 1 the bundled generators draw all that they can, smeared scans included."""


def full_batches(numbers: Sequence[int], size: int) -> Iterator[tuple[list[int], int]]:
    """Yield numbers in batches that are all of one size, and how many of each are wanted.

    The last batch is filled with repetitions, to be drawn and thrown away. Matrix products round
    by the size of a batch, but not by a sample's place in it or by its neighbours: in batches of
    one size a sample has the same bytes, however many others are drawn.

    Examples
    --------
    >>> list(full_batches(range(5), 3))
    [([0, 1, 2], 3), ([3, 4, 4], 2)]
    """
    for start in range(0, len(numbers), size):
        some = list(numbers[start : start + size])
        yield some + some[-1:] * (size - len(some)), len(some)


def latents(
    generator: Generator,
    seed: int,
    indices: Iterable[int],
    attempts: Sequence[int] | None = None,
) -> Tensor:
    """Return the latent codes of numbered samples: each depends on its own number alone.

    `attempts` tells how many codes of the same number went before, none if it is not given.

    Returns
    -------
    (n, z_dim) float32, standard normal
    """
    numbers = [int(index) for index in indices]
    codes = [
        stream(seed, "latent", index, *([attempt] if attempt else [])).standard_normal(
            generator.z_dim
        )
        for index, attempt in zip(numbers, attempts or [0] * len(numbers), strict=True)
    ]
    return torch.from_numpy(np.stack(codes).astype(np.float32))


def generated_images(
    generator: Generator, output: Tensor, dtype: type[np.unsignedinteger] | None = None
) -> np.ndarray:
    """Turn what a generator drew into pixels, as those of the scans that it learned from.

    (n, c, h, w) float -> (n, h, w, c) uint8 or uint16; without `dtype` the type of those scans
    """
    config = generator.config
    kind = dtype or (np.uint16 if config.pixel_bits == 16 else np.uint8)
    pixels = to_pixels(output, config.value_map, kind, config.pixel_bits)
    return pixels if config.pixel_range is None else _within(pixels, config)


def _within(pixels: np.ndarray, config: NetworkConfig) -> np.ndarray:
    """Clip pixels to the range of the scans that a generator learned from, whatever their bits."""
    ends = np.array(config.pixel_range, np.float64) / (2**config.pixel_bits - 1)
    least, greatest = np.rint(ends * np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return pixels.clip(least, greatest)


def to_tensor(images: np.ndarray) -> Tensor:
    """Turn pixels into network input of [-1, 1], evenly.

    (n, h, w, c) uint8 or uint16 -> (n, c, h, w) float32
    """
    return to_values(images, "linear")
