"""Statistics of masks and confidences, whose size does not grow with the number of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import DescribeConfig, object_class_ids

HEAT_CELLS = 48
"""Largest number of cells of a heat map along one side."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class ValueCounts:
    """How often each whole number occurred: exact quantiles of any number of values.

    Examples
    --------
    >>> counts = ValueCounts()
    >>> counts.add(np.array([3, 1, 2, 2]))
    >>> counts.quantile(0.5), counts.mean
    (2, 2.0)
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, values: np.ndarray) -> None:
        """Count some whole numbers."""
        found, times = np.unique(values, return_counts=True)
        for value, count in zip(found.tolist(), times.tolist(), strict=True):
            self.counts[value] += count

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """The mean, NaN of no values."""
        total = self.total
        return (
            sum(value * count for value, count in self.counts.items()) / total if total else np.nan
        )

    def quantile(self, share: float) -> float:
        """Return the smallest value that `share` of the values do not exceed; NaN of no values."""
        if not self.counts:
            return float("nan")
        values, cumulated = self.cumulated()
        place = int(np.searchsorted(cumulated, share * cumulated[-1] - 1e-9))
        return int(values[min(place, len(values) - 1)])

    def cumulated(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the values in order, and how many values are no larger than each."""
        values = np.array(sorted(self.counts), dtype=np.int64)
        return values, np.cumsum([self.counts[int(value)] for value in values])

    def histogram(self, edges: Sequence[float]) -> list[int]:
        """Return how many values lie in [edge, next edge); the last bin includes its end."""
        values, cumulated = self.cumulated()
        times = np.diff(cumulated, prepend=0)
        counts, _ = np.histogram(values, bins=np.asarray(edges, float), weights=times)
        return [int(count) for count in counts]


@dataclass(frozen=True, kw_only=True)
class MaskCounts:
    """What each of n label maps holds."""

    areas: np.ndarray
    """(n, K) pixels of each class."""
    n_objects: np.ndarray
    """(n,) objects of item classes, specks left out."""
    n_specks: np.ndarray
    """(n,) pieces too small to be objects."""


