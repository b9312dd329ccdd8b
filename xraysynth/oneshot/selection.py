"""Only scans that the segmenter is sure of: every other one is drawn anew, in its own place.

A sample's place has a row of candidates, each of its own latent: the first is what an export
without a limit holds there, and the first that is sure enough is kept. So a place depends on no
other one, what it is asked to hold stays, and neither workers nor interruptions change a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xraysynth.errors import InputError
from xraysynth.gan.sampling import full_batches
from xraysynth.shards.describe import scan_confidence
from xraysynth.shards.samples import ARRAYS, SampleArrays

MOST_CANDIDATES = 1000
"""After so many of one shard, or of one place, hardly any kept means that the limit is too high."""
LEAST_KEPT = 0.01
"""Smaller shares are hardly any."""

Draw = Callable[[Sequence[int], Sequence[int]], SampleArrays]
"""Indices of samples, and how many candidates of each went before, to candidates."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """Samples that are sure enough, and what it took to find them."""

    arrays: SampleArrays
    """(n, ...) in the order of the indices."""
    n_rejected: np.ndarray
    """(n,) int32: candidates that each sample replaces."""


def select(draw: Draw, indices: range, batch: int, min_confidence: float) -> Selected:
    """Return one candidate an index whose confidence is at least `min_confidence`.

    Parameters
    ----------
    draw : gives candidates; always called with `batch` of them, so that none rounds otherwise
    indices : of the samples wanted
    batch : candidates in memory beside the samples
    min_confidence : of the pixels off the background, 0 to 1; 0 keeps every first candidate

    Raises
    ------
    InputError
        If hardly any candidate is sure enough.
    """
    kept = _Kept(len(indices))
    pending, surest = np.arange(len(indices)), 0.0
    while len(pending):
        for places, wanted in full_batches(pending.tolist(), batch):
            chosen = [indices[place] for place in places]
            arrays = draw(chosen, kept.n_rejected[places].tolist())
            confidence = scan_confidence(arrays.masks, arrays.confidence)[:wanted]
            surest = max(surest, float(confidence.max()))
            kept.add(np.array(places[:wanted]), arrays, confidence >= min_confidence)
        pending = np.flatnonzero(~kept.found)
        _check_hope(kept, min_confidence, surest)
    return Selected(arrays=SampleArrays(**kept.arrays), n_rejected=kept.n_rejected)


class _Kept:
    """Samples found so far, each in its place."""

    def __init__(self, count: int) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.found = np.zeros(count, bool)
        self.n_rejected = np.zeros(count, np.int32)

    def add(self, places: np.ndarray, candidates: SampleArrays, sure: np.ndarray) -> None:
        """Keep the candidates that are sure, and count the others; surplus ones come last."""
        for name in ARRAYS:
            array: np.ndarray = getattr(candidates, name)
            if name not in self.arrays:
                self.arrays[name] = np.empty((len(self.found), *array.shape[1:]), array.dtype)
            self.arrays[name][places[sure]] = array[: len(places)][sure]
        self.found[places[sure]] = True
        self.n_rejected[places[~sure]] += 1


def _check_hope(kept: _Kept, min_confidence: float, surest: float) -> None:
    """Raise if what is missing will hardly be found."""
    n_kept, n_rejected = int(kept.found.sum()), int(kept.n_rejected.sum())
    drawn, most = n_kept + n_rejected, int(kept.n_rejected.max())
    if kept.found.all():
        return
    if (drawn >= MOST_CANDIDATES and n_kept < LEAST_KEPT * drawn) or most >= MOST_CANDIDATES:
        raise InputError(
            f"only {n_kept} of {drawn} generated scans reach min_confidence {min_confidence:g}, "
            f"and the surest has {surest:.3f}; lower it, label a clearer scan, or train the "
            "generator longer.",
            code="export-confidence",
        )
