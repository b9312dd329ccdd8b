"""What a segmenter's probabilities are worth, told without any truth.

A head that learned one scan fits it far better than it labels others, so its probabilities promise
too much, on views of that scan as well. Two heads that learned different parts of the exemplars err
differently: how often they agree on fresh generated scans tells how often one is right [1]_. What
both get wrong alike shows in the part of the exemplars that a head did not learn. For each class
two curves, never falling, lead from probability to either share; the lower one is believed, and a
table of it is all that a segmenter keeps.

References
----------
.. [1] Y. Jiang, V. Nagarajan, C. Baek and J. Z. Kolter, "Assessing Generalization of SGD via
   Disagreement", ICLR 2022.
.. [2] B. Zadrozny and C. Elkan, "Transforming Classifier Scores into Accurate Multiclass
   Probability Estimates", KDD 2002 (isotonic curves).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.settings import Settings

LEVELS = 256
"""Probabilities and confidences are stored as bytes."""
BINS = 20
"""Groups of equally many pixels that a curve is drawn through."""
FEWEST_PIXELS = 500
"""A class with fewer pixels in the fresh scans gets the curve of all classes."""


class CalibrationConfig(Settings):
    """How confidence is calibrated."""

    scans: int = Field(48, ge=0)
    """Fresh generated scans that heads are compared on; 0 leaves probabilities as they are."""
    truncation_psi: float = Field(EXPORTED_PSI, ge=0, le=1)
    """Truncation of these scans."""
    block_share: float = Field(0.25, gt=0, le=0.5)
    """Side of the squares of the board that parts a single exemplar, as a share of its side."""
    class_share: float = Field(0.1, ge=0, le=0.5)
    """A class is judged by two heads only if each learned at least this share of its pixels."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a head says that learned a part of the labelled pixels."""

    fresh: Iterable[Tensor]
    """Probabilities (n, K, H, W) of fresh scans, batch by batch; the same scans for every head."""
    views: Tensor
    """Probabilities (v * exemplars, K, H, W) of v views of all exemplars, one after another."""


Train = Callable[[Tensor], Head]
"""From training pixels (exemplars, H, W) bool to a head."""


def confidence_levels(
    labels: np.ndarray, n_classes: int, train: Train, config: CalibrationConfig
) -> np.ndarray:
    """Return the confidence of each class and probability, from heads that learned different parts.

    Parameters
    ----------
    labels : (exemplars, H, W) integer
        Class of each labelled pixel.
    n_classes : int
        K.
    train : Train
        Trains a head on some pixels.
    config : CalibrationConfig
        Parts and limits.

    Returns
    -------
    (K + 1, 256) uint8
        Confidence, 0 to 255, by class and probability in steps of 1/255; rows never fall. The last
        row is for all classes together, and for those that nothing was learned of.
    """
    agreed, held_out = np.zeros((2, 2, n_classes, LEVELS), np.int64)
    judged = np.zeros(n_classes, bool)
    for part in parts(labels, config):
        both = shared_classes(labels, part, n_classes, config.class_share) & ~judged
        if not both.any():
            continue
        halves = (part, ~part)
        heads = [train(torch.from_numpy(half.copy())) for half in halves]
        agreed[:, both] += _agreement(heads, n_classes)[:, both]
        for head, half in zip(heads, halves, strict=True):
            held_out[:, both] += _right_elsewhere(head, half, labels, n_classes)[:, both]
        judged |= both
    table: np.ndarray = np.minimum(levels_of(*agreed), levels_of(*held_out))
    return table


