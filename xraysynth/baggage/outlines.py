"""Closed outlines in mm, as arrays of points (point, 2), centred where the name says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

Outline = Float[np.ndarray, "point 2"]


def circle(radius: float, n_points: int = 20, radius_y: float | None = None) -> Outline:
    """Return a circle, or an ellipse if `radius_y` is given."""
    angle = 2 * np.pi * np.arange(n_points) / n_points
    return np.asarray(
        np.stack([radius * np.cos(angle), (radius_y or radius) * np.sin(angle)], axis=1)
    )


def rectangle(width: float, height: float, at: tuple[float, float] = (0.0, 0.0)) -> Outline:
    """Return a rectangle centred at `at`."""
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2] + np.array(at)


def rounded(width: float, height: float, radius: float, n_corner: int = 5) -> Outline:
    """Return a rectangle with round corners."""
    radius = min(radius, 0.499 * width, 0.499 * height)
    corners, directions = _corner_fans(n_corner)
    return corners * [width / 2 - radius, height / 2 - radius] + radius * directions


@lru_cache(maxsize=8)
def _corner_fans(n_corner: int) -> tuple[Outline, Outline]:
    """Return for each point of a rounded rectangle its corner's signs and its direction."""
    signs = np.repeat([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]], n_corner, axis=0)
    quarters = np.arange(4)[:, None] * np.pi / 2 + np.linspace(0, np.pi / 2, n_corner)
    angle = quarters.ravel()
    return signs, np.stack([np.cos(angle), np.sin(angle)], axis=1)


def strip(points: Sequence[tuple[float, float]], width: float) -> Outline:
    """Return the outline of a band of constant width along a polyline."""
    line = np.asarray(points, dtype=float)
    step = np.gradient(line, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1) * width / 2
    return np.concatenate([line + normal, (line - normal)[::-1]])


def moved(outline: Outline, by: tuple[float, float], turn_deg: float = 0.0) -> Outline:
    """Return the outline turned about the origin, then moved."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    return outline @ np.array([[c, s], [-s, c]]) + np.array(by)
