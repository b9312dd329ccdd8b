"""Homogeneous matrices of the plane, one a sample: x to the right, y downwards."""

from __future__ import annotations

import torch
from torch import Tensor


def translation(shift: Tensor) -> Tensor:
    """(n, 2) pixels along x and y -> (n, 3, 3)."""
    matrix = torch.eye(3).to(shift).repeat(len(shift), 1, 1)
    matrix[:, :2, 2] = shift
    return matrix


def rotation(angle: Tensor) -> Tensor:
    """(n,) radians -> (n, 3, 3), anticlockwise on the screen, where y points down."""
    matrix = torch.eye(3).to(angle).repeat(len(angle), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 0, 1] = angle.sin()
    matrix[:, 1, 0] = -angle.sin()
    return matrix


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """(n,) factors along x and y -> (n, 3, 3)."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))
