"""Lengths of rays inside a torus: a quartic whose factors pair where rays enter and leave."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from xraysynth.scanner.rays import Rays

LEVEL = 1e-7
"""Below this root of the resolvent the quartic counts as one in t^2 (lengths over ring radius)."""


def torus_chord(rays: Rays, ring_radius: float, tube_radius: float) -> Float[np.ndarray, "row col"]:
    """Return the length in mm of each ray inside a torus around the z axis.

    Parameters
    ----------
    rays : window of rays in the frame of the torus
    ring_radius : mm, from the centre to the middle of the tube
    tube_radius : mm, at most `ring_radius`

    Notes
    -----
    With t counted from the point nearest to the centre, the quartic has no cubic term:
    t^4 + a t^2 + b t + c. Its factors (t^2 + u t + v)(t^2 - u t + w) with the largest
    y = u^2 [1]_ hold the first and the second pair of crossings, so that the roots need no
    sorting. Double precision, for the rays that come near only.

    References
    ----------
    .. [1] G. Cardano, Ars Magna (1545), chapter 39: Ferrari's resolvent,
       y^3 + 2 a y^2 + (a^2 - 4 c) y - b^2 = 0.
    """
    direction = rays.direction.astype(np.float64)
    direction /= np.sqrt((direction * direction).sum(axis=0))
    start = rays.start.astype(np.float64) / ring_radius
    step = rays.step.astype(np.float64) / ring_radius
    # Everything about the nearest point is a polynomial in y with coefficients per column.
    start -= (start * direction).sum(axis=0) * direction
    step = step[:, None] - (step[:, None] * direction).sum(axis=0) * direction
    y = rays.y.astype(np.float64)
    square = ((step * step).sum(axis=0) * y + 2 * (start * step).sum(axis=0)) * y
    square += (start * start).sum(axis=0)
    tube = tube_radius / ring_radius
    near_rows, near_cols = np.nonzero(square < (1 + tube) ** 2)
    height = start[2, near_cols] + step[2, near_cols] * y[near_rows, 0]
    lengths = _crossed(square[near_rows, near_cols], height, direction[2, near_cols], tube)
    picture = np.zeros(square.shape, dtype=np.float32)
    picture[near_rows, near_cols] = ring_radius * lengths
    return picture


def _crossed(square: np.ndarray, height: np.ndarray, steep: np.ndarray, tube: float) -> np.ndarray:
    """Return lengths inside, for a ring of radius 1, from the nearest point and the direction."""
    k = square + 1 - tube * tube
    a = 2 * k - 4 * (1 - steep * steep)
    b = 8 * height * steep
    c = k * k - 4 * (square - height * height)
    y = _largest_root(a, b, c)
    apart = np.where(
        y > LEVEL,
        np.abs(b) / np.sqrt(np.maximum(y, LEVEL)),
        np.sqrt(np.maximum((a + y) ** 2 - 4 * c, 0)),
    )
    first, second = (-y - 2 * a + sign * 2 * apart for sign in (1, -1))
    return np.sqrt(np.maximum(first, 0)) + np.sqrt(np.maximum(second, 0))


def _largest_root(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the largest real root (never negative) of Ferrari's resolvent."""
    third_p = -a * a / 9 - 4 * c / 3
    half_q = -a * a * a / 27 + 4 * a * c / 3 - b * b / 2
    inside = half_q * half_q + third_p**3
    radius = np.sqrt(np.maximum(-third_p, 0))
    cosine = -half_q / np.maximum(radius**3, 1e-300)
    three_real = 2 * radius * np.cos(np.arccos(np.clip(cosine, -1, 1)) / 3)
    cube = np.cbrt(np.abs(half_q) + np.sqrt(np.maximum(inside, 0)))
    one_real = np.copysign(cube - third_p / np.maximum(cube, 1e-100), -half_q)
    y = np.maximum(np.where(inside > 0, one_real, three_real) - 2 * a / 3, 0)
    # One step of Newton mends what the subtraction lost.
    value = ((y + 2 * a) * y + a * a - 4 * c) * y - b * b
    slope = (3 * y + 4 * a) * y + a * a - 4 * c
    better = y - value / np.where(np.abs(slope) < 1e-9, np.inf, slope)
    return np.asarray(np.maximum(better, 0))
