"""How often what is said with a confidence is right: reliability curves and their error.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
   ICML 2017, equation 3 (expected calibration error).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xraysynth.files import whole_file

BINS = 15
"""Of equal width, as in [1]_."""


class Reliability:
    """Counts by bin of confidence, over any number of answers.

    Examples
    --------
    Four answers with 0.75, of which two are right.

    >>> counts = Reliability()
    >>> counts.add(np.full(4, 0.75), np.array([1, 1, 0, 0]))
    >>> counts.figures()["expected_calibration_error"]
    0.25
    """

    def __init__(self) -> None:
        self.count, self.confidence, self.right = np.zeros((3, BINS))

    def add(self, confidence: np.ndarray, right: np.ndarray) -> None:
        """Count answers: confidence in [0, 1], and whether, or to what share, each was right."""
        flat = np.asarray(confidence, np.float64).ravel()
        place = np.minimum((flat * BINS).astype(int), BINS - 1)
        weights = (None, flat, np.asarray(right, np.float64).ravel())
        for total, weight in zip((self.count, self.confidence, self.right), weights, strict=True):
            total += np.bincount(place, weights=weight, minlength=BINS)

    def figures(self) -> dict[str, Any]:
        """Return the error, the means and the curve as JSON values; null where nothing was added.

        `expected_calibration_error` is the mean distance of a bin's confidence from its share
        right, weighted by how many answers it holds: equation 3 of [1]_.
        """
        total = self.count.sum()
        if not total:
            return {"answers": 0, "expected_calibration_error": None, "curve": []}
        error = np.abs(self.confidence - self.right).sum() / total
        return {
            "answers": int(total),
            "mean_confidence": round(float(self.confidence.sum() / total), 6),
            "share_right": round(float(self.right.sum() / total), 6),
            "expected_calibration_error": round(float(error), 6),
            "curve": [self._bin(place) for place in np.flatnonzero(self.count).tolist()],
        }

    def _bin(self, place: int) -> dict[str, Any]:
        """Return one point of the curve."""
        count = self.count[place]
        return {
            "from": round(place / BINS, 4),
            "to": round((place + 1) / BINS, 4),
            "answers": int(count),
            "confidence": round(float(self.confidence[place] / count), 6),
            "right": round(float(self.right[place] / count), 6),
        }


def write_reliability(path: Path, curves: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a picture of some curves, side by side, each above how many answers its bins hold.

    Parameters
    ----------
    path : of a PNG file
    curves : what `Reliability.figures` returned, by what was answered
    """
    figure = Figure(figsize=(3.2 * len(curves), 4.2), layout="constrained", dpi=110)
    axes = figure.subplots(2, len(curves), squeeze=False, height_ratios=(3, 1), sharex=True)
    for column, (name, found) in enumerate(curves.items()):
        upper, lower = axes[0, column], axes[1, column]
        points = found["curve"]
        middles = [(point["from"] + point["to"]) / 2 for point in points]
        error = found["expected_calibration_error"]
        upper.set_title(
            f"{name}\n" + ("none" if error is None else f"calibration error {error:.3f}"), size=9
        )
        upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
        upper.plot(
            [point["confidence"] for point in points],
            [point["right"] for point in points],
            marker="o",
            markersize=4,
            color="#0b5394",
        )
        upper.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        total = max(found["answers"], 1)
        lower.bar(middles, [p["answers"] / total for p in points], width=0.9 / BINS, color="0.5")
        lower.set_xlabel("confidence", size=9)
    axes[0, 0].set_ylabel("share right", size=9)
    axes[1, 0].set_ylabel("share of answers", size=9)
    FigureCanvasAgg(figure)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})
