"""Radial power spectra: how much detail of each size the pictures hold."""

from __future__ import annotations

import numpy as np

from xraysynth.errors import InputError
from xraysynth.evaluate.histograms import luminance

FLOOR = 1e-9
"""Power, in squared units of full scale, under which nothing is told apart: far below 8 bits."""


def band_power(pictures: np.ndarray) -> np.ndarray:
    """Return each picture's mean power (n, band) at whole numbers of cycles a picture.

    Parameters
    ----------
    pictures : (n, row, col, 1 or 3) uint8, square
        The luminance is taken, its mean removed, and a Hann window laid over.

    Returns
    -------
    (n, side // 2)
        Band k holds frequencies from k + 0.5 to k + 1.5 cycles a picture. A white noise of
        variance v has power v in every band.

    Raises
    ------
    InputError
        If the pictures are not square.

    Examples
    --------
    Four cycles across the picture: the fourth band.

    >>> wave = 127.5 + 100 * np.sin(2 * np.pi * 4 * np.arange(32) / 32)
    >>> picture = np.tile(np.rint(wave).astype(np.uint8), (32, 1))[None, :, :, None]
    >>> int(band_power(picture)[0].argmax()) + 1
    4
    """
    if pictures.ndim != 4 or pictures.shape[1] != pictures.shape[2]:
        raise InputError(f"pictures have shape {pictures.shape}; want (n, side, side, channel).")
    side = pictures.shape[1]
    taper = np.hanning(side + 2)[1:-1]
    window = np.outer(taper, taper)
    window /= np.sqrt(np.square(window).mean())
    across = np.fft.rfftfreq(side, 1 / side)
    radius = np.hypot(np.fft.fftfreq(side, 1 / side)[:, None], across)
    # The half plane stands for both; its own columns 0 and side / 2 have no twin.
    weight = np.where((across == 0) | (across == side / 2), 1.0, 2.0) * np.ones((side, 1))
    band = np.rint(radius).astype(int) - 1
    kept = (band >= 0) & (band < side // 2)
    sizes = np.bincount(band[kept], weight[kept], side // 2)
    powers = np.empty((len(pictures), side // 2))
    for number, picture in enumerate(pictures):
        light = luminance(picture[None])[0]
        power = np.square(np.abs(np.fft.rfft2((light - light.mean()) * window))) / side**2
        powers[number] = np.bincount(band[kept], (power * weight)[kept], side // 2) / sizes
    return powers


def decibels(power: np.ndarray) -> np.ndarray:
    """Return 10 log10 of power."""
    return np.asarray(10 * np.log10(power + FLOOR))


def spectrum_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the root mean square difference, in decibels, of two sets' mean log spectra.

    Parameters
    ----------
    first, second : (n, band), (m, band)
        Powers from `band_power`.

    Notes
    -----
    Each picture's log is averaged rather than its power, or a few cluttered bags would stand for
    all. Bands count alike: half of them lie above half of the finest frequency.

    Examples
    --------
    Ten times the power everywhere is 10 dB.

    >>> round(spectrum_distance(np.full((2, 3), 0.01), np.full((4, 3), 0.1)), 3)
    10.0
    """
    if first.shape[1:] != second.shape[1:]:
        raise InputError(f"spectra have shapes {first.shape} and {second.shape}; want one width.")
    difference = decibels(first).mean(0) - decibels(second).mean(0)
    return float(np.sqrt(np.square(difference).mean()))
