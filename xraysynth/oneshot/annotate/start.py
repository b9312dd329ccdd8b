"""From a generator and a folder to a desk with scans that are worth labelling."""

from __future__ import annotations

from pathlib import Path

from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.annotate.work import load_work
from xraysynth.oneshot.groups import learn_groupings
from xraysynth.oneshot.label_files import check_no_labels
from xraysynth.oneshot.propose import propose
from xraysynth.progress import Progress, silent

PROPOSALS = 8


def open_desk(generator: Generator, folder: Path, seed: int, progress: Progress = silent) -> Desk:
    """Return the desk: as it was left, or with fresh proposals.

    Raises
    ------
    InputError
        The folder holds work on another generator, or labels of another tool.
    DamagedError
        The work in the folder is not what was written.
    """
    check_no_labels(folder)  # An exemplar cannot be saved there.
    load_work(folder, generator_hash(generator))  # Work that cannot be taken up is told at once.
    progress(0, 2, "grouping pixels")
    desk = Desk(
        generator=generator,
        groupings=learn_groupings(generator, seed),
        folder=folder,
        seed=seed,
    )
    progress(1, 2, "choosing scans")
    if not desk.restore():
        proposals = propose(generator, desk.groupings[-1], PROPOSALS, seed)
        total = len(desk.groupings[-1].bias)
        desk.put(
            [proposal.scan for proposal in proposals],
            [f"{proposal.n_groups} of {total} groups" for proposal in proposals],
        )
        desk.autosave()
    progress(2, 2, "done")
    return desk
