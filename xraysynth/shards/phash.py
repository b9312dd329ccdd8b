"""Perceptual hash: near duplicates get hashes that differ in few bits."""

from __future__ import annotations

import numpy as np

GRID = 32
"""Images are averaged to GRID x GRID first."""
LOW = 8
"""LOW x LOW lowest frequencies make the 64 bits."""


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """Return 64 bits per image that small changes leave almost alone.

    The grey image, averaged to 32 x 32, goes through a two-dimensional discrete cosine
    transform; each of the 8 x 8 lowest frequencies gives one bit: above their median or not.

    Parameters
    ----------
    images : (n, H, W, C)
        Any size and any numeric type.

    Returns
    -------
    (n,) S16
        Hexadecimal digits, highest frequency last.

    References
    ----------
    .. [1] C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
       thesis, Hagenberg, 2010, section 3.2.1 (DCT based hash).

    Examples
    --------
    >>> scan = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1))
    >>> hamming(perceptual_hash(scan)[0], perceptual_hash(scan + 3)[0])
    0
    """
    if not len(images):
        return np.zeros(0, "S16")
    grey = images.mean(axis=3, dtype=np.float64)
    scale = max(float(np.abs(grey).max()), 1.0)
    rows, columns = _low_frequencies(grey.shape[1]), _low_frequencies(grey.shape[2])
    # einsum without BLAS, then rounding: the same bits for any number of threads and batch size.
    spectrum = np.einsum(
        "kr,nrc,lc->nkl", rows, grey, columns, optimize=["einsum_path", (0, 1), (0, 1)]
    )
    spectrum = np.round(spectrum / scale, 6).reshape(len(images), LOW * LOW)
    median = np.median(spectrum[:, 1:], axis=1, keepdims=True)
    packed = np.packbits(spectrum > median, axis=1)
    return np.array([row.tobytes().hex().encode() for row in packed], "S16")


def hamming(first: bytes | str, second: bytes | str) -> int:
    """Return in how many of 64 bits two hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _low_frequencies(size: int) -> np.ndarray:
    """Return (LOW, size): average to GRID cells, then cosine transform (DCT-II)."""
    edges = np.arange(GRID + 1) * size / GRID
    pixel = np.arange(size)
    cover = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    averages = np.clip(cover, 0, None) * (GRID / size)
    cell = np.arange(GRID) + 0.5
    cosines = np.cos(np.pi / GRID * np.arange(LOW)[:, None] * cell)
    weights: np.ndarray = np.einsum("kg,gs->ks", cosines, averages)
    return weights
