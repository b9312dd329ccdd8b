"""Many scans to one file: in parts, by any number of processes, with the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth import __version__, scanfile, schema
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.draw import ScanDraw, draw_scan
from xraysynth.baggage.render import SimulatedScan, apply_scan
from xraysynth.errors import DamagedError, InputError, SettingsError
from xraysynth.lock import locked_file
from xraysynth.processes import worker_pool
from xraysynth.progress import Progress, silent
from xraysynth.scanfile import ScanBatch

PART_SIZES = (16, 64)
"""Fewest and most scans of a part file: what a killed run loses at most, for each worker."""
BLOCK_BYTES = 8 << 20
"""Scans are held in memory up to about this many bytes at a time."""
MOST_SCANS = 10_000_000


def simulate(  # noqa: PLR0913 (the run as a whole: what, how much, where, by whom)
    config: SimulationConfig,
    count: int,
    seed: int,
    out: Path,
    workers: int = 1,
    progress: Progress = silent,
) -> Path:
    """Simulate scans into one `scans.h5`.

    Parameters
    ----------
    config : what may be drawn
    count : int
        Number of scans, 1 to 10,000,000; each has `config.views` rows in the file.
    seed : int
        Seed of the run, at least 0; scan i depends on config, seed and i alone.
    out : where the file appears once it is whole
    workers : int
        Processes, at least 1. The bytes do not depend on it.
    progress : called with scans done

    Returns
    -------
    `out`.

    Raises
    ------
    SettingsError
        If a count is impossible.
    InputError
        If another process writes `out`.

    Notes
    -----
    Parts are kept in `.NAME.parts` beside `out` until the file is whole: a killed run, started
    again with the same settings, makes the missing ones only.
    """
    _check(count, seed, workers)
    out = Path(out)
    with locked_file(out):
        _simulate(config, (count, seed), out, workers, progress)
    return out


def _simulate(
    config: SimulationConfig, which: tuple[int, int], out: Path, workers: int, progress: Progress
) -> None:
    """Make the parts that are missing, and join them; `which` is the count and the seed."""
    count, seed = which
    folder = out.with_name(f".{out.name}.parts") / _settings_hash(config, count, seed)
    size = part_size(count)
    starts = range(0, count, size)
    missing = [start for start in starts if not _is_whole(_part(folder, start // size))]
    done = count - sum(min(size, count - start) for start in missing)
    progress(done, count, "")
    for start in _make_parts(config, missing, (count, seed, folder), workers):
        done += min(size, count - start)
        progress(done, count, "")
    scanfile.join_scans(
        out,
        [_part(folder, start // size) for start in starts],
        count=count * config.views,
        classes=schema.class_names(),
        attributes=_attributes(config, seed),
    )
    shutil.rmtree(folder.parent, ignore_errors=True)


def _check(count: int, seed: int, workers: int) -> None:
    """Refuse impossible numbers."""
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise SettingsError(f"{name} is {value}; want a whole number of at least {least}.")
    if count > MOST_SCANS:
        raise SettingsError(f"count is {count}; want at most {MOST_SCANS} scans in one file.")


def _attributes(config: SimulationConfig, seed: int) -> dict[str, Any]:
    """Return what the file says of itself."""
    threats = [info.id for info in schema.classes().values() if info.group == "threat"]
    return {"settings": config.model_dump(mode="json"), "seed": seed, "threat_ids": threats}


def _settings_hash(config: SimulationConfig, count: int, seed: int) -> str:
    """Return a short name for what makes the parts."""
    text = json.dumps([config.model_dump(mode="json"), count, seed, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def part_size(count: int) -> int:
    """Return the number of scans in each part but the last: about 32 parts of a small file."""
    return int(np.clip(-(-count // 32), *PART_SIZES))


def _part(folder: Path, number: int) -> Path:
    """Return the file of a part."""
    return folder / f"part-{number:05d}.h5"


def _is_whole(path: Path) -> bool:
    """Return whether a part was finished."""
    try:
        with scanfile.open_scans(path):
            return True
    except (InputError, DamagedError):
        return False


def _make_parts(
    config: SimulationConfig, missing: list[int], run: tuple[int, int, Path], workers: int
) -> Iterator[int]:
    """Make the missing parts, yielding each one's start when it is done."""
    if workers == 1 or len(missing) < 2:
        for start in missing:
            _make_part(config, start, run)
            yield start
        return
    with worker_pool(min(workers, len(missing))) as pool:
        futures = {pool.submit(_make_part, config, start, run): start for start in missing}
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def _make_part(config: SimulationConfig, start: int, run: tuple[int, int, Path]) -> None:
    """Simulate the scans of one part and write them."""
    count, seed, folder = run
    size = part_size(count)
    stop = min(start + size, count)
    block = block_size(config)
    scanfile.write_scans(
        _part(folder, start // size),
        (
            simulate_batch(config, seed, range(first, min(first + block, stop)))
            for first in range(start, stop, block)
        ),
        count=(stop - start) * config.views,
        classes=schema.class_names(),
        attributes={},
    )


def block_size(config: SimulationConfig) -> int:
    """Return the number of scans that are in memory at a time.

    Examples
    --------
    >>> block_size(SimulationConfig(size_px=64)), block_size(SimulationConfig(size_px=1024))
    (16, 1)
    """
    scan_bytes = 8 * config.size_px**2 * config.views
    return int(np.clip(BLOCK_BYTES // scan_bytes, 1, PART_SIZES[0]))


def simulate_batch(config: SimulationConfig, seed: int, indices: range) -> ScanBatch:
    """Simulate some scans in memory.

    Examples
    --------
    >>> batch = simulate_batch(SimulationConfig(size_px=32), seed=0, indices=range(2))
    >>> batch.images.shape
    (2, 32, 32, 3)
    """
    draws = [draw_scan(config, seed, index) for index in indices]
    pairs = [(draw, view_id) for draw in draws for view_id in range(config.views)]
    scans = [apply_scan(config, draw, view_id) for draw, view_id in pairs]
    rows = [_row(config, *pair, scan) for pair, scan in zip(pairs, scans, strict=True)]
    runs = np.concatenate([scan.mask_runs for scan in scans])
    offset = 0
    for scan in scans:
        for table in (scan.items, scan.parts):
            table["runs_start"] += offset
        offset += len(scan.mask_runs)
    return ScanBatch(
        images=np.stack([scan.image for scan in scans]),
        metadata=np.array(rows, dtype=schema.table_dtype("scans")),
        masks=np.stack([scan.label_map for scan in scans]),
        overlaps=np.stack([scan.overlaps for scan in scans]),
        items=np.concatenate([scan.items for scan in scans]),
        parts=np.concatenate([scan.parts for scan in scans]) if config.part_masks else None,
        mask_runs=runs,
    )


def _row(
    config: SimulationConfig, draw: ScanDraw, view_id: int, scan: SimulatedScan
) -> tuple[object, ...]:
    """Return one picture's row of the table `scans`."""
    found = {placed.item.class_name for placed in draw.items}
    threats = [name for name, info in schema.classes().items() if info.group == "threat"]
    size = config.size_px
    row = {
        "scan_id": draw.scan_id,
        "view_id": view_id,
        "source": "simulated",
        "split": "train",
        "seed": draw.seed,
        "width_px": size,
        "height_px": size,
        "content_x": 0,
        "content_y": 0,
        "content_width": size,
        "content_height": size,
        "labels": json.dumps([name for name in threats if name in found]),
        "n_items": len(scan.items) - len(draw.bags),
        "n_left_out": draw.n_left_out,
    }
    return tuple(row[name] for name in schema.table_dtype("scans").names or ())
