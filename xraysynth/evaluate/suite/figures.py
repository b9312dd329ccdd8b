"""From cells to figures: scores, means over exemplars, paired differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from xraysynth.evaluate.metrics import (
    BACKGROUND,
    mean_iou,
    merge_group,
    merged,
    weighted_iou,
)
from xraysynth.evaluate.oracle import group_of_classes

MEASURES = ("wiou", "miou", "miou_foreground", "miou_threats_merged")
"""Figures of a cell."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One method less another over the same exemplars."""

    mean: float
    """Mean over tasks of the mean over exemplars."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    pairs: int
    """Exemplars of all tasks together."""


def cell_scores(cell: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a cell, NaN where it failed or a figure does not exist.

    `wiou` weighs classes by their true foreground pixels; `miou` counts the background,
    `miou_foreground` does not; absent classes count nowhere.
    """
    if "failed" in cell:
        return dict.fromkeys(MEASURES, float("nan"))
    matrix = np.array(cell["confusion"])
    _, ids = merge_group(cell["classes"], group_of_classes(), "threat")
    return {
        "wiou": weighted_iou(matrix),
        "miou": mean_iou(matrix),
        "miou_foreground": mean_iou(matrix, without=(BACKGROUND,)),
        "miou_threats_merged": mean_iou(merged(matrix, ids)),
    }


def table(
    cells: Sequence[Mapping[str, Any]], protocol: str, measure: str
) -> dict[str, dict[str, dict[int, float]]]:
    """Return a figure by method, task and exemplar."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for cell in cells:
        if cell["protocol"] == protocol:
            tasks = found.setdefault(cell["method"], {})
            value = cell_scores(cell)[measure]
            tasks.setdefault(cell["task"], {})[cell["exemplar"]] = value
    return found


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample deviation of those values that exist, NaN where there are too few.

    Examples
    --------
    >>> mean_and_deviation([1.0, 3.0, float("nan")])
    (2.0, 1.4142135623730951)
    """
    known = np.array([value for value in values if not np.isnan(value)])
    mean = float(known.mean()) if len(known) else float("nan")
    return mean, float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def over_tasks(tasks: Mapping[str, Mapping[int, float]]) -> tuple[float, float]:
    """Return the mean over tasks of a method, and the deviation over exemplar numbers of it."""
    means = [mean_and_deviation(list(by_exemplar.values()))[0] for by_exemplar in tasks.values()]
    numbers = sorted({number for by_exemplar in tasks.values() for number in by_exemplar})
    rows = [
        mean_and_deviation([by_exemplar.get(n, np.nan) for by_exemplar in tasks.values()])[0]
        for n in numbers
    ]
    return mean_and_deviation(means)[0], mean_and_deviation(rows)[1]


def difference(
    first: Mapping[str, Mapping[int, float]], second: Mapping[str, Mapping[int, float]]
) -> Difference:
    """Return the paired difference of two methods, with a 95 % interval.

    Within a task the pairs are the exemplars; the mean of a task's differences has the variance
    s^2 / n. Tasks are fixed and weigh alike. The interval is Student's, with the degrees of
    freedom of Welch and Satterthwaite; for one task it is the ordinary paired one. It tells how
    far the choice of exemplars matters, not that of the scans tested on, which all share.

    Examples
    --------
    The textbook paired interval, for differences 1, 2, 3: 2 +- 4.303 x 1 / sqrt(3).

    >>> pair = difference({"x": {0: 2.0, 1: 4.0, 2: 6.0}}, {"x": {0: 1.0, 1: 2.0, 2: 3.0}})
    >>> pair.mean, round(pair.low, 3), round(pair.high, 3)
    (2.0, -0.484, 4.484)
    """
    every = [_paired(first[task], second.get(task, {})) for task in first]
    kept = [values for values in every if len(values)]
    if not kept:
        return Difference(mean=np.nan, low=np.nan, high=np.nan, pairs=0)
    mean = float(np.mean([values.mean() for values in kept]))
    several = [values for values in kept if len(values) > 1]
    parts = np.array([v.var(ddof=1) / len(v) for v in several]) / len(kept) ** 2
    freedom = np.array([len(values) - 1 for values in several])
    variance = float(parts.sum())
    if len(several) < len(kept):
        half = float("nan")
    elif variance == 0:
        half = 0.0
    else:
        degrees = variance**2 / float((parts**2 / freedom).sum())
        half = float(stats.t.ppf(0.975, degrees)) * variance**0.5
    pairs = sum(len(values) for values in kept)
    return Difference(mean=mean, low=mean - half, high=mean + half, pairs=pairs)


def reliability(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how often pixels are right where the method is how sure, over some cells.

    `error` is the mean distance of confidence and share of right pixels, weighed by pixels.
    """
    found = [cell["reliability"] for cell in cells if "reliability" in cell]
    pixels = np.array([entry["pixels"] for entry in found], float)
    right = np.array([entry["right"] for entry in found], float).sum(0)
    confidence = (np.array([entry["confidence"] for entry in found]) * pixels).sum(0)
    count = pixels.sum(0)
    share = np.divide(right, count, out=np.zeros_like(right), where=count > 0)
    sure = np.divide(confidence, count, out=np.zeros_like(right), where=count > 0)
    return {
        "share_of_pixels": (count / count.sum()).round(6).tolist(),
        "confidence": sure.round(4).tolist(),
        "right": share.round(4).tolist(),
        "error": round(float((np.abs(share - sure) * count).sum() / count.sum()), 4),
    }


def _paired(first: Mapping[int, float], second: Mapping[int, float]) -> np.ndarray:
    """Return the differences where both have a figure."""
    values = np.array([first[n] - second[n] for n in sorted(first) if n in second])
    return values[~np.isnan(values)] if len(values) else values
