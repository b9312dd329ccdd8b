"""Closed outlines in mm, as arrays of points (point, 2), centred where the name says."""

from __future__ import annotations

from collections.abc import Sequence

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
    quarter = np.linspace(0, np.pi / 2, n_corner)
    points = []
    for index, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        angle = quarter + index * np.pi / 2
        centre = np.array([sx * (width / 2 - radius), sy * (height / 2 - radius)])
        points.append(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return np.concatenate(points)


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
