"""A set of pictures with all that the measures need of each, so that halves cost nothing more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from xraysynth.errors import InputError
from xraysynth.evaluate import histograms, power_spectrum
from xraysynth.evaluate.kept import NOTHING_KEPT, Kept, kept_features
from xraysynth.progress import Progress, silent

SIMPLE_LEVELS = 4
SIMPLE_TONES = 16
SIMPLE_BANDS = 16


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """Pictures and what was measured of each; slices of it are sets too."""

    pictures: np.ndarray
    """(n, side, side, 1 or 3) uint8."""
    pooled: np.ndarray | None
    """(n, 1280), None if the network was not wanted."""
    middle: np.ndarray | None
    """(n, 112), likewise."""
    colour: np.ndarray
    """(n, colour) shares."""
    tone: np.ndarray
    """(n, bin) shares of apparent transmission."""
    density: np.ndarray
    """(n, bin) shares over hue and apparent transmission, or over raw (-ln T_high, R)."""
    power: np.ndarray
    """(n, band)."""

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, chosen: np.ndarray) -> PictureSet:
        """Return the set of some of the pictures, by an array of indices."""
        return replace(
            self,
            **{name: values[chosen] for name, values in vars(self).items() if values is not None},
        )


def describe(
    pictures: np.ndarray,
    network: nn.Module | None,
    *,
    raw: np.ndarray | None = None,
    kept: Kept = NOTHING_KEPT,
    progress: Progress = silent,
) -> PictureSet:
    """Return pictures with their histograms, spectra and features.

    Parameters
    ----------
    pictures : (n, side, side, 1 or 3) uint8
    network : of `load_feature_network`; None leaves its features out
    raw : (n, row, col, 2) transmissions of the same scans, for a density over (-ln T_high, R)
    kept : where features of the network are looked up and kept

    Raises
    ------
    InputError
        If the pictures are of another kind.
    """
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[1] != pictures.shape[2]:
        raise InputError(
            f"pictures have shape {pictures.shape} and type {pictures.dtype}; "
            "want (n, side, side, channel) uint8."
        )
    features = None if network is None else kept_features(pictures, network, kept, progress)
    return PictureSet(
        pictures=pictures,
        pooled=None if features is None else features.pooled,
        middle=None if features is None else features.middle,
        colour=histograms.colour_histogram(pictures),
        tone=histograms.transmission_histogram(pictures),
        density=_density(pictures, raw),
        power=power_spectrum.band_power(pictures),
    )


def _density(pictures: np.ndarray, raw: np.ndarray | None) -> np.ndarray:
    """Return the density over raw values where there are any, else over colours or tones."""
    if raw is not None:
        return histograms.raw_histogram(raw)
    if pictures.shape[3] == 3:
        return histograms.hue_value_histogram(pictures)
    return histograms.transmission_histogram(pictures)


def simple_features(chosen: PictureSet) -> np.ndarray:
    """Return the documented small features of each picture, for a classifier.

    64 colours (4 steps a channel) or 4 greys, 16 tones of apparent transmission, both as square
    roots of their shares, and the power in decibels of 16 bands, evenly spaced in log frequency.
    `simple_names` names them in order.
    """
    colours = histograms.colour_histogram(chosen.pictures, SIMPLE_LEVELS)
    tones = _merged(
        chosen.tone, np.arange(chosen.tone.shape[1]) * SIMPLE_TONES // chosen.tone.shape[1]
    )
    groups = _octave_parts(chosen.power.shape[1])
    sizes = np.bincount(groups)
    bands = _merged(chosen.power, groups) / sizes
    return np.concatenate(
        [np.sqrt(colours), np.sqrt(tones), power_spectrum.decibels(bands)], axis=1
    )


def simple_names(channels: int, n_bands: int) -> list[str]:
    """Return the names of `simple_features`.

    Examples
    --------
    >>> simple_names(1, 64)[:2], simple_names(1, 64)[-1]
    (['grey 0', 'grey 1'], 'power of 51 to 64 cycles')
    """
    levels = range(SIMPLE_LEVELS)
    colours = (
        [f"grey {level}" for level in levels]
        if channels == 1
        else [f"colour {r}{g}{b} of 333" for r in levels for g in levels for b in levels]
    )
    tones = [
        f"tone {i / SIMPLE_TONES:.2f} to {(i + 1) / SIMPLE_TONES:.2f}" for i in range(SIMPLE_TONES)
    ]
    groups = _octave_parts(n_bands)
    bands = [
        f"power of {np.flatnonzero(groups == group)[0] + 1} "
        f"to {np.flatnonzero(groups == group)[-1] + 1} cycles"
        for group in range(groups.max() + 1)
    ]
    return [*colours, *tones, *bands]


def _octave_parts(n_bands: int) -> np.ndarray:
    """Return the group of each band, at most 16, evenly spaced in log frequency, none empty."""
    part = np.log2(np.arange(1, n_bands + 1)) * SIMPLE_BANDS / np.log2(n_bands + 1)
    return np.unique(part.astype(int), return_inverse=True)[1]


def _merged(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sums over groups of columns."""
    starts = np.searchsorted(groups, np.arange(groups.max() + 1))
    return np.add.reduceat(values, starts, axis=1)
