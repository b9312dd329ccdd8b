"""Runs the stages of a pipeline: each once, again when something it depends on has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from xraysynth.errors import StageError, StorageError
from xraysynth.pipeline import ground
from xraysynth.pipeline.definition import Pipeline
from xraysynth.pipeline.fingerprint import Files, code_version, digest, hash_files
from xraysynth.pipeline.lock import run_folder
from xraysynth.pipeline.record import RunRecord, StageRecord
from xraysynth.pipeline.stage import Context, Stage
from xraysynth.progress import Progress, silent


class Observer(Protocol):
    """Whoever wants to tell the user how the run goes."""

    def skipped(self, stage: str) -> None:
        """Hear that a stage is up to date."""

    def started(self, stage: str, reason: str) -> Progress:
        """Hear why a stage runs; return where it reports its progress."""

    def finished(self, stage: str, seconds: float) -> None:
        """Hear that a stage is done."""


class Unwatched:
    """The observer that tells nobody."""

    def skipped(self, stage: str) -> None:
        """Ignore it."""

    def started(self, stage: str, reason: str) -> Progress:
        """Ignore it."""
        return silent

    def finished(self, stage: str, seconds: float) -> None:
        """Ignore it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a stage has to run, and why."""

    stage: Stage
    context: Context
    reason: str
    """Empty if the stage is up to date."""
    basis: Mapping[str, Any] | None = None
    """What its result depends on; None while a stage before it has to run."""
    edited: bool = False
    """Whether somebody changed what it had made."""


def run_pipeline(pipeline: Pipeline, folder: Path, observer: Observer | None = None) -> RunRecord:
    """Run what is not up to date, in order, and return the record of the run.

    Killed at any moment and called again, it goes on where it was and ends in the same files.

    Raises
    ------
    InputError
        If another run holds the folder, or it is no run's folder, or an input is missing or lies
        where a stage deletes what it made earlier.
    StorageError
        If the disk is full; what was finished is kept.
    """
    observer = observer or Unwatched()
    _refuse_own_inputs(pipeline, folder)
    with run_folder(folder):
        record = RunRecord(folder)
        record.pipeline = pipeline.resolved()
        record.write()
        for stage in pipeline.stages:
            verdict = _judge(stage, pipeline, folder, record, pending="")
            if not verdict.reason:
                observer.skipped(stage.name)
                ground.marker(stage, folder).unlink(missing_ok=True)
                continue
            progress = observer.started(stage.name, verdict.reason)
            context = replace(verdict.context, progress=progress)
            _make(replace(verdict, context=context), record)
            observer.finished(stage.name, record.stages[stage.name].seconds)
        return record


def plan(pipeline: Pipeline, folder: Path) -> Iterator[Verdict]:
    """Yield, for each stage, whether it would run and why; touch nothing."""
    _refuse_own_inputs(pipeline, folder)
    record = RunRecord(folder)
    pending: set[str] = set()
    for stage in pipeline.stages:
        waits = [name for name in _upstream(stage, pipeline) if name in pending]
        verdict = _judge(stage, pipeline, folder, record, pending=waits[0] if waits else "")
        if verdict.reason:
            pending.add(stage.name)
        yield verdict


def _refuse_own_inputs(pipeline: Pipeline, folder: Path) -> None:
    """Raise if a stage reads what a stage of this pipeline deletes before it runs."""
    ground.refuse_own_inputs(
        (stage, _context(stage, pipeline, folder)) for stage in pipeline.stages
    )


def _context(stage: Stage, pipeline: Pipeline, folder: Path) -> Context:
    """Return what a stage knows before anything was compared."""
    return Context(
        folder=folder,
        settings=pipeline.settings[stage.name],
        seed=pipeline.run.seed,
        upstream=tuple(_upstream(stage, pipeline)),
        workers=pipeline.run.workers,
    )


def _judge(
    stage: Stage, pipeline: Pipeline, folder: Path, record: RunRecord, pending: str
) -> Verdict:
    """Compare what a stage's result depends on with what `run.json` says it was made from."""
    context = _context(stage, pipeline, folder)
    if pending:
        return Verdict(stage=stage, context=context, reason=f"after {pending}")
    basis = _basis(stage, context, record)
    context = replace(context, work_key=digest(basis))
    known = record.stages.get(stage.name)
    if known is None:
        return Verdict(stage=stage, context=context, reason="never run", basis=basis)
    reason, edited = _reason(stage, context, basis, known)
    return Verdict(stage=stage, context=context, reason=reason, basis=basis, edited=edited)


