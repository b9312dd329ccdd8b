"""How a training begins or goes on: its settings fitted to the scans and to a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xraysynth.errors import CheckpointError, InputError
from xraysynth.gan.checkpoint import generator_config
from xraysynth.gan.clutter import choose_clutter, read_classes, read_contents
from xraysynth.gan.config import UNKNOWN, Clutter, NetworkConfig
from xraysynth.gan.contents import LabelRows, check_request, choose_names, read_labels
from xraysynth.gan.data import ScanStream
from xraysynth.gan.distributed import share_of
from xraysynth.gan.state import TrainState, start
from xraysynth.gan.train_config import GrowthStep, TrainConfig
from xraysynth.settings import settings_from_mapping


def fitted(scans: Path, config: TrainConfig) -> TrainConfig:
    """Return the settings with the labels that the networks will know.

    Those of the generator to start from, if there is one; else those that the settings choose
    among the scans' own, and "unknown" where labels are withheld or absent.

    Raises
    ------
    InputError
        If the scans, or the generator to start from, lack what the settings name.
    """
    rows = read_labels(scans) if config.labels != "none" else []
    names = choose_names(rows, config.labels, str(scans))
    sizes = config.network
    if config.init:
        sizes = generator_config(config.init)
        _check_labels(config, sizes, names, rows)
        names = sizes.label_names
        least = sizes.resolution * (2 if config.freeze_generator else 1)
        steps = tuple(step for step in config.growth if step.resolution >= least)
        config = config.model_copy(update={"growth": steps})
    elif names:
        names += (UNKNOWN,) if config.label_drop or None in rows else ()
    clutter = _clutter(scans, config, names)
    named = (names and config.contents_weight) or (clutter and config.clutter_weight)
    facts = {"label_names": names, "names_contents": bool(named)}
    why = "`labels` and the weights of naming decide it, and make it"
    _check_facts(config, facts, why, "leave it out")
    facts["clutter"] = clutter
    # A copy is not checked, and a checkpoint of names that cannot be read again would be lost.
    settings_from_mapping(NetworkConfig, sizes.model_dump() | facts, "network")
    return config.model_copy(update={"network": config.network.model_copy(update=facts)})


def resumed(config: TrainConfig, state: TrainState) -> TrainConfig:
    """Return the settings of a run that goes on, fitted by what it saved.

    The generator that it started from may have been replaced since, or deleted.
    """
    steps = _stages_of(state, config)
    return config.model_copy(update={"network": state.generator.config, "growth": steps})


def begun(config: TrainConfig, stream: ScanStream, seed: int) -> TrainState:
    """Return the state before the first step, at the first resolution, of `fitted` settings.

    Raises
    ------
    InputError
        If the settings contradict the scans, or would leave nothing to learn.
    CheckpointError
        If the generator to start from does not fit the scans.
    """
    _check_channels(config, stream.resolution)
    facts: dict[str, object] = {
        "base_grid": stream.base_grid,
        "value_map": stream.value_map,
        "pixel_bits": 8 * stream.dtype.itemsize,
    }
    if config.as_shown:
        facts["pixel_range"] = stream.pixel_range()
    _check_facts(
        config,
        facts | {"resolution": stream.resolution, "image_channels": stream.shape[3]},
        "the scans decide it, and theirs is",
        "leave it out, or prepare other scans",
    )
    config = config.model_copy(update={"network": config.network.model_copy(update=facts)})
    resolution = config.growth[0].resolution if config.growth else stream.resolution
    if config.init:
        resolution = _initial_resolution(config, resolution, stream)
    state = start(config, seed, resolution, stream.shape[3])
    if config.init and stream.untold:
        untold = f"{config.init} knows no {_few(stream.untold)}: not told of"
        state.note = "; ".join(part for part in (state.note, untold) if part)
    return state


def check_schedule(config: TrainConfig, full: int) -> None:
    """Raise if the stages grow beyond the scans, never reach them, or cannot be shared out."""
    for step in config.growth:
        if step.resolution >= full:
            raise InputError(
                f"growth names {step.resolution}; want resolutions below the {full} of the scans."
            )
        share_of(config.at(step.resolution).batch)
    share_of(config.batch)
    kimg = sum(step.kimg for step in config.growth)
    if config.growth and round(kimg * 1000) >= round(config.kimg * 1000):
        raise InputError(
            f"growth takes {kimg:g} thousand images and kimg is {config.kimg:g} in all, so that "
            f"the {full} px of the scans would never be reached; want a larger kimg or a shorter "
            "growth."
        )


def _check_channels(config: TrainConfig, full: int) -> None:
    """Raise if the networks are too narrow for the resolution of the scans."""
    if config.init:
        generator_config(config.init).check_channels(full)
    if config.init_widen or not config.init:
        config.network.check_channels(full)


def _check_labels(
    config: TrainConfig, known: NetworkConfig, names: tuple[str, ...], rows: LabelRows
) -> None:
    """Raise if the generator to start from cannot be told what the scans hold."""
    if names and not known.contents:
        raise CheckpointError(
            f"{config.init} was trained without labels and cannot learn them now; set "
            "`labels: none`, or leave `init` empty."
        )
    if config.labels != "threats":
        check_request(known, names, False, config.init)
    elif names and not set(names) & set(known.contents):
        raise InputError(
            f"the scans hold {_few(names)}, and {config.init} knows {_few(known.contents)}: "
            "nothing in common to ask for; set `labels: none`, or leave `init` empty."
        )
    if known.contents and UNKNOWN not in known.label_names and (not names or None in rows):
        raise InputError(
            f"{config.init} was trained with what every scan holds (label_drop 0), and scans that "
            "do not say so would pass for empty ones; prepare scans that all have labels and set "
            "`labels: threats`, or start from a generator that was trained with a label_drop."
        )


def _clutter(scans: Path, config: TrainConfig, asked_for: tuple[str, ...]) -> Clutter:
    """Return the clutter that z will name: that of `init`, and of the scans where it counts.

    Raises
    ------
    InputError
        If it is to count and the scans name none.
    """
    start = generator_config(config.init) if config.init else config.network
    if not config.clutter_weight:
        return start.clutter
    rows, classes = read_contents(scans), read_classes(scans)
    found = choose_clutter(rows, asked_for, start.clutter, start.z_dim // 2, classes)
    if not any(kind.share for kind in found):
        raise InputError(
            f"{scans} names no contents besides those to ask for; set `clutter_weight: 0`, or "
            "prepare it from a data set that says what else its scans hold."
        )
    return found


def _check_facts(config: TrainConfig, facts: dict[str, object], why: str, remedy: str) -> None:
    """Raise if settings of the network say otherwise than what decides them."""
    for name in facts.keys() & config.network.model_fields_set:
        wanted = getattr(config.network, name)
        if wanted and wanted != facts[name]:  # What says nothing is written out with the rest.
            raise InputError(f"network.{name} is {wanted}, but {why} {facts[name]}; {remedy}.")


def _initial_resolution(config: TrainConfig, first: int, stream: ScanStream) -> int:
    """Return the resolution at which a trained generator starts, whose stages begin at `first`.

    Raises
    ------
    InputError
        If what is frozen leaves nothing to learn, or would be gone at once.
    CheckpointError
        If it means other values than the scans' by its output.
    """
    known = generator_config(config.init)
    if known.value_map != stream.value_map:
        raise CheckpointError(
            f"{config.init} draws values of the map {known.value_map}, and scans of "
            f"{stream.shape[3]} channels have {stream.value_map}; leave `init` empty, or import "
            "the published weights again."
        )
    bits = 8 * stream.dtype.itemsize
    if known.value_map == "line_integral" and known.pixel_bits != bits:
        raise CheckpointError(
            f"{config.init} draws line integrals up to those of {known.pixel_bits}-bit pixels, and "
            f"the scans have {bits} bits; prepare them with as many, or leave `init` empty."
        )
    resolution = min(known.resolution, stream.resolution)
    if config.freeze_generator and resolution == stream.resolution:
        raise InputError(
            f"freeze_generator keeps all that {config.init} brings, and at the {resolution} px "
            "of these scans nothing would be left to learn; prepare scans of twice its "
            "resolution or more, or set `freeze_generator: false`."
        )
    if config.freeze_discriminator and first > resolution:
        raise InputError(
            f"freeze_discriminator lasts until the first growth, and from the {resolution} px of "
            f"{config.init} to {first} the networks grow at once; let `growth` begin with "
            f"{resolution}, or set `freeze_discriminator: 0`."
        )
    return resolution


def _few(names: Sequence[str]) -> str:
    """Return the first names of a list."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _stages_of(state: TrainState, config: TrainConfig) -> tuple[GrowthStep, ...]:
    """Return the stages of a run that goes on; those below its `init` were left out.

    Which those were shows in when its present resolution began.
    """
    below = [step for step in config.growth if step.resolution < state.resolution]
    begins = [sum(step.kimg for step in below[first:]) * 1000 for first in range(len(below) + 1)]
    # Half an image, for the rounding of sums.
    first = next(place for place, images in enumerate(begins) if images < state.grown_at + 0.5)
    return config.growth[first:]
