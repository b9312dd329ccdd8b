"""Objects of a mask: connected regions of one class, told apart and joined where that is sure.

A label map shows the upmost item only, so an item is cut where another one lies across it: its
pieces are joined where the overlaps say that its class goes on beneath. Touching items of one class
are told apart by `touching.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xraysynth import schema
from xraysynth.schema import MAX_CLASSES
from xraysynth.shards.samples import DescribeConfig, ShardSamples, object_class_ids
from xraysynth.shards.touching import split_touching


@dataclass(frozen=True, kw_only=True)
class Region:
    """One object."""

    class_id: int
    rows: slice
    columns: slice
    inside: np.ndarray
    """(rows, columns) bool: pixels of the region within its box."""


def find_regions(
    mask: np.ndarray,
    class_ids: list[int],
    config: DescribeConfig,
    overlaps: np.ndarray | None = None,
) -> list[Region]:
    """Return the objects of some classes, in reading order of their first pixels.

    Parameters
    ----------
    mask : (H, W) uint8
    class_ids : classes whose regions count
    config : the smallest area, and what is joined and split
    overlaps : (H, W) uint32, bit c where class c is crossed; None joins nothing

    Notes
    -----
    Pixels that touch by a corner are connected (8-connected). An object's pixels are those that
    the mask gives to its class; what another item hides of it only connects.

    Examples
    --------
    >>> mask = np.array([[6, 0, 0], [0, 6, 0], [0, 0, 7]], np.uint8)
    >>> found = find_regions(mask, [6, 7], DescribeConfig(min_area_px=1))
    >>> [(region.class_id, int(region.inside.sum())) for region in found]
    [(6, 2), (7, 1)]

    A wrench across a knife, which goes on beneath it:

    >>> mask = np.array([[7, 8, 7]], np.uint8)
    >>> bits = np.array([[1 << 7, 3 << 7, 1 << 7]], np.uint32)
    >>> found = find_regions(mask, [7, 8], DescribeConfig(min_area_px=1), bits)
    >>> [(region.class_id, region.inside.tolist()) for region in found]
    [(7, [[True, False, True]]), (8, [[True]])]
    """
    items = np.isin(mask, class_ids)
    regions = []
    for class_id in sorted(set(np.unique(mask[items]).tolist())):
        own = mask == class_id
        whole = own
        if config.join_divided and overlaps is not None and class_id < MAX_CLASSES:
            beneath = (overlaps >> np.uint32(class_id)) & np.uint32(1)
            whole = own | (items & (beneath != 0))
        regions += _regions(class_id, own, whole, config)
    return sorted(regions, key=_first_pixel)


def _regions(
    class_id: int, own: np.ndarray, whole: np.ndarray, config: DescribeConfig
) -> list[Region]:
    """Return the objects of one class from its visible pixels and from all of it."""
    numbered, _ = ndimage.label(whole, np.ones((3, 3)))
    regions = []
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        inside, visible = numbered[box] == number, own[box]
        if (inside & visible).sum() < config.min_area_px:
            continue
        parts = np.where(visible, split_touching(inside, config.split), 0)
        for part, tight in enumerate(ndimage.find_objects(parts), start=1):
            if tight is None or (parts[tight] == part).sum() < config.min_area_px:
                continue
            rows, columns = (
                slice(outer.start + inner.start, outer.start + inner.stop)
                for outer, inner in zip(box, tight, strict=True)
            )
            regions.append(
                Region(class_id=class_id, rows=rows, columns=columns, inside=parts[tight] == part)
            )
    return regions


def _first_pixel(region: Region) -> tuple[int, int, int]:
    """Return row and column of the first pixel in reading order, and the class."""
    column = region.columns.start + int(region.inside[0].argmax())
    return region.rows.start, column, region.class_id


def object_rows(
    samples: ShardSamples, class_names: tuple[str, ...], config: DescribeConfig
) -> np.ndarray:
    """Return the rows of table `objects` for some samples, in their order."""
    class_ids = object_class_ids(class_names)
    rows = []
    for mask, overlaps, confidence, row in zip(
        samples.masks, samples.overlaps, samples.confidence, samples.metadata, strict=True
    ):
        regions = find_regions(mask, class_ids, config, overlaps)
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