def _upstream(stage: Stage, pipeline: Pipeline) -> list[str]:
    """Return the names of the stages whose outputs this one reads."""
    wanted = {name for need in stage.needs for name in need.rstrip("?").split("|")}
    return [other.name for other in pipeline.stages if other.name in wanted]


def _basis(stage: Stage, context: Context, record: RunRecord) -> dict[str, Any]:
    """Return everything that a stage's result depends on."""
    return {
        "settings": context.settings.model_dump(mode="json", exclude={"workers"}),
        "seed": context.seed,
        "code": code_version(stage),
        "inputs": {str(path): _summary(hash_files([path])) for path in stage.inputs(context)},
        "upstream": {name: digest(record.stages[name].outputs) for name in context.upstream},
    }


def _summary(files: Files) -> dict[str, Any]:
    """Return count, size and one hash of many files, so that `run.json` stays readable."""
    return {
        "files": len(files),
        "bytes": sum(entry["bytes"] for entry in files.values()),
        "sha256": digest({name: entry["sha256"] for name, entry in files.items()}),
    }


def _reason(
    stage: Stage, context: Context, basis: Mapping[str, Any], known: StageRecord
) -> tuple[str, bool]:
    """Return why a stage has to run, or "" if it has not; and whether its files were changed."""
    changed = [part for part, value in basis.items() if value != known.basis.get(part)]
    names = ", ".join(_changes(part, basis, known.basis) for part in changed)
    reasons = [f"changed: {names}"] if changed else []
    if known.status != "done":
        return "; ".join(reasons or [known.status.replace("running", "unfinished")]), False
    there = [path for path in stage.outputs(context) if path.exists()]
    found = hash_files(there, context.folder)
    edited = any(known.outputs.get(name) != entry for name, entry in found.items())
    if edited:
        place = ground.set_aside_folder(stage, context.folder)
        reasons.append(f"its files were changed (they are kept in {place})")
    elif found != known.outputs:
        reasons.append("its files are missing")
    return "; ".join(reasons), edited


def _changes(part: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> str:
    """Name what is new in one part of the basis: "settings (count, size_px)"."""
    after, before = new[part], old.get(part)
    if not isinstance(after, dict) or not isinstance(before, dict):
        return part
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return f"{part} ({', '.join(names)})"


def _make(verdict: Verdict, record: RunRecord) -> None:
    """Run one stage and write down how it went."""
    stage, context = verdict.stage, verdict.context
    entry = StageRecord(
        status="running",
        key=context.work_key,
        basis=dict(verdict.basis or {}),
        resumed=_prepare_ground(verdict),
    )
    _write(record, stage, entry)
    start = time.monotonic()
    status = "failed"
    try:
        stage.run(context)
        outputs = _outputs(stage, context)
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        seconds = round(time.monotonic() - start, 3)
        if status != "done":
            # The disk may be full: the reason must not be hidden by a second error.
            with suppress(StorageError):
                _write(
                    record, stage, entry.model_copy(update={"status": status, "seconds": seconds})
                )
    done = {"status": "done", "seconds": seconds, "outputs": outputs}
    _write(record, stage, entry.model_copy(update=done))
    ground.marker(stage, context.folder).unlink(missing_ok=True)


def _write(record: RunRecord, stage: Stage, entry: StageRecord) -> None:
    """Put one stage's entry into `run.json`."""
    record.stages[stage.name] = entry
    record.write()


def _outputs(stage: Stage, context: Context) -> Files:
    """Return the hashes of what a stage has made."""
    missing = [str(path) for path in stage.outputs(context) if not path.exists()]
    if missing:
        raise StageError(f"{stage.name} ended without making {', '.join(missing)}.")
    return hash_files(stage.outputs(context), context.folder)


def _prepare_ground(verdict: Verdict) -> bool:
    """Keep unfinished work that belongs to this key, delete any other; say whether some was kept.

    Files of a stage that was finished are never taken for unfinished work: if they are not
    what it made, they are damaged, or somebody's work, and set aside.
    """
    stage, context = verdict.stage, verdict.context
    unfinished = verdict.reason in ("unfinished", "failed", "interrupted")
    if unfinished and ground.holds_work(stage, context):
        return True
    ground.clear(stage, context, keep=verdict.edited)
    return False
