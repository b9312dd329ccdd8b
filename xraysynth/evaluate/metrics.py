"""Intersection over union of label maps, counted over a whole test set.

IoU of a class is the sum of intersections over the sum of unions of all scans. A class that is in
neither truth nor prediction has none, and is not counted. The background counts in the mean IoU
unless `without` names it; the weighted IoU is of the foreground only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xraysynth.errors import InputError

BACKGROUND = 0


class Confusion:
    """Pixel counts by true (row) and predicted (column) class, streamed over scans.

    Examples
    --------
    >>> counts = Confusion(("background", "gun"))
    >>> counts.add(np.array([[0, 1], [1, 1]]), np.array([[0, 0], [1, 1]]))
    >>> iou_per_class(counts.matrix).round(3).tolist()
    [0.5, 0.667]
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self.matrix = np.zeros((len(self.class_names),) * 2, dtype=np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count label maps of any shape, alike for both; ids index `class_names`.

        Raises
        ------
        InputError
            If the shapes differ or an id has no class.
        """
        n_classes = len(self.class_names)
        if truth.shape != predicted.shape:
            raise InputError(
                f"truth has shape {truth.shape} and prediction {predicted.shape}; want them alike."
            )
        largest = max(int(truth.max(initial=0)), int(predicted.max(initial=0)))
        if largest >= n_classes:
            raise InputError(
                f"a label map holds class id {largest}; want at most {n_classes - 1} "
                f"({n_classes} class names were given)."
            )
        flat = truth.astype(np.int64).ravel() * n_classes + predicted.ravel()
        counts = np.bincount(flat, minlength=n_classes**2)
        self.matrix += counts.reshape(n_classes, n_classes)


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Return the IoU of each class (class,), NaN where truth and prediction lack it."""
    both = np.diag(matrix).astype(np.float64)
    either = matrix.sum(0) + matrix.sum(1) - both
    return np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0)


def mean_iou(matrix: np.ndarray, *, without: Sequence[int] = ()) -> float:
    """Return the mean IoU over classes with pixels; NaN if there are none.

    `without` leaves classes out of the mean (not out of the counts), such as the background.
    """
    iou = np.delete(iou_per_class(matrix), list(without))
    found = iou[~np.isnan(iou)]
    return float(found.mean()) if found.size else float("nan")


def weighted_iou(matrix: np.ndarray) -> float:
    """Return the IoU weighted by each class's share of true foreground pixels.

    The weights sum to 1 and leave the background (id 0) out; NaN without true foreground.

    Examples
    --------
    Three quarters of the foreground at IoU 1, one quarter missed.

    >>> weighted_iou(np.array([[4, 0, 0], [0, 3, 0], [1, 0, 0]]))
    0.75
    """
    share = matrix.sum(1).astype(np.float64)
    share[BACKGROUND] = 0
    if share.sum() == 0:
        return float("nan")
    iou = iou_per_class(matrix)
    return float(np.nansum(iou * share / share.sum()))


def merged(matrix: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Return the counts after giving class i the id `groups[i]`, as when all threats are one.

    Examples
    --------
    >>> merged(np.array([[2, 0, 0], [0, 1, 3], [0, 2, 4]]), [0, 1, 1]).tolist()
    [[2, 0], [0, 10]]
    """
    to_group = np.zeros((len(groups), max(groups) + 1), dtype=np.int64)
    to_group[np.arange(len(groups)), list(groups)] = 1
    result: np.ndarray = to_group.T @ matrix @ to_group
    return result


def merge_group(
    class_names: Sequence[str], group_of: Mapping[str, str], group: str
) -> tuple[tuple[str, ...], list[int]]:
    """Return names and ids after every class of a group has become one class.

    Examples
    --------
    >>> merge_group(("background", "gun", "knife"), {"gun": "threat", "knife": "threat"}, "threat")
    (('background', 'threat'), [0, 1, 1])
    """
    new_names = [group if group_of.get(name) == group else name for name in class_names]
    order = list(dict.fromkeys(new_names))
    return tuple(order), [order.index(name) for name in new_names]


def scores(confusion: Confusion, group_of: Mapping[str, str]) -> dict[str, Any]:
    """Return every figure of a test as JSON values: IoU, mIoU, wIoU, with threats merged as well.

    IoU that does not exist is null.
    """
    names, ids = merge_group(confusion.class_names, group_of, "threat")
    return {
        **_figures(confusion.matrix, confusion.class_names),
        "threats_merged": _figures(merged(confusion.matrix, ids), names),
    }


def _figures(matrix: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Return IoU per class and both means, null where undefined."""
    iou = iou_per_class(matrix)
    share = matrix.sum(1) / max(int(matrix.sum()), 1)
    return {
        "mean_iou": _number(mean_iou(matrix)),
        "mean_iou_foreground": _number(mean_iou(matrix, without=(BACKGROUND,))),
        "weighted_iou_foreground": _number(weighted_iou(matrix)),
        "pixel_accuracy": _number(float(np.trace(matrix) / max(int(matrix.sum()), 1))),
        "iou": {name: _number(float(v)) for name, v in zip(class_names, iou, strict=True)},
        "true_share": {
            name: round(float(v), 6) for name, v in zip(class_names, share, strict=True)
        },
    }


def _number(value: float) -> float | None:
    """Return a figure to six places, or None for NaN."""
    return None if np.isnan(value) else round(value, 6)
