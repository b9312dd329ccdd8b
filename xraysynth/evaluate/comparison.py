"""Every measure of a made set against the real one, beside two disjoint halves of the real one."""

from __future__ import annotations

from typing import Any

import numpy as np

from xraysynth.errors import InputError
from xraysynth.evaluate.classifier import FOLDS, held_out
from xraysynth.evaluate.frechet import frechet_distance
from xraysynth.evaluate.histograms import divergence, earth_mover
from xraysynth.evaluate.kernel_distance import kernel_distance
from xraysynth.evaluate.picture_set import PictureSet, simple_features
from xraysynth.evaluate.power_spectrum import spectrum_distance
from xraysynth.evaluate.precision_recall import precision_recall
from xraysynth.evaluate.sliced_wasserstein import sliced_wasserstein
from xraysynth.gan.efficientnet import NAME
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream

SPLITS = 5
LEAST_MADE = 2 * FOLDS
LEAST_SCANS = 2 * LEAST_MADE
MOST_FOR_SLICES = 256
"""Pictures of each set whose patches are compared."""

Figures = dict[str, float]


def compare(first: PictureSet, second: PictureSet, rng: np.random.Generator) -> Figures:
    """Return every figure of two sets of equal size, by name.

    `first` stands for what is real where a measure is not symmetric (precision and recall).
    Names with "AUC" are held-out areas under the curve of a linear classifier, 0.5 where nothing
    tells the sets apart, "precision" and "recall" shares; all others are distances, 0 in the mean
    for equal distributions (but FD and slices, which have a bias that depends on the count).
    """
    n_slices = min(len(first), len(second), MOST_FOR_SLICES)
    slices = sliced_wasserstein(first.pictures[:n_slices], second.pictures[:n_slices], rng)
    simple = held_out(simple_features(first), simple_features(second), rng)
    figures = {
        "colour histogram (JS, bit)": divergence(first.colour, second.colour),
        "transmission histogram (W1)": earth_mover(first.tone, second.tone),
        "density (JS, bit)": divergence(first.density, second.density),
        "power spectrum (dB)": spectrum_distance(first.power, second.power),
        **{f"sliced Wasserstein {side} px": value for side, value in slices.items()},
        "AUC simple": simple.area,
        "d' simple": simple.separation,
    }
    if first.pooled is None or second.pooled is None:
        return figures
    deep = held_out(first.pooled, second.pooled, rng)
    found = precision_recall(first.pooled, second.pooled)
    return {
        **figures,
        f"FD ({NAME})": frechet_distance(first.pooled, second.pooled),
        f"KID ({NAME})": kernel_distance(first.pooled, second.pooled),
        "precision": found.precision,
        "recall": found.recall,
        f"AUC {NAME}": deep.area,
        f"d' {NAME}": deep.separation,
    }


def compare_with_halves(
    real: PictureSet,
    made: PictureSet,
    seed: int,
    *,
    splits: int = SPLITS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return each figure of made against real beside that of real against real, at equal counts.

    Each of the seeded splits deals the real set into two disjoint halves A and B and draws as
    many made pictures C; the figure is of A against C, its yardstick of A against B.

    Returns
    -------
    dict
        `samples_each`, `splits`, and `measures`: by name `made` and `real_halves`, each with
        `mean`, `sd` and the `values` by split; areas under the curve also with `excess` (made
        minus halves), the rest with `ratio` (made over halves), null where the halves' figure
        is not clear of 0.

    Raises
    ------
    InputError
        If a set is too small to be halved and classified.
    """
    n_each = min(len(real) // 2, len(made))
    if n_each < LEAST_MADE:
        raise InputError(
            f"there are {len(real)} real and {len(made)} made scans; want at least "
            f"{LEAST_SCANS} and {LEAST_MADE}, so that halves of the real ones can be compared."
        )
    against_made, against_real = [], []
    for split in range(splits):
        rng = stream(seed, "split", split)
        dealt = rng.permutation(len(real))
        half = real[dealt[:n_each]]
        chosen = made[rng.permutation(len(made))[:n_each]]
        against_real.append(compare(half, real[dealt[n_each : 2 * n_each]], rng))
        against_made.append(compare(half, chosen, rng))
        progress(split + 1, splits, "splits")
    return {
        "samples_each": n_each,
        "splits": splits,
        "measures": {
            name: _beside(
                name,
                [figures[name] for figures in against_made],
                [figures[name] for figures in against_real],
            )
            for name in against_made[0]
        },
    }


def _beside(name: str, made: list[float], halves: list[float]) -> dict[str, Any]:
    """Return one measure's figures, with what sets them side by side."""
    entry: dict[str, Any] = {"made": summary(made), "real_halves": summary(halves)}
    mean, yardstick = entry["made"]["mean"], entry["real_halves"]
    if name.startswith("AUC"):
        entry["excess"] = rounded(mean - yardstick["mean"])
    else:
        # An unbiased figure of two halves scatters about 0: then a ratio would mean nothing.
        clear = yardstick["mean"] > 2 * yardstick["sd"]
        entry["ratio"] = rounded(mean / yardstick["mean"]) if clear else None
    return entry


def summary(values: list[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation and the values themselves.

    Examples
    --------
    >>> summary([1.0, 3.0])
    {'mean': 2.0, 'sd': 1.41421, 'values': [1.0, 3.0]}
    """
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {
        "mean": rounded(float(np.mean(values))),
        "sd": rounded(spread),
        "values": [rounded(value) for value in values],
    }


def rounded(value: float) -> float:
    """Return a value to six significant digits."""
    return float(f"{value:.6g}")
