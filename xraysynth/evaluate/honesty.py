"""Whether exported confidences say how often labels are right: pixels, objects, scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from xraysynth.evaluate.reliability import Reliability
from xraysynth.shards.describe import scan_confidence
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import object_class_ids

HALF = 0.5
"""An object is right if at least this share of its pixels is."""


class Honesty:
    """Reliability of the confidences of an export, streamed over its samples.

    Parameters
    ----------
    manifest : of the export
    """

    def __init__(self, manifest: Manifest) -> None:
        self._describe = manifest.describe
        self._class_ids = object_class_ids(tuple(manifest.classes))
        self._pixels, self._labelled, self._objects = (Reliability() for _ in range(3))
        self._scans: list[np.ndarray] = []

    def add(self, batch: Mapping[str, Any], right: np.ndarray) -> None:
        """Count some samples as `ShardSet.batches` yields them.

        Parameters
        ----------
        batch : mask, overlap and confidence (n, H, W) among others
        right : (n, H, W) bool, where the mask agrees with the truth
        """
        masks, level = batch["mask"], batch["confidence"] / np.float64(255)
        labelled = masks != 0
        self._pixels.add(level, right)
        self._labelled.add(level[labelled], right[labelled])
        share = scan_confidence(masks, right.astype(np.uint8) * np.uint8(255))
        self._scans.append(np.stack([scan_confidence(masks, batch["confidence"]), share], 1))
        for place, mask in enumerate(masks):
            overlaps = batch["overlap"][place]
            for region in find_regions(mask, self._class_ids, self._describe, overlaps):
                box = (place, region.rows, region.columns)
                score = level[box][region.inside].mean()
                self._objects.add(score, right[box][region.inside].mean() >= HALF)

    def figures(self) -> dict[str, Any]:
        """Return a reliability curve of each kind of answer, as JSON values.

        `objects` holds each object's score against whether most of its pixels are right; `scans`
        each scan's confidence off the background against the share of these pixels that is right,
        and how well confidence ranks scans by that share (Spearman).
        """
        scans, counts = np.concatenate(self._scans), Reliability()
        counts.add(scans[:, 0], scans[:, 1])
        return {
            "pixels": self._pixels.figures(),
            "pixels off the background": self._labelled.figures(),
            "objects": self._objects.figures(),
            "scans": {**counts.figures(), "rank_correlation": _rank_correlation(scans)},
        }


def _rank_correlation(scans: np.ndarray) -> float | None:
    """Return how well one column ranks the other, or None if either is constant."""
    if len(scans) < 2 or (scans == scans[0]).all(axis=0).any():
        return None
    return round(float(spearmanr(scans[:, 0], scans[:, 1]).statistic), 6)
