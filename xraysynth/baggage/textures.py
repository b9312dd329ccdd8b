"""Uneven thickness of soft things: tileable tables of folds, wrinkles and grain.

Made once a process from fixed streams, so that a fold costs one look-up for each ray.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from xraysynth.randomness import stream

CELLS = 256
CELL_MM = 1.5
"""A table repeats every 384 mm, farther than clothes reach."""
N_VARIANTS = 3
Table = Float[np.ndarray, "row col"]


def _noise(rng: np.random.Generator, length_mm: float, stretch: float = 1.0) -> Table:
    """Return tileable noise of mean 0 and variance 1, smooth over about `length_mm`."""
    x_cycles = np.fft.rfftfreq(CELLS, CELL_MM)[None] * stretch
    y_cycles = np.fft.fftfreq(CELLS, CELL_MM)[:, None]
    low_pass = np.exp(-0.5 * (length_mm**2) * (x_cycles**2 + y_cycles**2) * np.pi**2 / 2)
    white = np.fft.rfft2(rng.standard_normal((CELLS, CELLS)))
    field = np.fft.irfft2(white * low_pass, s=(CELLS, CELLS))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _creases(rng: np.random.Generator, length_mm: float, width_mm: float, count: int) -> Table:
    """Return lines of even width, 0 to about 1, that wander, fade and come back."""
    total = np.zeros((CELLS, CELLS), dtype=np.float32)
    for _ in range(count):
        field = _noise(rng, length_mm, float(rng.uniform(0.4, 2.5)))
        rise_y, rise_x = np.gradient(field, CELL_MM)
        apart_mm = field / np.maximum(np.hypot(rise_x, rise_y), 0.3 / length_mm)
        strength = np.clip(_noise(rng, 1.5 * length_mm) + 0.3, 0, 1.2)
        # A turned-over hem is two lines side by side, with a thicker band between them.
        double = np.exp(-(((np.abs(apart_mm) - 2.5 * width_mm) / width_mm) ** 2))
        single = np.exp(-((apart_mm / width_mm) ** 2))
        total += strength * (single if rng.random() < 0.6 else double)
    return total


def _garment(rng: np.random.Generator) -> Table:
    """Cloth in layers: broad swells, many folds across them, a weave."""
    swell = 0.13 * _noise(rng, 45) + 0.12 * _noise(rng, 14, 1.8)
    folds = 0.55 * _creases(rng, 36, 1.5, 7) + 0.35 * _creases(rng, 16, 1.1, 4)
    return np.asarray(0.42 + swell + folds + 0.16 * _noise(rng, 1.6))


def _knit(rng: np.random.Generator) -> Table:
    """Wool or towel: thick, with ribs."""
    place = np.arange(CELLS) * (2 * np.pi * 96 / CELLS)
    ribs = np.cos(place[None] + 0.8 * _noise(rng, 30))
    swell = 0.52 + 0.14 * _noise(rng, 40) + 0.08 * ribs + 0.12 * _noise(rng, 2)
    return np.asarray(swell + 0.4 * _creases(rng, 45, 1.8, 4), np.float32)


def _nylon(rng: np.random.Generator) -> Table:
    """Thin bag cloth: even, with seams and sharp wrinkles."""
    wrinkles = 1.5 * _creases(rng, 70, 1.2, 6) + 0.9 * _creases(rng, 25, 1.1, 3)
    return np.asarray(0.85 + 0.15 * _noise(rng, 8) + wrinkles)


def _panel(rng: np.random.Generator) -> Table:
    """Moulded plastic with a lining: even, and a few folds of the lining."""
    return np.asarray(0.92 + 0.07 * _noise(rng, 25) + 0.5 * _creases(rng, 70, 1.2, 4))


def _grain(rng: np.random.Generator) -> Table:
    """Nuts, sweets, rice: lumps with gaps."""
    lumps = np.clip(0.62 + 0.34 * _noise(rng, 3.2), 0.12, 1.0)
    return np.asarray(lumps + 0.12 * _noise(rng, 20))


def _crumbs(rng: np.random.Generator) -> Table:
    """Bread, cake, plush: fine pores, slow swells."""
    pores = 0.11 * _noise(rng, 2.5) + 0.07 * _noise(rng, 1.2)
    return np.asarray(0.78 + 0.08 * _noise(rng, 25) + pores)


MAKERS = {
    "garment": _garment,
    "knit": _knit,
    "nylon": _nylon,
    "panel": _panel,
    "grain": _grain,
    "crumbs": _crumbs,
}


@lru_cache(maxsize=len(MAKERS) * N_VARIANTS)
def texture(name: str, variant: int) -> Float[np.ndarray, " cell"]:
    """Return one table, flattened row by row: shares of the full thickness, never negative.

    Parameters
    ----------
    name : a key of `MAKERS`
    variant : int
        0 to `N_VARIANTS` - 1.

    Examples
    --------
    >>> table = texture("garment", 0)
    >>> len(table) == CELLS**2, bool(0.4 < table.mean() < 0.8), bool(table.min() >= 0)
    (True, True, True)
    """
    table = MAKERS[name](stream(0, "texture", name, variant))
    table = np.clip(table, 0.02, None).astype(np.float32).ravel()
    table.flags.writeable = False
    return table


def sampled(
    name: str, variant: int, x: Float[np.ndarray, "row col"], y: Float[np.ndarray, "row col"]
) -> Float[np.ndarray, "row col"]:
    """Return a texture's share at places in mm, each within 10 m of the origin."""
    per_mm, shift = np.float32(1 / CELL_MM), np.float32(16 * CELLS + 0.5)
    col = (x * per_mm + shift).astype(np.int32) & (CELLS - 1)
    row = (y * per_mm + shift).astype(np.int32) & (CELLS - 1)
    row *= CELLS
    row += col
    return texture(name, variant).take(row)
