"""What one pass over a set of scans gathers: a short row a scan, and statistics of fixed size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xraysynth.audit.config import AuditConfig
from xraysynth.audit.duplicates import hashes_of
from xraysynth.audit.statistics import (
    ConfidenceStatistics,
    MaskCounts,
    MaskStatistics,
    OverlapStatistics,
)
from xraysynth.progress import Progress
from xraysynth.randomness import stream_seed
from xraysynth.shards.samples import DescribeConfig

MEASURES = np.dtype(
    [
        ("name", "S48"),
        ("foreground_share", "f4"),
        ("largest_class", "u1"),
        ("largest_share", "f4"),
        ("n_classes", "i4"),
        ("n_objects", "i4"),
        ("n_specks", "i4"),
        ("overlap_share", "f4"),
        ("mean_confidence", "f4"),
        ("foreground_confidence", "f4"),
        ("black_share", "f4"),
        ("white_share", "f4"),
        ("contrast", "f4"),
        ("phash", "u8"),
    ]
)
"""One row a scan, about 100 bytes: all that grows with their number. Unknown shares are NaN."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some scans in memory, with what is known of their pixels."""

    images: np.ndarray
    """(n, H, W, C) uint8 or uint16."""
    names: np.ndarray
    """(n,) bytes: sample_id or scan_id."""
    masks: np.ndarray | None = None
    """(n, H, W) uint8."""
    overlaps: np.ndarray | None = None
    """(n, H, W) uint32, one bit a class."""
    confidence: np.ndarray | None = None
    """(n, H, W) uint8, 0 to 255 for 0 to 1."""


class Source(Protocol):
    """A set of equal-sized scans that can be read in order, or singly."""

    count: int
    shape: tuple[int, int, int]
    """Height, width, channels."""
    class_names: list[str]
    has_masks: bool

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all scans in order, at most `size` at once."""
        ...

    def read(self, index: int) -> Batch:
        """Return one scan as a batch of one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a pass over a source found."""

    measures: np.ndarray
    """(N,) MEASURES."""
    masks: MaskStatistics
    confidence: ConfidenceStatistics
    overlaps: OverlapStatistics
    examples: list[list[int]]
    """For each class, places of a few scans that hold it, in order."""


def gather(
    source: Source,
    config: AuditConfig,
    progress: Progress,
    note: str,
    describe: DescribeConfig | None = None,
) -> Findings:
    """Read a source once and gather all that an audit counts.

    Memory does not grow with the number of scans, but for one row of `MEASURES` each. `describe`
    says what an object is, for generated and training scans alike.
    """
    class_names = source.class_names
    height, width, _ = source.shape
    found = Findings(
        measures=np.zeros(source.count, MEASURES),
        masks=MaskStatistics(class_names, (height, width), config.min_object_px, describe),
        confidence=ConfidenceStatistics(len(class_names)),
        overlaps=OverlapStatistics(len(class_names)),
        examples=[[] for _ in class_names],
    )
    drawn = _Draw(len(class_names), config.class_examples)
    done = 0
    for batch in source.batches(config.batch):
        rows = found.measures[done : done + len(batch.images)]
        rows["name"] = batch.names
        _measure_pictures(rows, batch.images)
        areas = _measure_masks(rows, batch, found)
        if areas is not None:
            drawn.offer(areas >= config.min_object_px, done)
        done += len(batch.images)
        progress(done, source.count, note)
    for class_id, places in enumerate(drawn.places()):
        found.examples[class_id].extend(places)
    return found


def _measure_pictures(rows: np.ndarray, images: np.ndarray) -> None:
    """Fill in what the pixels of the scans tell without masks."""
    # The outermost hundredth of the scale counts as saturated: noise and JPEG blur its end.
    full = float(np.iinfo(images.dtype).max)
    flat = images.reshape(len(images), -1, images.shape[3])
    rows["black_share"] = (flat.max(axis=2) <= 0.01 * full).mean(axis=1)
    rows["white_share"] = (flat.min(axis=2) >= 0.99 * full).mean(axis=1)
    rows["contrast"] = flat.std(axis=(1, 2), dtype=np.float64) / full
    rows["phash"] = hashes_of(images)


def _measure_masks(rows: np.ndarray, batch: Batch, found: Findings) -> np.ndarray | None:
    """Fill in what the masks tell, and count them; return areas (n, K)."""
    for name in ("overlap_share", "mean_confidence", "foreground_confidence"):
        rows[name] = np.nan
    if batch.masks is None:
        return None
    counts = found.masks.add(batch.masks, batch.overlaps)
    _fill_counts(rows, counts)
    if batch.overlaps is not None:
        rows["overlap_share"] = found.overlaps.add(batch.overlaps)
    if batch.confidence is not None:
        found.confidence.add(batch.masks, batch.confidence)
        foreground = batch.masks > 0
        level = batch.confidence / np.float64(255)
        rows["mean_confidence"] = level.mean(axis=(1, 2))
        pixels = foreground.sum(axis=(1, 2))
        total = np.where(foreground, level, 0).sum(axis=(1, 2))
        rows["foreground_confidence"] = np.where(pixels, total / np.maximum(pixels, 1), np.nan)
    return counts.areas


def _fill_counts(rows: np.ndarray, counts: MaskCounts) -> None:
    """Fill in what the class areas of each mask tell."""
    shares = counts.areas / counts.areas.sum(axis=1, keepdims=True)
    rows["foreground_share"] = 1 - shares[:, 0]
    rows["largest_class"] = shares.argmax(axis=1)
    rows["largest_share"] = shares.max(axis=1)
    rows["n_classes"] = (counts.areas[:, 1:] > 0).sum(axis=1)
    rows["n_objects"] = counts.n_objects
    rows["n_specks"] = counts.n_specks


class _Draw:
    """A few scans of each class, drawn by chance: every scan with the class is as likely."""

    def __init__(self, n_classes: int, size: int) -> None:
        self.size = size
        self.best: list[list[tuple[int, int]]] = [[] for _ in range(n_classes)]

    def offer(self, holds: np.ndarray, start: int) -> None:
        """Offer some scans (n, K) bool; the lots with the smallest numbers stay."""
        for row, class_id in np.argwhere(holds).tolist():
            lot = (stream_seed(0, "audit example", class_id, start + row), start + row)
            self.best[class_id].append(lot)
        for lots in self.best:
            lots.sort()
            del lots[self.size :]

    def places(self) -> list[list[int]]:
        """Return the places drawn for each class, in order."""
        return [sorted(place for _, place in lots) for lots in self.best]
