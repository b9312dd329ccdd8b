"""Sample grids: the same latents at every snapshot, so that progress shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xraysynth.files import whole_file
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.scanner.colour import pseudo_colour

ROWS, COLUMNS = 6, 10
MOST_CONTENTS = 12
"""Contents that a grid shows, the first of them: each costs a row at every snapshot."""


@torch.no_grad()
def sample_images(
    generator: Generator,
    seed: int,
    count: int,
    truncation_psi: float = 1.0,
    labels: Tensor | None = None,
) -> np.ndarray:
    """Return generated scans of numbered samples, drawn by `labels` (count, labels) if given.

    (count, h, w, c) uint8 or uint16, as the scans that the generator learned from
    """
    device = generator.mapping.w_avg.device
    codes = latents(generator, seed, range(count)).to(device)
    asked = [None] * len(codes.split(16)) if labels is None else labels.to(device).split(16)
    parts = [
        generated_images(generator, generator(part, truncation_psi, wanted))
        for part, wanted in zip(codes.split(16), asked, strict=True)
    ]
    return np.concatenate(parts)


def grid_images(generator: Generator, seed: int) -> np.ndarray:
    """Return the scans of a sample grid, row by row, ten in each.

    A generator that can be asked shows the same ten latents in every row: first unasked, then
    asked for each of its contents, the first dozen if there are more.
    """
    config = generator.config
    if not config.contents:
        return sample_images(generator, seed, ROWS * COLUMNS)
    rows = [sample_images(generator, seed, COLUMNS)]
    for name in config.contents[:MOST_CONTENTS]:
        labels = requested_labels(config, [name], False, range(COLUMNS))
        rows.append(sample_images(generator, seed, COLUMNS, labels=labels))
    return np.concatenate(rows)


def save_grid(path: Path, generator: Generator, seed: int) -> None:
    """Write a grid of generated scans as PNG."""
    write_png(path, tile(displayable(grid_images(generator, seed)), COLUMNS))


def displayable(images: np.ndarray) -> np.ndarray:
    """Return scans as a person would see them: dual energy by our own colouring, grey as grey.

    (n, h, w, c) uint8 or uint16 -> (n, h, w, 3) uint8
    """
    if images.shape[3] == 2:
        channels = images.astype(np.float32) / np.iinfo(images.dtype).max
        return np.stack([pseudo_colour(scan[..., 0], scan[..., 1]) for scan in channels])
    eight = images if images.dtype == np.uint8 else (images >> 8).astype(np.uint8)
    return eight if eight.shape[3] == 3 else np.repeat(eight[..., :1], 3, axis=3)


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
