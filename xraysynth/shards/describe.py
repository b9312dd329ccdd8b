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
    object_class_ids,
)


def describe(arrays: SampleArrays, info: ExportInfo, shard: str, first_index: int) -> ShardSamples:
    """Return the samples of one shard with their metadata.

    Parameters
    ----------
    arrays : all samples of the shard, n of them
    info : what the export's shards have in common
    shard : file name of the shard
    first_index : place of the first sample in the whole export; the others follow

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
    rows["sample_id"] = [sample_id(info, int(index)) for index in rows["sample_index"]]
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


def sample_id(info: ExportInfo, index: int) -> bytes:
    """Return the stable name of a sample: generator, seed and index.

    Examples
    --------
    >>> info = ExportInfo(class_names=("background",), seed=7, generator_hash="0123456789abcdef",
    ...                   segmenter_hash="fedcba9876543210")
    >>> sample_id(info, 42)
    b'01234567-7-00000042'
    """
    return f"{info.generator_hash[:8]}-{info.seed}-{index:08d}".encode()


def measure_contents(rows: np.ndarray, arrays: SampleArrays, info: ExportInfo) -> None:
    """Fill in which classes each mask holds, and how much of them."""
    rows["foreground_share"] = (arrays.masks != 0).mean(axis=(1, 2))
    rows["overlap_share"] = several_bits(arrays.overlaps).mean(axis=(1, 2))
    class_ids = object_class_ids(info.class_names)
    for row, mask in zip(rows, arrays.masks, strict=True):
        present = [int(value) for value in np.unique(mask) if value > 0]
        row["n_objects"] = len(find_regions(mask, class_ids, info.describe.min_area_px))
        row["n_classes"] = len(present)
        row["class_bits"] = sum(1 << value for value in np.unique(mask).tolist())
        names = [info.class_names[value] for value in present]
        row["classes_present"] = join_names(names, rows.dtype["classes_present"].itemsize)


def measure_confidence(rows: np.ndarray, arrays: SampleArrays) -> None:
    """Fill in how sure the segmenter was."""
    foreground = arrays.masks != 0
    pixels = np.maximum(foreground.sum(axis=(1, 2)), 1)
    rows["mean_confidence"] = arrays.confidence.mean(axis=(1, 2)) / 255
    rows["min_confidence"] = arrays.confidence.min(axis=(1, 2)) / 255
    total = np.where(foreground, arrays.confidence, 0).sum(axis=(1, 2), dtype=np.int64)
    rows["foreground_confidence"] = total / pixels / 255


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


def join_names(names: list[str], room: int) -> bytes:
    """Return names with commas between; those that do not fit are left out whole."""
    text = b""
    for name in names:
        longer = text + (b"," if text else b"") + name.encode()
        if len(longer) > room:
            break
        text = longer
    return text
