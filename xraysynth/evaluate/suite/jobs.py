"""A run cut into jobs, each of some methods with one clustering; done here or by worker processes.

Every job first comes with the first clustering, so a run that is stopped early has all methods on
the same, fewer, exemplars. Which process does a job changes nothing but the seconds it took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

from xraysynth.evaluate.suite.cells import REFERENCES, Cells
from xraysynth.evaluate.suite.config import SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant
from xraysynth.evaluate.suite.making import Maker, Told
from xraysynth.evaluate.suite.material import Material
from xraysynth.evaluate.suite.takers import Suite, contestants
from xraysynth.gan.checkpoint import load_generator
from xraysynth.processes import worker_pool


@dataclass(frozen=True, kw_only=True)
class SuiteSource:
    """What is measured."""

    gan: str
    """A generator's file, or a bundled one's name."""
    scans: Path
    """Simulated scans with exact masks, of the generator's size; best ones it never saw."""
    suite: Suite = "paper"
    """`paper` compares methods, `ablation` variants of ours."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Cells that one process makes in one go."""

    turn: int
    """Number of the clustering."""
    protocols: str
    """"AB" or "C"."""
    numbers: tuple[int, ...] = ()
    """Places of the contestants in their list; they share what is learned without labels."""
    reference: str = ""
    """What protocol C is compared with, instead of contestants."""


def jobs(cells: Cells, taking_part: Sequence[Contestant]) -> list[Job]:
    """Return the jobs of a run, in order; those whose cells are all there are left out."""
    groups: dict[str, list[int]] = {}
    for number, who in enumerate(taking_part):
        groups.setdefault(cells.prepared_path(who, 0).name, []).append(number)
    found = []
    for turn in range(cells.config.clusterings):
        for protocols in ("AB", "C"):
            if protocols == "C":
                found += [Job(turn=turn, protocols="C", reference=name) for name in REFERENCES]
            found += [
                Job(turn=turn, protocols=protocols, numbers=tuple(numbers))
                for numbers in groups.values()
            ]
    return [job for job in found if _is_due(cells, taking_part, job)]


def done_jobs(
    source: SuiteSource,
    maker: Maker,
    taking_part: Sequence[Contestant],
    due: Sequence[Job],
    workers: int,
) -> Iterator[Job]:
    """Yield each job when its cells are on disk.

    Raises
    ------
    StageError
        If a worker was killed; the cells that were made stay.
    """
    if workers == 1 or len(due) < 2:
        for job in due:
            do(maker, taking_part, job)
            yield job
        return
    material = maker.material
    start = (source, maker.config, material.seed, material.work)
    with worker_pool(min(workers, len(due)), _begin, start) as pool:
        futures: dict[Future[None], Job] = {pool.submit(_work, job): job for job in due}
        for future in as_completed(futures):
            future.result()
            yield futures[future]


def do(maker: Maker, taking_part: Sequence[Contestant], job: Job) -> None:
    """Make the missing cells of a job."""
    if job.reference:
        maker.make_reference(job.reference, job.turn)
    else:
        maker.make([taking_part[number] for number in job.numbers], job.turn, job.protocols)


def _is_due(cells: Cells, taking_part: Sequence[Contestant], job: Job) -> bool:
    """Tell whether a cell of a job is missing."""
    turns = cells.config.clusterings
    if job.reference:
        every = [(cells.reference_path(job.reference, p), p) for p in cells.reference_places()]
    else:
        every = [
            (cells.path(taking_part[number], place), place)
            for number in job.numbers
            for place in cells.places(taking_part[number])
            if place.protocol in job.protocols
        ]
    return any(p.exemplar % turns == job.turn and not path.exists() for path, p in every)


_AT_WORK: list[tuple[Maker, list[Contestant]]] = []
"""What this worker process makes cells with."""


def _begin(source: SuiteSource, config: SuiteConfig, seed: int, work: Path) -> None:
    """Load what all jobs need into a worker process."""
    torch.set_num_threads(1)
    material = Material(load_generator(source.gan), source.scans, config.material, seed, work)
    told: Told = lambda note: None  # noqa: E731
    _AT_WORK[:] = [(Maker(Cells(material, config), told), contestants(source.suite, config))]


def _work(job: Job) -> None:
    """Do a job in a worker process."""
    do(*_AT_WORK[0], job)
