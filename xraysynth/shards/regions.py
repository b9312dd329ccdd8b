"""Objects of a mask: connected regions of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from skimage import measure

from xraysynth import schema
from xraysynth.shards.samples import ShardSamples, object_class_ids


@dataclass(frozen=True, kw_only=True)
class Region:
    """One connected region of one class."""

    class_id: int
    rows: slice
    columns: slice
    inside: np.ndarray
    """(rows, columns) bool: pixels of the region within its box."""


def find_regions(mask: np.ndarray, class_ids: list[int], min_area_px: int) -> list[Region]:
    """Return the connected regions of some classes, in reading order of their first pixels.

    Parameters
    ----------
    mask : (H, W) uint8
    class_ids : classes whose regions count
    min_area_px : smaller regions are left out

    Notes
    -----
    Pixels that touch by a corner are connected (8-connected). Two touching items of one class
    are one region: a label map cannot tell them apart.

    Examples
    --------
    >>> mask = np.array([[6, 0, 0], [0, 6, 0], [0, 0, 7]], np.uint8)
    >>> [(region.class_id, int(region.inside.sum())) for region in find_regions(mask, [6, 7], 1)]
    [(6, 2), (7, 1)]
    """
    wanted = np.where(np.isin(mask, class_ids), mask, 0)
    label: Any = measure.label
    numbered = label(wanted, connectivity=2, background=0)
    regions = []
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        inside = numbered[box] == number
        if inside.sum() >= min_area_px:
            class_id = int(wanted[box][inside][0])
            regions.append(Region(class_id=class_id, rows=box[0], columns=box[1], inside=inside))
    return regions


def object_rows(
    samples: ShardSamples, class_names: tuple[str, ...], min_area_px: int
) -> np.ndarray:
    """Return the rows of table `objects` for some samples, in their order."""
    class_ids = object_class_ids(class_names)
    rows = []
    for mask, confidence, row in zip(
        samples.masks, samples.confidence, samples.metadata, strict=True
    ):
        regions = find_regions(mask, class_ids, min_area_px)
        rows += [
            _row(region, mask.shape, confidence, (row["sample_id"], number, class_names))
            for number, region in enumerate(regions)
        ]
    return np.array(rows, schema.table_dtype("objects"))


def _row(
    region: Region,
    shape: tuple[int, ...],
    confidence: np.ndarray,
    name: tuple[bytes, int, tuple[str, ...]],
) -> tuple[object, ...]:
    """Return one row of table `objects`, in the order of its columns."""
    sample_id, number, class_names = name
    top, bottom, left, right = (
        region.rows.start,
        region.rows.stop,
        region.columns.start,
        region.columns.stop,
    )
    values = confidence[region.rows, region.columns][region.inside]
    return (
        sample_id,
        number,
        region.class_id,
        class_names[region.class_id].encode(),
        left,
        top,
        right,
        bottom,
        int(region.inside.sum()),
        float(values.mean()) / 255,
        top == 0 or left == 0 or bottom == shape[0] or right == shape[1],
    )