def parts(labels: np.ndarray, config: CalibrationConfig) -> list[np.ndarray]:
    """Return ways (exemplars, H, W) bool to part the labelled pixels in two, the best first.

    Each exemplar is parted like a chessboard, large squares so that hardly an item lies in both
    halves; a second board is shifted by half a square. Last, several exemplars are dealt out whole:
    a head that lacks half of them errs more than one that learned from all.
    """
    count, height, width = labels.shape
    square = max(1, round(config.block_share * max(height, width)))
    rows, columns = np.mgrid[:height, :width]
    ways: list[np.ndarray] = []
    for shift in (0, square // 2):
        board = (rows + shift) // square + (columns + shift) // square
        ways.append((board[None] + np.arange(count)[:, None, None]) % 2 == 1)
    if count > 1:
        ways.append(np.broadcast_to((np.arange(count) % 2 == 1)[:, None, None], labels.shape))
    return ways


def shared_classes(
    labels: np.ndarray, part: np.ndarray, n_classes: int, share: float
) -> np.ndarray:
    """Tell (K,) which classes both halves have at least `share` of.

    Examples
    --------
    >>> labels = np.array([[[0, 0, 1, 1], [0, 0, 2, 2]]])
    >>> part = np.array([[[True, False, True, True], [True, False, True, False]]])
    >>> shared_classes(labels, part, 3, 0.1).tolist()
    [True, False, True]
    """
    every = np.bincount(labels.ravel(), minlength=n_classes)
    first = np.bincount(labels[part], minlength=n_classes)
    smaller = np.minimum(first, every - first)
    return np.asarray((smaller > 0) & (smaller >= share * every))


def _agreement(heads: Sequence[Head], n_classes: int) -> np.ndarray:
    """Return pixels, and pixels agreed on (2, K, 256), by class and probability of either head."""
    counts = np.zeros((2, n_classes * LEVELS), np.int64)
    for pair in zip(*(head.fresh for head in heads), strict=True):
        tops = [probability.max(1) for probability in pair]
        agreed = (tops[0].indices == tops[1].indices).cpu().numpy().ravel()
        for top in tops:
            _count(counts, _places(top.indices, top.values), agreed)
    return counts.reshape(2, n_classes, LEVELS)


def _right_elsewhere(
    head: Head, part: np.ndarray, labels: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return pixels that a head did not learn, and those that it got right (2, K, 256)."""
    counts = np.zeros((2, n_classes * LEVELS), np.int64)
    top = head.views.max(1)
    times = len(head.views) // len(labels)
    unseen = np.tile(~part, (times, 1, 1)).ravel()
    right = top.indices.cpu().numpy().ravel() == np.tile(labels, (times, 1, 1)).ravel()
    _count(counts, _places(top.indices, top.values)[unseen], right[unseen])
    return counts.reshape(2, n_classes, LEVELS)


def _places(classes: Tensor, probability: Tensor) -> np.ndarray:
    """Return the place of each pixel in a flat table of classes and levels."""
    return np.asarray((classes * LEVELS + levels(probability)).cpu().numpy().ravel())


def _count(counts: np.ndarray, places: np.ndarray, good: np.ndarray) -> None:
    """Add pixels, and the good ones of them, to a flat table (2, K * 256)."""
    counts[0] += np.bincount(places, minlength=counts.shape[1])
    counts[1] += np.bincount(places[good], minlength=counts.shape[1])


def levels(probability: Tensor) -> Tensor:
    """Return probabilities as whole numbers of 1/255.

    Examples
    --------
    >>> levels(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return (probability * (LEVELS - 1)).round().long()


def levels_of(pixels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the tables (K + 1, 256) uint8 of counts (K, 256) of pixels and of those right.

    Without any pixel a probability stays what it is.
    """
    whole = _curve(pixels.sum(0), right.sum(0))
    rows = [
        _curve(count, good) if count.sum() >= FEWEST_PIXELS else whole
        for count, good in zip(pixels, right, strict=True)
    ]
    return np.round(np.stack([*rows, whole]) * (LEVELS - 1)).astype(np.uint8)


def _curve(pixels: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the share right (256,) by level: straight between the means of equal groups."""
    value = np.arange(LEVELS) / (LEVELS - 1)
    total = pixels.sum()
    if not total:
        return value
    group = np.minimum((np.cumsum(pixels) - pixels / 2) * BINS // total, BINS - 1).astype(int)
    count, good, level = (
        np.bincount(group, weights=w, minlength=BINS) for w in (pixels, right, pixels * value)
    )
    some = count > 0
    share = never_falling(good[some] / count[some], count[some])
    return np.interp(value, level[some] / count[some], share)


def never_falling(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the nearest sequence, by weighted squares, that never falls: neighbours are pooled.

    Examples
    --------
    >>> never_falling(np.array([0.1, 0.6, 0.4, 0.9]), np.array([1.0, 1.0, 1.0, 1.0])).tolist()
    [0.1, 0.5, 0.5, 0.9]
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (low, w_low, n_low), (high, w_high, n_high) = pools.pop(), pools.pop()
            joined = (low * w_low + high * w_high) / (w_low + w_high)
            pools.append((joined, w_low + w_high, n_low + n_high))
    return np.concatenate([np.full(count, value) for value, _, count in pools])
