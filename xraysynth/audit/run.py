"""The audit of an export: one pass over its scans, tables as CSV, one report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

from xraysynth.audit import tables
from xraysynth.audit.config import AuditConfig
from xraysynth.audit.context import report_context
from xraysynth.audit.flags import REASONS, repeated
from xraysynth.audit.report import write_report
from xraysynth.audit.results import Results, all_tables, find
from xraysynth.audit.sources import ScanSource, ShardSource
from xraysynth.errors import InputError
from xraysynth.files import write_json
from xraysynth.lock import locked
from xraysynth.progress import Progress, silent
from xraysynth.shards.outside import refuse_inside_export

REPORT = "report.html"
SUMMARY = "summary.json"


@dataclass(frozen=True, kw_only=True)
class AuditSummary:
    """The headline of an audit."""

    samples: int
    objects: int
    classes_present: list[str]
    """Names of the classes that occur, background left out."""
    mean_confidence: float | None
    """Mean over labelled pixels; None if nothing is labelled."""
    rejected_share: float
    """Share of the generated scans that were not sure enough, and replaced."""
    flagged: int
    """Samples with at least one reason."""
    flags: dict[str, int]
    """Samples by reason."""
    near_duplicates: int
    """Samples that repeat an earlier one."""
    near_duplicate_groups: int
    training_matches: int | None
    """Samples close to a training scan; None if these were not given."""
    report: Path
    tables: list[Path]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it, without the folder that it lies in."""
        return asdict(self) | {
            "report": self.report.name,
            "tables": [path.name for path in self.tables],
        }


def audit(  # noqa: PLR0913 - what to read, where to write, then settings
    shards_dir: Path,
    out: Path,
    config: AuditConfig | None = None,
    scans: Path | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> AuditSummary:
    """Look at every sample of an export; write `report.html`, `summary.json` and tables as CSV.

    The same export and settings give the same bytes. Images are read in one pass and never all
    held; what grows with their number is a row of about 100 bytes each.

    Parameters
    ----------
    shards_dir : folder of an export, with its manifest
    out : folder for the report; earlier ones are replaced
    config : limits and numbers of pictures
    scans : `scans.h5` that the generator learned from, to compare with
    facts : further names and values to show, such as seconds a stage; may be nested
    progress : called with the samples done

    Raises
    ------
    InputError
        If a folder or file is not there, or is something else, `out` lies in an export, or another
        process writes there.
    DamagedError
        If a shard is missing, truncated or changed.
    StorageError
        If `out` cannot be written.
    """
    config = config or AuditConfig()
    shards_dir, out = Path(shards_dir), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; want a folder for the report. Name another one.")
    refuse_inside_export(out, shards_dir)
    shards = ShardSource(shards_dir)
    if not shards.count:
        raise InputError(f"{shards_dir} holds no sample; want at least one. Export some first.")
    try:
        source = None if scans is None else ScanSource(scans, shards.class_names)
        results = find(shards, source, config, facts or {}, progress)
        with locked(out, stays=False):
            return _write(results, out)
    finally:
        shards.close()


def _write(results: Results, out: Path) -> AuditSummary:
    """Write tables, then the summary, then the report: where that stands, all of it is there."""
    frames = all_tables(results)
    for name, frame in frames.items():
        tables.write_csv(frame, out / name)
    summary = _summary(results, out, [out / name for name in frames])
    write_json(out / SUMMARY, summary.as_json())
    write_report(report_context(results, frames), summary.report)
    return summary


def _summary(results: Results, out: Path, written: list[Path]) -> AuditSummary:
    """Return the headline of the results."""
    masks, flags = results.generated.masks, results.flags
    mean = results.generated.confidence.mean_labelled()
    by_reason = flags.groupby("reason")["sample_index"].nunique()
    matches = results.matches
    return AuditSummary(
        samples=results.shards.count,
        objects=int(masks.n_objects.sum()),
        classes_present=[
            name
            for place, name in enumerate(masks.class_names)
            if place > 0 and masks.images[place]
        ],
        mean_confidence=None if isnan(mean) else round(mean, 6),
        rejected_share=results.shards.manifest.candidates.rejected_share,
        flagged=int(flags["sample_index"].nunique()),
        flags={reason: int(by_reason.get(reason, 0)) for reason in REASONS},
        near_duplicates=int(repeated(results.near).sum()),
        near_duplicate_groups=results.near.n_groups,
        training_matches=None if matches is None else int((matches.nearest >= 0).sum()),
        report=out / REPORT,
        tables=written,
    )
