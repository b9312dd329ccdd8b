"""Made-up shards for the tests of the room."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xraysynth import schema
from xraysynth.randomness import stream
from xraysynth.shards import writer
from xraysynth.shards.describe import describe
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.samples import DescribeConfig, ExportInfo, SampleArrays, shard_name

NAMES = tuple(schema.class_names())


def export_info(**changes: object) -> ExportInfo:
    """Return what a small export has in common."""
    common = {
        "class_names": NAMES,
        "seed": 7,
        "generator_hash": "0123456789abcdef",
        "segmenter_hash": "fedcba9876543210",
        "truncation_psi": 0.75,
        "settings": {"export": {"shard_size": 4}},
        "describe": DescribeConfig(min_area_px=2),
    }
    return ExportInfo(**{**common, **changes})  # type: ignore[arg-type]


def sample_arrays(
    shape: tuple[int, ...] = (4, 16, 12, 3),
    dtype: str = "uint8",
    classes: int = len(NAMES),
    seed: int = 0,
) -> SampleArrays:
    """Return random scans; every mask is made of blocks, half of the pixels cross two classes."""
    rng = stream(seed, "test shards", *shape)
    n, height, width, _ = shape
    small = rng.integers(0, classes, (n, -(-height // 4), -(-width // 4)))
    masks = small.repeat(4, 1).repeat(4, 2)[:, :height, :width].astype(np.uint8)
    second = rng.integers(0, classes, masks.shape).astype(np.uint32)
    crossed = np.where(rng.random(masks.shape) < 0.5, np.uint32(1) << second, 0).astype(np.uint32)
    return SampleArrays(
        images=rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True),
        masks=masks,
        overlaps=np.left_shift(np.uint32(1), masks.astype(np.uint32)) | crossed,
        confidence=rng.integers(0, 256, masks.shape, dtype=np.uint8),
    )


def write_export(
    folder: Path,
    info: ExportInfo | None = None,
    shards: int = 2,
    dtype: str = "uint8",
    channels: int = 3,
) -> Manifest:
    """Write and finish an export of four samples a shard."""
    info = info or export_info()
    writer.prepare_folder(folder, info, shards, overwrite=True)
    for number in range(shards):
        arrays = sample_arrays((4, 16, 12, channels), dtype, len(info.class_names), seed=number)
        name = shard_name(number)
        writer.write_shard(folder / name, describe(arrays, info, name, 4 * number), info)
    return writer.finish(folder, info)
