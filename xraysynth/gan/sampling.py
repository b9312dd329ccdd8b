"""From seeds to latents and from network output to pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.randomness import stream


def latents(generator: Generator, seed: int, indices: Iterable[int]) -> Tensor:
    """Return the latent codes of numbered samples: each depends on its own number alone.

    Returns
    -------
    (n, z_dim) float32, standard normal
    """
    codes = [
        stream(seed, "latent", int(index)).standard_normal(generator.z_dim) for index in indices
    ]
    return torch.from_numpy(np.stack(codes).astype(np.float32))


def to_images(output: Tensor, dtype: type[np.unsignedinteger] = np.uint8) -> np.ndarray:
    """Turn network output of [-1, 1] into pixels.

    (n, c, h, w) float -> (n, h, w, c) uint8 or uint16
    """
    top = float(np.iinfo(dtype).max)
    pixels = ((output.detach().float() + 1.0) * (top / 2.0)).round().clamp(0.0, top)
    return pixels.permute(0, 2, 3, 1).cpu().numpy().astype(dtype)


def to_tensor(images: np.ndarray) -> Tensor:
    """Turn pixels into network input of [-1, 1].

    (n, h, w, c) uint8 or uint16 -> (n, c, h, w) float32
    """
    scale = 2.0 / float(np.iinfo(images.dtype).max)
    values = torch.from_numpy(images.astype(np.float32) * scale - 1.0)
    return values.permute(0, 3, 1, 2)