class MaskStatistics:
    """Class frequencies, areas, places and company over any number of label maps.

    Parameters
    ----------
    class_names : K names, place = class id
    shape : (H, W) of every label map
    min_object_px : smaller ones are specks, no objects
    describe : how objects are told apart and joined; as an export does by default
    """

    def __init__(
        self,
        class_names: Sequence[str],
        shape: tuple[int, int],
        min_object_px: int = 4,
        describe: DescribeConfig | None = None,
    ) -> None:
        count = len(class_names)
        self.class_names = list(class_names)
        self.item_ids = object_class_ids(tuple(class_names))
        self.min_object_px = min_object_px
        # Specks count here as well: what is too small is not left out.
        self._describe = (describe or DescribeConfig()).model_copy(update={"min_area_px": 1})
        self.shape = shape
        self.n_masks = 0
        self.pixels = np.zeros(count, np.int64)
        self.images = np.zeros(count, np.int64)
        self.together = np.zeros((count, count), np.int64)
        """Images that hold both classes."""
        self.areas = [ValueCounts() for _ in range(count)]
        """Pixels of a class in an image, where it occurs."""
        self.object_areas = [ValueCounts() for _ in range(count)]
        self.objects_per_image = ValueCounts()
        self._cells, self.cell_pixels = _cell_map(shape)
        self.heat = np.zeros((count, *self.cell_pixels.shape), np.int64)

    def add(self, masks: np.ndarray, overlaps: np.ndarray | None = None) -> MaskCounts:
        """Count some label maps (n, H, W), with bit maps if known; return what each holds."""
        count, n_cells = len(self.class_names), self.cell_pixels.size
        flat = masks.reshape(len(masks), -1).astype(np.int64)
        heat = np.bincount((flat * n_cells + self._cells).ravel(), minlength=count * n_cells)
        self.heat += heat.reshape(self.heat.shape)
        rows = np.arange(len(flat))[:, None]
        areas = np.bincount((rows * count + flat).ravel(), minlength=len(flat) * count)
        areas = areas.reshape(len(flat), count)
        present = (areas > 0).astype(np.int64)
        self.n_masks += len(masks)
        self.pixels += areas.sum(axis=0)
        self.images += present.sum(axis=0)
        self.together += present.T @ present
        for class_id in np.flatnonzero(present.any(axis=0)):
            self.areas[class_id].add(areas[present[:, class_id] > 0, class_id])
        n_objects, n_specks = self._add_objects(masks, overlaps)
        return MaskCounts(areas=areas, n_objects=n_objects, n_specks=n_specks)

    def _add_objects(
        self, masks: np.ndarray, overlaps: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count the objects of some label maps; return objects and specks of each."""
        found = np.zeros((len(masks), 2), np.int64)
        areas: dict[int, list[int]] = {}
        for place, mask in enumerate(masks):
            bits = None if overlaps is None else overlaps[place]
            for region in find_regions(mask, self.item_ids, self._describe, bits):
                area = int(np.count_nonzero(region.inside))
                speck = area < self.min_object_px
                found[place, int(speck)] += 1
                if not speck:
                    areas.setdefault(region.class_id, []).append(area)
        for class_id, sizes in areas.items():
            self.object_areas[class_id].add(np.array(sizes))
        self.objects_per_image.add(found[:, 0])
        return found[:, 0], found[:, 1]

    @property
    def n_objects(self) -> np.ndarray:
        """Objects of each class (K,)."""
        return np.array([areas.total for areas in self.object_areas], np.int64)

    def share_of_pixels(self) -> np.ndarray:
        """Share of all pixels that is of each class (K,), 0 without masks."""
        return self.pixels / max(int(self.pixels.sum()), 1)

    def share_of_images(self) -> np.ndarray:
        """Share of images that hold each class (K,), 0 without masks."""
        return np.asarray(self.images / max(self.n_masks, 1))

    def heat_share(self) -> np.ndarray:
        """Share of images in which a place is of each class (K, rows, columns)."""
        return np.asarray(self.heat / (self.cell_pixels * max(self.n_masks, 1)))


class ConfidenceStatistics:
    """Histograms of confidence by class: (K, 256) counts of the stored levels."""

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros((n_classes, 256), np.int64)

    def add(self, masks: np.ndarray, confidence: np.ndarray) -> None:
        """Count label maps and confidences (n, H, W) uint8."""
        joint = masks.astype(np.int64).ravel() * 256 + confidence.ravel()
        self.counts += np.bincount(joint, minlength=self.counts.size).reshape(self.counts.shape)

    def mean(self, class_id: int) -> float:
        """Mean confidence in [0, 1] of one class; NaN without pixels."""
        return _mean_level(self.counts[class_id])

    def mean_labelled(self) -> float:
        """Mean confidence in [0, 1] of all pixels but background; NaN without any."""
        return _mean_level(self.counts[1:].sum(axis=0))

    def quantile(self, class_id: int, share: float) -> float:
        """Confidence in [0, 1] that `share` of a class's pixels do not exceed, or NaN."""
        cumulated = np.cumsum(self.counts[class_id])
        if not cumulated[-1]:
            return float("nan")
        return int(np.searchsorted(cumulated, share * cumulated[-1] - 1e-9)) / 255


class OverlapStatistics:
    """How often two classes are crossed by the same ray, from bit maps."""

    def __init__(self, n_classes: int) -> None:
        self.pixels = np.zeros((n_classes, n_classes), np.int64)

    def add(self, overlaps: np.ndarray) -> np.ndarray:
        """Count bit maps (n, H, W) uint32; return the share of shared pixels of each image (n,)."""
        n_bits = min(len(self.pixels), 32)
        # Bit 0 is background: it is no company.
        bits = overlaps.reshape(len(overlaps), -1) & np.uint32(~1 & 0xFFFFFFFF)
        shared = (bits & (bits - np.uint32(1))) != 0
        combinations, times = np.unique(bits[shared], return_counts=True)
        for combination, count in zip(combinations.tolist(), times.tolist(), strict=True):
            here = [place for place in range(n_bits) if combination >> place & 1]
            self.pixels[np.ix_(here, here)] += count
        return np.asarray(shared.mean(axis=1))


def _mean_level(counts: np.ndarray) -> float:
    """Return the mean of 256 counted levels, scaled to [0, 1]; NaN of none."""
    total = int(counts.sum())
    return float(counts @ np.arange(256)) / total / 255 if total else float("nan")


def _cell_map(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the heat map's cell of every pixel (H * W,), and the pixels of every cell."""
    height, width = shape
    rows, columns = min(height, HEAT_CELLS), min(width, HEAT_CELLS)
    row = np.arange(height) * rows // height
    column = np.arange(width) * columns // width
    cells = (row[:, None] * columns + column).ravel()
    return cells, np.bincount(cells, minlength=rows * columns).reshape(rows, columns)
