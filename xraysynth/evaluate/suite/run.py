"""`evaluate segmenter --suite`: everything measured, kept cell by cell, and written as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xraysynth.errors import InputError
from xraysynth.evaluate.suite import ablation
from xraysynth.evaluate.suite.cells import Cells
from xraysynth.evaluate.suite.config import BAG, SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant
from xraysynth.evaluate.suite.markdown import page
from xraysynth.evaluate.suite.material import Choice, Material
from xraysynth.files import whole_file, write_json
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.oneshot.export import single_threaded
from xraysynth.oneshot.methods import METHODS, OURS, method
from xraysynth.progress import Progress, silent

Suite = Literal["paper", "ablation"]
CHOICES: Mapping[str, Choice] = {
    "ours, scan proposed without labels": "unlabelled",
    "ours, scan by lot": "random",
}
"""Other ways to choose the scan of the bag's task, by the name in the table."""


@dataclass(frozen=True, kw_only=True)
class SuiteSource:
    """What is measured."""

    gan: str
    """A generator's file, or a bundled one's name."""
    scans: Path
    """Simulated scans with exact masks, of the generator's size; best ones it never saw."""
    suite: Suite = "paper"
    """`paper` compares methods, `ablation` variants of ours."""


def evaluate_suite(  # noqa: PLR0913 (what the command line names)
    source: SuiteSource,
    config: SuiteConfig,
    seed: int,
    out: Path,
    markdown: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure segmenters on one generator; cells that are on disk already are kept.

    Parameters
    ----------
    source : generator, scans, and which suite
    config : how much
    seed : of exemplars, oracle, test scans and learning
    out : a folder for cells, `suite.json` and `oneshot.md`; or a JSON file, with cells beside it
    markdown : where the page goes instead

    Returns
    -------
    dict
        `cells` with the counts of each, and what they were made from.

    Raises
    ------
    InputError
        If the scans cannot judge this generator's, or a method or task has no such name.
    """
    with single_threaded():
        folder = out.with_suffix("") if out.suffix == ".json" else out
        generator = load_generator(source.gan)
        material = Material(generator, source.scans, config.material, seed, folder, progress)
        taking_part = contestants(source.suite, config)
        if source.suite == "ablation":
            config = ablation.narrowed(config, [task.name for task in material.tasks()])
        cells = Cells(material, config, progress)
        _check_tasks(cells, config)
        found = cells.run(taking_part)
        report = {
            "suite": source.suite,
            "generator": {"name": source.gan, "hash": generator_hash(generator)},
            "scans": str(source.scans),
            "seed": seed,
            "settings": config.model_dump(mode="json"),
            "methods": {who.name: who.method.summary for who in taking_part},
            "choices": [who.name for who in taking_part if who.tasks],
            "cells": found,
            "cost": cells.costs(taking_part, found),
            "oracle": material.networks.oracle.facts,
            "inversion": material.inversion_facts(),
        }
    name = "suite" if source.suite == "paper" else source.suite
    write_json(out if out.suffix == ".json" else folder / f"{name}.json", report)
    target = markdown or folder / ("oneshot.md" if source.suite == "paper" else "ablation.md")
    with whole_file(target) as partial:
        partial.write_text(page(report), encoding="utf-8")
    return report


def contestants(suite: Suite, config: SuiteConfig) -> list[Contestant]:
    """Return what takes part: ours first.

    Raises
    ------
    InputError
        If there is no such method.
    """
    if suite == "ablation":
        return ablation.contestants(config.ours)
    names = dict.fromkeys([OURS, *(method(name).name for name in config.methods)])
    given = {OURS: config.ours, "published": config.published}
    every = {
        name: METHODS[name].changed(name, METHODS[name].summary, given.get(name, config.baseline))
        for name in names
    }
    return [
        *(Contestant(method=one) for one in every.values()),
        *(
            Contestant(method=every[OURS].changed(name, "", config.ours), choice=how, tasks=(BAG,))
            for name, how in CHOICES.items()
        ),
    ]


def _check_tasks(cells: Cells, config: SuiteConfig) -> None:
    """Refuse a task that there is not."""
    known = [task.name for task in cells.material.tasks()]
    missing = [name for name in config.tasks if name not in known]
    if missing:
        raise InputError(
            f"there is no task {missing[0]!r} for this generator; want some of {', '.join(known)}."
        )
