"""Many insertions from folders of raw scans to a folder of raw scans with exact masks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.errors import InputError, ReadError
from xraysynth.files import whole_file
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.scanner.insertion import (
    Insertion,
    InsertionConfig,
    InsertionDraw,
    draw_insertion,
    insert,
)
from xraysynth.scanner.pairs import SetAside, Source, find_sources, write_channel, write_picture
from xraysynth.scanner.palettes import palette
from xraysynth.scanner.raw import RawScan

TRIES = 20
"""Pairs of bag and threat tried for one insertion before giving up."""
COLUMNS = (
    "name", "bag", "threat", "class", "left", "top", "right", "bottom", "area_px", "visibility",
    "row_px", "col_px", "rotation_deg", "flip", "scale", "noise_seed",
)  # fmt: skip
"""Of `insertions.csv`; the box is in pixels, right and bottom outside it."""


@dataclass(frozen=True, kw_only=True)
class InsertionJob:
    """What is inserted into what, and where the results go."""

    bags: Path
    """Folder of pairs, or a `scans.h5` of two channels."""
    threats: Path
    """Folder of pairs, one folder a class."""
    out: Path
    count: int
    seed: int = 0
    air: int = 60_000
    """Value of open air in the pictures, read and written."""
    palette: str = "standard"


@dataclass(frozen=True, kw_only=True)
class InsertionSummary:
    """What became of a job."""

    n_insertions: int
    set_aside: tuple[SetAside, ...]


def insert_files(
    job: InsertionJob, config: InsertionConfig, progress: Progress = silent
) -> InsertionSummary:
    """Write `count` insertions: NAME_low.png, _high.png, _mask.png, _colour.png, insertions.csv.

    Files that do not serve are named in `set_aside.csv` with the reason. Which bag, threat and
    place an insertion gets depends on the seed, its number and the files alone.

    Raises
    ------
    InputError
        If a folder holds no pair that serves, the palette is unknown, no threat fits any bag, or
        the results would land among the sources.
    """
    palette(job.palette)
    for folder in (job.bags, job.threats):
        if job.out.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{job.out} lies in {folder}; choose a folder outside the sources.")
    work = _Work.of_job(job, config)
    rows = []
    for number in range(job.count):
        rows.append(work.one(number))
        progress(number + 1, job.count, "")
    _write_table(job.out / "insertions.csv", COLUMNS, rows)
    _write_table(
        job.out / "set_aside.csv", ("name", "reason"), [vars(each) for each in work.set_aside]
    )
    return InsertionSummary(n_insertions=len(rows), set_aside=tuple(work.set_aside))


@dataclass(kw_only=True)
class _Work:
    """Sources, and what was found not to serve."""

    job: InsertionJob
    config: InsertionConfig
    bags: list[Source]
    threats: list[Source]
    set_aside: list[SetAside]

    @classmethod
    def of_job(cls, job: InsertionJob, config: InsertionConfig) -> _Work:
        """List the sources."""
        bags, bad_bags = find_sources(job.bags, job.air)
        threats, bad_threats = find_sources(job.threats, job.air)
        aside = [*bad_bags, *bad_threats]
        return cls(job=job, config=config, bags=bags, threats=threats, set_aside=aside)

    def one(self, number: int) -> dict[str, Any]:
        """Make and write one insertion; return its row."""
        for bag, threat, seed in self._candidates(number):
            try:
                scan, own = self._read(bag), self._read(threat)
                draw = draw_insertion(self.config, scan, own, seed)
            except ReadError:
                continue
            except InputError as error:
                self._put_aside(f"{threat.name} in {bag.name}", str(error))
                continue
            return self._write(f"insertion_{number:05d}", (bag, threat), draw, (scan, own))
        last = self.set_aside[-1]
        raise InputError(
            f"none of {TRIES} pairs of bag and threat served; the last: {last.name}: {last.reason}"
        )

    def _candidates(self, number: int) -> Iterator[tuple[Source, Source, int]]:
        """Yield pairs of bag and threat, each with the seed of its placement."""
        for attempt in range(TRIES):
            rng = stream(self.job.seed, "insert", number, attempt)
            bag = self.bags[rng.integers(len(self.bags))]
            threat = self.threats[rng.integers(len(self.threats))]
            yield bag, threat, stream_seed(self.job.seed, "insert", number, attempt)

    def _read(self, source: Source) -> RawScan:
        """Read a source, or put it aside."""
        try:
            return source.read()
        except ReadError as error:
            self._put_aside(source.name, str(error))
            raise

    def _put_aside(self, name: str, reason: str) -> None:
        """Remember once what does not serve."""
        entry = SetAside(name=name, reason=reason)
        if entry not in self.set_aside:
            self.set_aside.append(entry)

    def _write(
        self,
        name: str,
        sources: tuple[Source, Source],
        draw: InsertionDraw,
        scans: tuple[RawScan, RawScan],
    ) -> dict[str, Any]:
        """Write the pictures of one insertion; return its row."""
        found = insert(*scans, draw)
        out, air = self.job.out, self.job.air
        write_channel(out / f"{name}_low.png", found.low, air)
        write_channel(out / f"{name}_high.png", found.high, air)
        write_picture(out / f"{name}_mask.png", np.where(found.mask, 255, 0).astype(np.uint8))
        colours = pseudo_colour(found.low, found.high, self.job.palette)
        write_picture(out / f"{name}_colour.png", colours)
        return _row(name, sources, draw, found)


def _row(
    name: str, sources: tuple[Source, Source], draw: InsertionDraw, found: Insertion
) -> dict[str, Any]:
    """Return one row of `insertions.csv`."""
    bag, threat = sources
    left, top, right, bottom = found.box
    return {
        "name": name,
        "bag": bag.name,
        "threat": threat.name,
        "class": threat.class_name,
        "left": left,
        "top": top,
        "right": right,
        "bottom": bottom,
        "area_px": int(found.mask.sum()),
        "visibility": round(found.visibility, 4),
        **vars(draw),
        "flip": int(draw.flip),
    }


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write a CSV that appears only when whole."""
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
