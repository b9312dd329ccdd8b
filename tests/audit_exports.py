"""Small exports and training scans for tests of `audit`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xraysynth import scanfile, schema
from xraysynth.audit import AuditConfig
from xraysynth.randomness import stream
from xraysynth.scanfile import ScanBatch
from xraysynth.shards.describe import describe
from xraysynth.shards.samples import ExportInfo, SampleArrays
from xraysynth.shards.writer import finish, prepare_folder, shard_name, write_shard

NAMES = ("background", "bag", "organic", "gun", "samovar")
CONFIG = AuditConfig(samples_shown=2, scans_shown=2, flagged_shown=4, pairs_shown=2, panel_px=64)


def pictures(count: int, shape: tuple[int, int, int], dtype: str, name: str) -> np.ndarray:
    """Return coarse random scans, far apart in their hashes."""
    height, width, channels = shape
    coarse = stream(0, name).random((count, 8, 8, channels)) * 0.8 + 0.1
    rows, columns = np.arange(height) * 8 // height, np.arange(width) * 8 // width
    full = np.iinfo(dtype).max
    return np.asarray((coarse[:, rows][:, :, columns] * full).astype(dtype))


def samples(count: int, shape: tuple[int, int, int], dtype: str = "uint8") -> SampleArrays:
    """Return scans with a bag, a gun and something unknown in each."""
    height, width, _ = shape
    masks = np.zeros((count, height, width), np.uint8)
    masks[:, 1:-1, 1:-1] = 1
    masks[:, 3:7, 3:9] = 3
    masks[::2, 10:14, 3:12] = 4
    return SampleArrays(
        images=pictures(count, shape, dtype, "generated"),
        masks=masks,
        overlaps=np.left_shift(1, masks).astype(np.uint32) | np.uint32(2),
        confidence=np.where(masks == 3, 204, 255).astype(np.uint8),
    )


def export(
    folder: Path,
    arrays: SampleArrays,
    names: Sequence[str] = NAMES,
    generator: str = "0123456789ab",
) -> Path:
    """Write samples as an export in shards of four."""
    info = ExportInfo(
        class_names=tuple(names), seed=7, generator_hash=generator, segmenter_hash="ba98"
    )
    starts = range(0, len(arrays.masks), 4)
    prepare_folder(folder, info, len(starts))
    for number, start in enumerate(starts):
        part = SampleArrays(
            **{name: getattr(arrays, name)[start : start + 4] for name in vars(arrays)}
        )
        described = describe(part, info, shard_name(number), start)
        write_shard(folder / shard_name(number), described, info)
    finish(folder, info)
    return folder


def training(path: Path, images: np.ndarray, masks: np.ndarray | None, names: list[str]) -> Path:
    """Write training scans, with masks or without."""
    metadata = np.zeros(len(images), schema.table_dtype("scans"))
    metadata["scan_id"] = [f"scan-{place}".encode() for place in range(len(images))]
    batch = ScanBatch(images=images, metadata=metadata, masks=masks)
    scanfile.write_scans(path, iter([batch]), count=len(images), classes=names, attributes={})
    return path
