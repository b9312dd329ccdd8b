"""The exemplars that settings ask for, and the folder in which they are kept.

They come from one of four places: a network or a rule that labels generated scans, folders of a
person's exemplars, or real scans with label files, which are inverted into the generator.
"""

from __future__ import annotations

from pathlib import Path

from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.exemplar_folder import load_exemplars, save_exemplar
from xraysynth.oneshot.labelling import (
    Ask,
    ExemplarConfig,
    colour_labeller,
    label_exemplars,
    simulator_labeller,
)
from xraysynth.oneshot.real_scan import inverted_exemplars, save_inverted
from xraysynth.progress import Progress, silent


def write_exemplars(  # noqa: PLR0913 (what the pipeline stage names)
    generator: Generator,
    config: ExemplarConfig,
    seed: int,
    folder: Path,
    scans: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Write the exemplars that the config asks for: one into `folder`, several into folders in it.

    Beside an inverted real scan stands `inversion.json`, which says how well it was inverted.

    Raises
    ------
    InputError, CheckpointError
        As `make_exemplars` and `inverted_exemplars`.
    """
    if config.real_scans:
        found = inverted_exemplars(
            generator,
            config.real_pairs,
            config.inversion,
            seed,
            class_names=config.real_classes,
            progress=progress,
        )
        for place, inverted in zip(places(folder, len(found)), found, strict=True):
            save_inverted(inverted, place)
        return
    made = make_exemplars(generator, config, seed, scans, progress)
    for place, exemplar in zip(places(folder, len(made)), made, strict=True):
        save_exemplar(exemplar, place)


def make_exemplars(
    generator: Generator,
    config: ExemplarConfig,
    seed: int,
    scans: Path | None = None,
    progress: Progress = silent,
) -> list[Exemplar]:
    """Return the exemplars of a labeller, or of a folder.

    `scans` is the file with exact masks that the labeller `simulator` learns from.

    Raises
    ------
    InputError
        No scans for `simulator`, or a folder that is no exemplar.
    CheckpointError
        The folder's exemplar is of another generator.
    """
    if config.labeller == "simulator":
        labeller = simulator_labeller(scans, config, seed, progress)
    elif config.labeller == "colour":
        labeller = colour_labeller(config.colour)
    else:
        return load_exemplars(Path(config.labeller), generator)
    network = generator.config
    balance = config.balance and bool(network.contents)
    ask: Ask = lambda numbers: requested_labels(network, (), balance, numbers)  # noqa: E731
    return label_exemplars(generator, labeller, config, seed, ask)


def places(folder: Path, count: int) -> list[Path]:
    """Return where `count` exemplars of one folder lie.

    Examples
    --------
    >>> [path.as_posix() for path in places(Path("exemplar"), 2)]
    ['exemplar/00', 'exemplar/01']
    """
    return [folder] if count == 1 else [folder / f"{number:02d}" for number in range(count)]
