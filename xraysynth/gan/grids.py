"""Sample grids: the same latents at every snapshot, so that progress shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from xraysynth.files import whole_file
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import latents, to_images

ROWS, COLUMNS = 6, 10


@torch.no_grad()
def sample_images(
    generator: Generator, seed: int, count: int, truncation_psi: float = 1.0
) -> np.ndarray:
    """Return generated scans (count, h, w, c) uint8 of numbered samples."""
    codes = latents(generator, seed, range(count)).to(generator.mapping.w_avg.device)
    parts = [to_images(generator(part, truncation_psi)) for part in codes.split(16)]
    return np.concatenate(parts)


def save_grid(path: Path, generator: Generator, seed: int) -> None:
    """Write a grid of generated scans as PNG."""
    write_png(path, tile(displayable(sample_images(generator, seed, ROWS * COLUMNS)), COLUMNS))


def displayable(images: np.ndarray) -> np.ndarray:
    """Return images with three channels: grey and dual-energy scans by their first channel.

    (n, h, w, c) uint8 -> (n, h, w, 3) uint8
    """
    return images if images.shape[3] == 3 else np.repeat(images[..., :1], 3, axis=3)


def tile(images: np.ndarray, columns: int, gap_px: int = 2) -> np.ndarray:
    """Lay images out row by row with white gaps: (n, h, w, 3) -> (H, W, 3) uint8."""
    count, height, width, _ = images.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap_px), columns * (width + gap_px), 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap_px), (index % columns) * (width + gap_px)
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 picture; the file appears only when whole."""
    with whole_file(path) as partial:
        Image.fromarray(image).save(partial, format="PNG")
