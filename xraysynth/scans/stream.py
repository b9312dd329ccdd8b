"""The scans of a data set as a stream of batches, with an account of everything left out."""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from xraysynth.errors import InputError
from xraysynth.files import whole_file
from xraysynth.progress import Progress
from xraysynth.scanfile import ScanBatch
from xraysynth.scans.inorder import in_order
from xraysynth.scans.readers import DataFolder, ScanRecord
from xraysynth.scans.rows import batch_of
from xraysynth.scans.single import Frame, PreparedScan, prepare_scan

SCANS_PER_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done: these records of this folder, in this form."""

    folder: DataFolder
    records: list[ScanRecord]
    frame: Frame
    drop_duplicates: bool
    workers: int


@dataclass(kw_only=True)
class PrepareSummary:
    """What became of a data set."""

    n_scans: int = 0
    """Scans in the file."""
    n_set_aside: int = 0
    """Rows of the table of scans that are not in the file."""
    n_duplicates: int = 0
    """Scans with the same bytes as an earlier one, kept or not."""
    n_boxes: int = 0
    n_mended_boxes: int = 0
    """Boxes clamped to the scan or with swapped corners."""
    n_dropped_boxes: int = 0
    """Boxes without area inside the scan."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How often each reason for setting aside occurs, numbers and names cut out."""
    splits: Counter[str] = field(default_factory=Counter)
    """Scans in the file by part of the data set."""
    set_aside_file: Path = Path()
    """The table of what was set aside, and why."""


def batches(job: Job, summary: PrepareSummary, progress: Progress) -> Iterator[ScanBatch]:
    """Yield the usable scans in order; then write the table of the others.

    Raises
    ------
    InputError
        If no scan is usable.
    """
    set_aside: list[tuple[str, str]] = []
    kept: list[tuple[ScanRecord, PreparedScan]] = []
    for record, scan in _judged(job, summary, progress):
        if scan.fault:
            set_aside.append((record.images[0], scan.fault))
            summary.reasons[reason_kind(scan.fault)] += 1
            continue
        _count(record, scan, summary)
        kept.append((record, scan))
        if len(kept) == SCANS_PER_BATCH:
            yield batch_of(kept)
            kept = []
    if kept:
        yield batch_of(kept)
    summary.n_set_aside = len(set_aside)
    _write_table(summary.set_aside_file, set_aside)
    if summary.n_scans == 0:
        raise InputError(_nothing(job, summary))


def reason_kind(reason: str) -> str:
    """Return a reason without what differs from scan to scan, for counting.

    Examples
    --------
    >>> reason_kind("it is 5x7 px; want at least 8 a side.")
    'it is NxN px; want at least N a side.'
    """
    without_files = re.sub(r"\S*[/\\]\S*", "FILE", reason)
    return re.sub(r"\d[\d,.]*(?<!\.)", "N", without_files)


def _judged(
    job: Job, summary: PrepareSummary, progress: Progress
) -> Iterator[tuple[ScanRecord, PreparedScan]]:
    """Yield every record and what came of it; duplicates are known only here."""
    work = functools.partial(prepare_scan, job.folder, job.frame)
    first_of: dict[bytes, str] = {}
    listed: set[tuple[str, ...]] = set()
    results = in_order(work, job.records, job.workers)
    for done, (record, scan) in enumerate(zip(job.records, results, strict=True), start=1):
        if record.images in listed:
            scan = PreparedScan(fault="it is listed more than once; the first entry counts.")
        listed.add(record.images)
        first = first_of.setdefault(scan.digest, record.images[0]) if not scan.fault else ""
        if first not in ("", record.images[0]):
            summary.n_duplicates += 1
            if job.drop_duplicates:
                scan = PreparedScan(fault=f"it has the same bytes as {first}.")
        yield record, scan
        if done % SCANS_PER_BATCH == 0 or done == len(job.records):
            progress(done, len(job.records), f"{done - summary.n_scans} set aside")


def _count(record: ScanRecord, scan: PreparedScan, summary: PrepareSummary) -> None:
    """Add a usable scan to the account."""
    summary.n_scans += 1
    summary.n_boxes += len(scan.boxes)
    summary.n_mended_boxes += scan.n_mended
    summary.n_dropped_boxes += scan.n_dropped
    summary.splits[record.split] += 1


def _write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write what was set aside, even if that is nothing: an old table would mislead."""
    with whole_file(path) as partial, _text(partial) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("path", "reason"))
        writer.writerows(rows)


def _text(path: Path) -> TextIO:
    """Open a text file for names that need not be UTF-8 themselves."""
    return path.open("w", encoding="utf-8", newline="", errors="backslashreplace")


def _nothing(job: Job, summary: PrepareSummary) -> str:
    """Return the sentence for a data set without any usable scan."""
    (reason, count), *_ = summary.reasons.most_common(1)
    return (
        f"{job.folder.root} has {len(job.records)} scans and none is usable, {count} because "
        f"{reason.rstrip('.')}; each is listed with its reason in {summary.set_aside_file}."
    )
