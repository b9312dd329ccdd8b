"""Metadata of generated samples, measured on their arrays."""

from __future__ import annotations

import numpy as np

from xraysynth import schema
from xraysynth.shards.phash import perceptual_hash
from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import (
    DescribeConfig,
    ExportInfo,
    SampleArrays,
    ShardSamples,
    check_arrays,
    join_names,
    object_class_ids,
)


def describe(
    arrays: SampleArrays,
    info: ExportInfo,
    shard: str,
    first_index: int,
    n_rejected: np.ndarray | None = None,
) -> ShardSamples:
    """Return the samples of one shard with their metadata.

    Parameters
    ----------
    arrays : all samples of the shard, n of them
    info : what the export's shards have in common
    shard : file name of the shard
    first_index : place of the first sample in the whole export; the others follow
    n_rejected : (n,) candidates that each sample replaces; none if not given

    Returns
    -------
    ShardSamples
        The same arrays, and (n,) rows of table `images`.

    Raises
    ------
    SchemaError
        If the arrays are of another type or shape, or a mask holds an id without name.
    """
    check_arrays(arrays, info.class_names)
    count, height, width = arrays.masks.shape
    rows = np.zeros(count, schema.table_dtype("images"))
    rows["sample_index"] = first_index + np.arange(count)
    rows["n_rejected"] = 0 if n_rejected is None else n_rejected
    rows["sample_id"] = [
        sample_id(info, int(index), int(before))
        for index, before in zip(rows["sample_index"], rows["n_rejected"], strict=True)
    ]
    rows["shard"], rows["row"] = shard.encode(), np.arange(count)
    rows["seed"], rows["truncation_psi"] = info.seed, info.truncation_psi
    rows["width_px"], rows["height_px"] = width, height
    rows["generator_hash"] = info.generator_hash.encode()
    rows["segmenter_hash"] = info.segmenter_hash.encode()
    rows["phash"] = perceptual_hash(arrays.images)
    measure_contents(rows, arrays, info)
    measure_confidence(rows, arrays)
    for row in rows:
        reasons = flag_reasons(row, info.describe)
        row["flagged"], row["flag_reason"] = bool(reasons), ",".join(reasons).encode()
    return ShardSamples(
        images=arrays.images,
        masks=arrays.masks,
        overlaps=arrays.overlaps,
        confidence=arrays.confidence,
        metadata=rows,
    )


def sample_id(info: ExportInfo, index: int, n_rejected: int = 0) -> bytes:
    """Return the stable name of a sample: generator, seed, index, and candidates before it.

    Examples
    --------
    >>> info = ExportInfo(class_names=("background",), seed=7, generator_hash="0123456789abcdef",
    ...                   segmenter_hash="fedcba9876543210")
    >>> sample_id(info, 42)
    b'01234567-7-00000042'
    >>> sample_id(info, 42, n_rejected=3)
    b'01234567-7-00000042-3'
    """
    after = f"-{n_rejected}" if n_rejected else ""
    return f"{info.generator_hash[:8]}-{info.seed}-{index:08d}{after}".encode()


def measure_contents(rows: np.ndarray, arrays: SampleArrays, info: ExportInfo) -> None:
    """Fill in which classes each mask holds, and how much of them."""
    rows["foreground_share"] = (arrays.masks != 0).mean(axis=(1, 2))
    rows["overlap_share"] = several_bits(arrays.overlaps).mean(axis=(1, 2))
    class_ids = object_class_ids(info.class_names)
    for row, mask, overlaps in zip(rows, arrays.masks, arrays.overlaps, strict=True):
        present = [int(value) for value in np.unique(mask) if value > 0]
        row["n_objects"] = len(find_regions(mask, class_ids, info.describe, overlaps))
        row["n_classes"] = len(present)
        row["class_bits"] = sum(1 << value for value in np.unique(mask).tolist())
        names = [info.class_names[value] for value in present]
        row["classes_present"] = join_names(names, "classes_present")


def measure_confidence(rows: np.ndarray, arrays: SampleArrays) -> None:
    """Fill in how sure the segmenter was."""
    rows["mean_confidence"] = arrays.confidence.mean(axis=(1, 2)) / 255
    rows["min_confidence"] = arrays.confidence.min(axis=(1, 2)) / 255
    sure = scan_confidence(arrays.masks, arrays.confidence)
    rows["foreground_confidence"] = np.where((arrays.masks != 0).any(axis=(1, 2)), sure, 0)


def scan_confidence(masks: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return how sure the segmenter is of each scan: what `min_confidence` of an export limits.

    The mean over pixels off the background, of which large empty belts would hide the rest; over
    all pixels where nothing else is.

    Parameters
    ----------
    masks, confidence : (n, H, W) uint8

    Returns
    -------
    (n,) float64, 0 to 1

    Examples
    --------
    >>> mask = np.array([[[0, 0, 6, 6]]], np.uint8)
    >>> scan_confidence(mask, np.array([[[255, 255, 51, 102]]], np.uint8)).round(3).tolist()
    [0.3]
    """
    counted = masks != 0
    counted |= ~counted.any(axis=(1, 2), keepdims=True)
    total = np.where(counted, confidence, 0).sum(axis=(1, 2), dtype=np.int64)
    mean: np.ndarray = total / counted.sum(axis=(1, 2)) / 255
    return mean


def flag_reasons(row: np.void, config: DescribeConfig) -> list[str]:
    """Return why a person should look at a sample; none if it looks sound."""
    reasons = {
        "little foreground": row["foreground_share"] < config.min_foreground_share,
        "no background": row["foreground_share"] > config.max_foreground_share,
        "low confidence": row["foreground_share"] > 0
        and row["foreground_confidence"] < config.min_confidence,
    }
    return [reason for reason, holds in reasons.items() if holds]


def several_bits(overlaps: np.ndarray) -> np.ndarray:
    """Tell where two or more classes overlap: bit 0, background, does not count.

    Examples
    --------
    >>> several_bits(np.array([0b1, 0b10, 0b110, 0b11], np.uint32)).tolist()
    [False, False, True, False]
    """
    classes = overlaps & ~np.uint32(1)
    several: np.ndarray = (classes & (classes - (classes > 0))) != 0
    return several
