"""Real scans of any readable format into one `scans.h5` of equal-sized, letterboxed scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pydantic

from xraysynth import scanfile
from xraysynth.errors import DamagedError, InputError, ReadError
from xraysynth.lock import locked_file
from xraysynth.progress import Progress, silent
from xraysynth.scans.decode import MAX_PIXELS_CEILING, Kind, probe
from xraysynth.scans.readers import DataFolder, Reader, ScanRecord, open_source
from xraysynth.scans.single import Frame
from xraysynth.scans.stream import Job, PrepareSummary, batches
from xraysynth.settings import Settings

BACKGROUND = "background"
MAX_CLASSES = 254
CHANNELS = {"grey": 1, "dual": 2, "rgb": 3}


class PrepareConfig(Settings):
    """How real scans become equal ones."""

    size_px: int = pydantic.Field(64, ge=8, le=2048)
    """Side of the square frame in pixels."""
    width_px: int | None = pydantic.Field(None, ge=8, le=4096)
    """Width of the frame, if it is not square."""
    height_px: int | None = pydantic.Field(None, ge=8, le=4096)
    """Height of the frame, if it is not square."""
    channels: Literal["auto", "grey", "dual", "rgb"] = "auto"
    """Channels of the result; auto takes what most scans have, and colour if any has it."""
    bit_depth: Literal["auto", 8, 16] = "auto"
    """Bits a channel; auto takes 16 if every scan has them."""
    splits: tuple[str, ...] = ()
    """Take only these parts of the data set; empty takes all."""
    limit: int | None = pydantic.Field(None, ge=1)
    """Take at most so many scans, spread evenly over the data set."""
    duplicates: Literal["keep", "drop"] = "keep"
    """What to do with a scan whose files have the same bytes as an earlier one's."""
    min_side_px: int = pydantic.Field(8, ge=1)
    """Smaller scans are set aside, in pixels."""
    max_pixels: int = pydantic.Field(64_000_000, ge=1, le=MAX_PIXELS_CEILING)
    """Larger scans are set aside before they are unpacked, in pixels."""
    workers: int = pydantic.Field(1, ge=1, le=256)
    """Processes; the result does not depend on it."""


def prepare(
    source: Path, format: str, out: Path, config: PrepareConfig, progress: Progress = silent
) -> PrepareSummary:
    """Write the scans of a data set to `out`, and what could not be used to a table beside it.

    Parameters
    ----------
    source : folder of the data set
    format : a name in `readers.FORMATS`, such as "sixray" or "folder"
    out : `scans.h5` to write; `OUT.set_aside.csv` appears beside it, with `.h5` cut off
    config : size, channels and limits
    progress : called with the number of scans done

    Raises
    ------
    InputError
        The folder is missing, empty, of another layout, or holds no usable scan;
        the format is unknown; another process writes `out`. Nothing that was there before is lost.
    """
    folder, reader = open_source(source, format)
    records = _chosen(_records(folder, reader), config)
    if not records:
        raise InputError(_none_left(source, config))
    summary = PrepareSummary(set_aside_file=out.with_suffix(".set_aside.csv"))
    job = Job(
        folder=folder,
        records=records,
        frame=_frame(folder, records, config),
        drop_duplicates=config.duplicates == "drop",
        workers=config.workers,
    )
    with locked_file(out):
        scanfile.write_scans(
            out,
            batches(job, summary, progress),
            count=scanfile.AtMost(len(records)),
            classes=list(job.frame.classes),
            attributes={
                "format": reader.name,
                "settings": config.model_dump(mode="json", exclude={"workers"}),
            },
        )
    return summary


def _records(folder: DataFolder, reader: Reader) -> list[ScanRecord]:
    """Return every scan of the data set; an annotation file of all of them must be readable."""
    try:
        return list(reader.read(folder))
    except ReadError as error:
        raise DamagedError(
            f"{folder.root} cannot be read as {reader.name}: {error} Fetch that file again."
        ) from error


def _chosen(records: list[ScanRecord], config: PrepareConfig) -> list[ScanRecord]:
    """Return the records that the settings ask for, in an order that nothing else decides."""
    wanted = [record for record in records if not config.splits or record.split in config.splits]
    wanted.sort(key=lambda record: (record.images, record.split))
    if config.limit is None or config.limit >= len(wanted):
        return wanted
    return [wanted[place * len(wanted) // config.limit] for place in range(config.limit)]


def _none_left(source: Path, config: PrepareConfig) -> str:
    """Return the sentence for a data set of which nothing is left."""
    if config.splits:
        return f"{source} has no scans in {', '.join(config.splits)}; want other `splits`, or none."
    return f"{source} has no scans; want at least one image."


def _frame(folder: DataFolder, records: list[ScanRecord], config: PrepareConfig) -> Frame:
    """Return the form of the result; the headers decide what the settings leave open."""
    kinds: Counter[Kind] = Counter()
    if "auto" in (config.channels, config.bit_depth):
        kinds.update(_kinds(folder, records))
    return Frame(
        width_px=config.width_px or config.size_px,
        height_px=config.height_px or config.size_px,
        kind=Kind(_channels(kinds, config), _bit_depth(kinds, config)),
        max_pixels=config.max_pixels,
        min_side_px=config.min_side_px,
        classes=_classes(records),
    )


def _classes(records: list[ScanRecord]) -> tuple[str, ...]:
    """Return background and every class with outlines or indexed masks, or () without any."""
    names: set[str] = set()
    for record in records:
        names.update(outline.name for outline in record.annotation.outlines)
        names.update(record.annotation.mask_classes[1:])
    names.discard(BACKGROUND)
    if len(names) > MAX_CLASSES:
        raise InputError(
            f"the data set outlines {len(names)} classes; a label map holds at most {MAX_CLASSES}."
        )
    return (BACKGROUND, *sorted(names)) if names else ()


def _kinds(folder: DataFolder, records: list[ScanRecord]) -> Iterator[Kind]:
    """Yield the kind of every scan whose header can be read."""
    for record in records:
        if record.fault:
            continue
        try:
            with folder.path(record.images[0]).open("rb") as handle:
                kind = probe(handle)
        except OSError:
            # ReadError is one too: the scan is set aside later, with its reason.
            continue
        yield Kind(2, kind.bit_depth) if len(record.images) == 2 else kind


def _channels(kinds: Counter[Kind], config: PrepareConfig) -> int:
    """Return the number of channels: pairs of energies by majority, colour if any has it."""
    if config.channels != "auto":
        return CHANNELS[config.channels]
    n_dual = sum(count for kind, count in kinds.items() if kind.channels == 2)
    if 2 * n_dual > kinds.total():
        return 2
    return 3 if any(kind.channels == 3 for kind in kinds) else 1


def _bit_depth(kinds: Counter[Kind], config: PrepareConfig) -> int:
    """Return 16 if every scan has 16 bit, else 8."""
    if config.bit_depth != "auto":
        return config.bit_depth
    return 16 if kinds and all(kind.bit_depth == 16 for kind in kinds) else 8
