"""Pictures beside the figures of a generator: samples, and the scans most like some of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xraysynth.gan.grids import tile, write_png

ROWS, COLUMNS = 6, 10
PAIRS = 20
PAIR_COLUMNS = 5


def write_samples(path: Path, made: np.ndarray, real: np.ndarray) -> None:
    """Write generated scans above, real ones below, three rows each: (n, h, w, 3) uint8."""
    half = ROWS // 2 * COLUMNS
    parts = [some[:half] for some in (made, real)]
    sheets = [tile(some, COLUMNS) for some in parts]
    gap = np.zeros((4, sheets[0].shape[1], 3), np.uint8)
    write_png(path, np.concatenate([sheets[0], gap, sheets[1]]))


def write_nearest(path: Path, made: np.ndarray, nearest: np.ndarray) -> None:
    """Write pairs of a generated scan and the one most like it, the most alike first."""
    pairs = np.stack([made[:PAIRS], nearest[:PAIRS]], axis=1)
    flat = pairs.reshape(-1, *pairs.shape[2:])
    write_png(path, tile(flat, 2 * PAIR_COLUMNS))
