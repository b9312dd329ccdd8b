"""The exemplars that settings ask for, and the folder in which they are kept.

They come from one of four places: a network or a rule that labels generated scans, folders of a
person's exemplars, or real scans with label files, which are inverted into the generator.
"""

from __future__ import annotations

from pathlib import Path

from xraysynth.errors import InputError
from xraysynth.files import write_json
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.candidates import Ask, label_exemplars
from xraysynth.oneshot.coverage import COVERAGE, Coverage
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.exemplar_folder import exemplars_in, load_exemplars, save_exemplar
from xraysynth.oneshot.label_files import check_no_labels
from xraysynth.oneshot.labelling import (
    ExemplarConfig,
    Labeller,
    colour_labeller,
    simulator_labeller,
)
from xraysynth.oneshot.real_scan import INVERSION, inverted_exemplars, save_inverted
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

    Beside an inverted real scan stands `inversion.json`, which says how well it was inverted, and
    beside scans that were labelled here `coverage.json`: which classes they hold and lack.

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
    labeller = _labeller(config, seed, scans, progress)
    made = _made(generator, labeller, config, seed)
    for place, exemplar in zip(places(folder, len(made)), made, strict=True):
        save_exemplar(exemplar, place)
    if labeller is not None:
        expected = (*labeller.learned_names, *generator.config.contents)
        wanted = [name for name in dict.fromkeys(expected) if name not in config.without]
        write_json(folder / COVERAGE, Coverage.of(made, wanted).as_json())


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
    return _made(generator, _labeller(config, seed, scans, progress), config, seed)


def _labeller(
    config: ExemplarConfig, seed: int, scans: Path | None, progress: Progress
) -> Labeller | None:
    """Return the labeller of generated scans, or None where exemplars lie in a folder."""
    if config.labeller == "simulator":
        return simulator_labeller(scans, config, seed, progress)
    return colour_labeller(config.colour) if config.labeller == "colour" else None


def _made(
    generator: Generator, labeller: Labeller | None, config: ExemplarConfig, seed: int
) -> list[Exemplar]:
    """Return exemplars that a labeller labels, or those of the folder that it is not."""
    if labeller is None:
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


def check_places(folder: Path, count: int) -> None:
    """Check that inverted scans can be written to their places, and will stand there alone.

    Raises
    ------
    InputError
        A place holds labels of another tool, or an exemplar that no inversion made; or there are
        exemplars beside the places, which would be read with those that come.
    """
    wanted = places(folder, count)
    for place in wanted:
        check_no_labels(place)
    there = exemplars_in(folder)
    others = [one for one in there if one not in wanted or not (one / INVERSION).exists()]
    if others:
        raise InputError(
            f"{', '.join(map(str, others))} would stay among the exemplars that are written to "
            f"{folder}, or be lost; move {folder} away, or choose another --out.",
            code="exemplar-files",
        )
