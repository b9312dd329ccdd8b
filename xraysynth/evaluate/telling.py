"""What tells two sets apart: the features, colours, tones and bands that differ most."""

from __future__ import annotations

from typing import Any

import numpy as np

from xraysynth.evaluate.classifier import fit_logistic
from xraysynth.evaluate.comparison import rounded
from xraysynth.evaluate.histograms import COLOUR_LEVELS
from xraysynth.evaluate.picture_set import PictureSet, simple_features, simple_names
from xraysynth.evaluate.power_spectrum import decibels

SHOWN = 12


def what_tells(real: PictureSet, made: PictureSet) -> dict[str, Any]:
    """Return where simulated scans differ from real ones, for whoever mends the simulator.

    Returns
    -------
    dict
        `weights`: features of the simple classifier by the size of their weight, positive where
        more of it makes a scan look simulated; `effects`: difference of the means over the pooled
        deviation, one feature at a time; `colours` and `tones`: shares of pixels; `bands_db`:
        mean power, simulated minus real.
    """
    one, two = simple_features(made), simple_features(real)
    names = simple_names(real.pictures.shape[3], real.power.shape[1])
    weights = fit_logistic(one, two).weights
    pooled = np.sqrt((one.var(0) + two.var(0)) / 2)
    effects = np.where(pooled > 1e-9, (one.mean(0) - two.mean(0)) / np.maximum(pooled, 1e-9), 0)
    return {
        "weights": _largest(names, weights),
        "effects": _largest(names, effects),
        "colours": _shares(_colour_names(real), made.colour, real.colour),
        "tones": _shares(_tone_names(real.tone.shape[1]), made.tone, real.tone),
        "bands_db": [
            rounded(value) for value in decibels(made.power).mean(0) - decibels(real.power).mean(0)
        ],
    }


def _largest(names: list[str], values: np.ndarray) -> dict[str, float]:
    """Return the largest values by size, largest first."""
    order = np.argsort(-np.abs(values), kind="stable")[:SHOWN]
    return {f"{rank + 1:02d} {names[i]}": rounded(float(values[i])) for rank, i in enumerate(order)}


def _shares(names: list[str], made: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Return the bins whose mean share differs most."""
    one, two = made.mean(0), real.mean(0)
    order = np.argsort(-np.abs(one - two), kind="stable")[:SHOWN]
    return {
        f"{rank + 1:02d} {names[i]}": {
            "simulated": rounded(float(one[i])),
            "real": rounded(float(two[i])),
        }
        for rank, i in enumerate(order)
    }


def _colour_names(chosen: PictureSet) -> list[str]:
    """Return the middle value of each colour bin, as #rrggbb or a grey level."""
    middles = [(2 * level + 1) * 128 // COLOUR_LEVELS for level in range(COLOUR_LEVELS)]
    if chosen.pictures.shape[3] == 1:
        return [f"grey {middle}" for middle in middles]
    return [f"#{r:02x}{g:02x}{b:02x}" for r in middles for g in middles for b in middles]


def _tone_names(bins: int) -> list[str]:
    """Return the range of each bin of apparent transmission."""
    return [f"{i / bins:.3f} to {(i + 1) / bins:.3f}" for i in range(bins)]
