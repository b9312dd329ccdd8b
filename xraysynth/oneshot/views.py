"""Two views of one generated scan whose pixels correspond.

A view replaces some rows of `latent_w` by those of another scan (style, not geometry) and warps the
feature maps. Pixels are chosen once, as positions of the generator's own grid, and looked up
in each view where that view's warp has moved them: pixel k of both views is the same place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.generator import Generator
from xraysynth.settings import Settings


class ViewConfig(Settings):
    """Ranges that a view is drawn from."""

    swap_from_px: int = Field(16, ge=4)
    """Coarsest resolution whose rows of `latent_w` may be swapped; coarser ones move items."""
    swap_strength: float = Field(1.0, ge=0, le=1)
    """Share of the other scan's rows: 0 leaves the style, 1 replaces it."""
    flip_probability: float = Field(0.5, ge=0, le=1)
    """Chance that a view is mirrored."""
    rotation_deg: float = Field(10.0, ge=0, le=45)
    """Largest rotation, either way."""
    shift: float = Field(0.1, ge=0, le=0.5)
    """Largest translation, as a share of the width."""


@dataclass(frozen=True, kw_only=True)
class ViewDraw:
    """What was chosen for one view."""

    swapped_rows: tuple[int, ...]
    """Rows of `latent_w` taken from the other scan."""
    strength: float
    """Share of the other scan's rows."""
    flipped: bool
    """Mirrored left to right."""
    rotation_deg: float
    """Rotation, in degrees."""
    shift_x: float
    """Translation, as a share of the width."""
    shift_y: float
    """Translation, as a share of the height."""

    @property
    def is_warped(self) -> bool:
        """Whether a pixel of the view lies elsewhere than in the generator's grid."""
        return self.flipped or any((self.rotation_deg, self.shift_x, self.shift_y))


def swappable_blocks(generator: Generator, swap_from_px: int) -> list[tuple[int, ...]]:
    """Return the rows of `latent_w` of each block at least `swap_from_px` wide.

    Site i is steered by row i; the rows after the last site steer the colour of the finest block
    and go with it.
    """
    finest = max(site.resolution for site in generator.sites)
    blocks: dict[int, list[int]] = {}
    for row, site in enumerate(generator.sites):
        if site.resolution >= min(swap_from_px, finest):
            blocks.setdefault(site.resolution, []).append(row)
    blocks[finest] += range(len(generator.sites), generator.num_ws)
    return [tuple(rows) for rows in blocks.values()]


def draw_view(
    config: ViewConfig, blocks: list[tuple[int, ...]], rng: np.random.Generator
) -> ViewDraw:
    """Draw one view: one block to swap, one warp."""
    angle, shift_x, shift_y = rng.uniform(-1, 1, 3)
    return ViewDraw(
        swapped_rows=blocks[int(rng.integers(len(blocks)))],
        strength=config.swap_strength,
        flipped=bool(rng.random() < config.flip_probability),
        rotation_deg=float(angle * config.rotation_deg),
        shift_x=float(shift_x * config.shift),
        shift_y=float(shift_y * config.shift),
    )


def swap_rows(latent_w: Tensor, other_w: Tensor, draw: ViewDraw) -> Tensor:
    """Return `latent_w` (n, num_ws, w_dim) with the drawn rows moved towards `other_w`."""
    mixed = latent_w.clone()
    for row in draw.swapped_rows:
        mixed[:, row] = torch.lerp(latent_w[:, row], other_w[:, row], draw.strength)
    return mixed


def warp_matrix(draw: ViewDraw) -> Tensor:
    """Return the 3x3 map from positions in the view to positions in the generator's grid.

    Positions are (x, y) in [-1, 1], pixel centres at odd multiples of 1 / width.
    """
    angle = np.deg2rad(draw.rotation_deg)
    mirror = np.diag([-1.0 if draw.flipped else 1.0, 1.0, 1.0])
    turn = np.array(
        [
            [np.cos(angle), -np.sin(angle), 2 * draw.shift_x],
            [np.sin(angle), np.cos(angle), 2 * draw.shift_y],
            [0, 0, 1],
        ]
    )
    return torch.from_numpy(mirror @ turn).float()


def warp(maps: Tensor, draw: ViewDraw) -> Tensor:
    """Return maps (n, c, H, W) as the view sees them: nearest edge values outside."""
    matrix = warp_matrix(draw)[:2].to(maps.device).expand(len(maps), 2, 3)
    grid = functional.affine_grid(matrix, list(maps.shape), align_corners=False)
    return functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)


def positions_in_view(positions: Tensor, draw: ViewDraw) -> Tensor:
    """Return where positions (k, 2) of the generator's grid lie in the view."""
    inverse = torch.linalg.inv(warp_matrix(draw).double()).float().to(positions.device)
    return positions @ inverse[:2, :2].T + inverse[:2, 2]


def sample_at(maps: Tensor, positions: Tensor) -> Tensor:
    """Return the pixels (n, k, c) of maps (n, c, H, W) at positions (k, 2), bilinearly."""
    grid = positions[None, :, None, :].expand(len(maps), -1, -1, -1)
    found = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)


def shared_positions(
    draws: tuple[ViewDraw, ViewDraw], n_pixels: int, size: tuple[int, int], rng: np.random.Generator
) -> Tensor:
    """Return up to `n_pixels` pixel centres (k, 2) of the generator's grid inside both views."""
    rows, columns = ((2 * torch.arange(length) + 1) / length - 1 for length in size)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 2)
    limit = torch.tensor([1 - 1 / length for length in reversed(size)])
    inside = torch.ones(len(grid), dtype=torch.bool)
    for draw in draws:
        inside &= (positions_in_view(grid, draw).abs() <= limit + 1e-6).all(1)
    kept = torch.nonzero(inside)[:, 0].numpy()
    chosen = rng.permutation(kept)[:n_pixels]
    return grid[torch.from_numpy(np.sort(chosen))]
