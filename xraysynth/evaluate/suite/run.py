"""`evaluate segmenter --suite`: everything measured, kept cell by cell, and written as a page."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xraysynth.errors import InputError
from xraysynth.evaluate.suite import ablation
from xraysynth.evaluate.suite.cells import Cells
from xraysynth.evaluate.suite.config import SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant
from xraysynth.evaluate.suite.jobs import SuiteSource, done_jobs, jobs
from xraysynth.evaluate.suite.making import Maker, Told
from xraysynth.evaluate.suite.markdown import page
from xraysynth.evaluate.suite.material import Material
from xraysynth.evaluate.suite.takers import contestants
from xraysynth.files import whole_file, write_json
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.oneshot.export import single_threaded
from xraysynth.progress import Progress, silent


def evaluate_suite(  # noqa: PLR0913 (what the command line names)
    source: SuiteSource,
    config: SuiteConfig,
    seed: int,
    out: Path,
    markdown: Path | None = None,
    progress: Progress = silent,
    *,
    workers: int = 1,
) -> dict[str, Any]:
    """Measure segmenters on one generator; cells that are on disk already are kept.

    The page is written anew whenever a method has been taught and tested with one clustering, and
    says what is missing still.

    Parameters
    ----------
    source : generator, scans, and which suite
    config : how much
    seed : of exemplars, oracle, test scans and learning
    out : a folder for cells, `suite.json` and `oneshot.md`; or a JSON file, with cells beside it
    markdown : where the page goes instead
    workers : processes; only the seconds depend on it

    Returns
    -------
    dict
        `cells` with the counts of each, and what they were made from.

    Raises
    ------
    InputError
        If the scans cannot judge this generator's, or a method or task has no such name.
    StageError
        If a worker was killed; the same call goes on.
    """
    with single_threaded():
        folder = out.with_suffix("") if out.suffix == ".json" else out
        generator = load_generator(source.gan)
        material = Material(generator, source.scans, config.material, seed, folder, progress)
        taking_part = contestants(source.suite, config)
        if source.suite == "ablation":
            config = ablation.narrowed(config, [task.name for task in material.tasks])
        cells = Cells(material, config)
        _check_tasks(cells, config)
        due = jobs(cells, taking_part)
        material.make_all(cells.exemplars(taking_part), config.protocols if due else ())
        maker = Maker(cells, _told(cells, taking_part, progress, workers))
        report = _report(source, cells, taking_part)
        name = "suite" if source.suite == "paper" else source.suite
        data = out if out.suffix == ".json" else folder / f"{name}.json"
        target = markdown or folder / ("oneshot.md" if source.suite == "paper" else "ablation.md")
        for job in done_jobs(source, maker, taking_part, due, workers):
            report = _report(source, cells, taking_part)
            _write(report, data, target)
            if workers > 1:
                maker.told(job.reference or taking_part[job.numbers[0]].name)
        _write(report, data, target)
    return report


def _report(source: SuiteSource, cells: Cells, taking_part: Sequence[Contestant]) -> dict[str, Any]:
    """Return what has been measured so far, and what it was made from."""
    found, material = cells.found(taking_part), cells.material
    return {
        "suite": source.suite,
        "generator": {"name": source.gan, "hash": generator_hash(material.generator)},
        "scans": str(source.scans),
        "seed": material.seed,
        "settings": cells.config.model_dump(mode="json"),
        "methods": {who.name: who.method.summary for who in taking_part},
        "choices": [who.name for who in taking_part if who.tasks],
        "cells": found,
        "missing": cells.missing(taking_part),
        "cost": cells.costs(taking_part, found),
        "oracle": material.networks.oracle.facts,
        "inversion": material.inversion_facts(),
    }


def _write(report: Mapping[str, Any], data: Path, target: Path) -> None:
    """Write a report as JSON and as a page."""
    write_json(data, report)
    with whole_file(target) as partial:
        partial.write_text(page(report), encoding="utf-8")


def _told(
    cells: Cells, taking_part: Sequence[Contestant], progress: Progress, workers: int
) -> Told:
    """Return what counts new cells one by one, or, made by workers, those on disk."""
    every = sum(1 for _ in cells.every(taking_part))

    def on_disk() -> int:
        return every - sum(sum(by.values()) for by in cells.missing(taking_part).values())

    done = itertools.count(on_disk() + 1)

    def told(note: str) -> None:
        progress(next(done) if workers == 1 else on_disk(), every, note)

    return told


def _check_tasks(cells: Cells, config: SuiteConfig) -> None:
    """Refuse a task that there is not."""
    known = [task.name for task in cells.material.tasks]
    missing = [name for name in config.tasks if name not in known]
    if missing:
        raise InputError(
            f"there is no task {missing[0]!r} for this generator; want some of {', '.join(known)}."
        )
