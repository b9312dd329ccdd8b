"""What a generator is measured against: scans that it has not learned from, and its own."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xraysynth import hdf5
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate, simulate_batch
from xraysynth.errors import InputError, StorageError, XraysynthError
from xraysynth.evaluate.kept import NOTHING_KEPT, Kept
from xraysynth.files import whole_file
from xraysynth.gan.checkpoint import generator_path, load_tensors
from xraysynth.gan.config import UNKNOWN
from xraysynth.gan.contents import multi_hot, read_labels
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import displayable, sample_images
from xraysynth.progress import Progress, noted, silent
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanfile import open_scans
from xraysynth.settings import settings_from_mapping

WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Material:
    """Files of scans."""

    held_out: Path
    """Scans that the generator has not learned from."""
    training: Path | None
    """Scans that it has learned from, if the user named them."""
    labelled: Path | None
    """Further scans whose contents are known, for a classifier; None takes part of `held_out`."""
    origin: str
    """Where `held_out` comes from, for people."""
    kept: Kept
    """Where work is kept between runs."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How many scans are needed, where they have to be simulated."""

    held_out: int
    labelled: int
    """0 where no classifier is wanted."""
    workers: int = 1
    kept: Kept = NOTHING_KEPT


@contextmanager
def material(
    gan: str | Path,
    files: tuple[Path | None, Path | None],
    wanted: Wanted,
    seed: int,
    progress: Progress = silent,
) -> Iterator[Material]:
    """Yield the scans that a generator is measured against, simulated where none are given.

    Parameters
    ----------
    gan : a file, or the name of one that ships
    files : held-out scans and training scans, each None if the user has none
    wanted : how many are simulated, and where they are kept
    seed : of what is simulated; named streams keep it apart from any training

    Raises
    ------
    InputError
        If no held-out scans are given, and neither the generator's file nor that of its training
        scans says how those were simulated.
    """
    held_out, training = files
    if held_out is not None:
        yield Material(
            held_out=held_out,
            training=training,
            labelled=training,
            origin=str(held_out),
            kept=wanted.kept,
        )
        return
    settings = simulation_settings(gan, training)
    counts = {"held out": wanted.held_out, "labelled": 0 if training else wanted.labelled}
    with tempfile.TemporaryDirectory(prefix="xraysynth-") as folder:
        made = {}
        for name in [name for name, count in counts.items() if count]:
            own_seed = stream_seed(seed, f"evaluate gan, {name}")
            run = Simulation(
                settings, counts[name], own_seed, wanted.workers, f"simulating {name} scans"
            )
            made[name] = simulated(run, wanted.kept, Path(folder), progress)
        yield Material(
            held_out=made["held out"],
            training=training,
            labelled=training or made.get("labelled"),
            origin="simulated with the settings of the training scans, by another seed",
            kept=wanted.kept,
        )


@dataclass(frozen=True)
class Simulation:
    """One file of scans to be simulated."""

    settings: SimulationConfig
    count: int
    seed: int
    workers: int
    note: str


def simulated(run: Simulation, kept: Kept, folder: Path, progress: Progress = silent) -> Path:
    """Return a file of simulated scans: one that was kept, or a new one, in `folder` if not kept.

    The first scans are part of a kept file's name, pixels, labels and items, so that a scanner that
    was changed makes all of them anew.
    """
    first = simulate_batch(run.settings, run.seed, range(2))
    held = [part.tobytes() for part in vars(first).values() if part is not None]
    digest = hashlib.sha256(b"".join(held)).hexdigest()
    facts = [run.settings.model_dump(mode="json"), run.count, run.seed, digest]
    path = kept.path("scans.h5", facts)
    if path is not None and _is_whole(path):
        return path

    # Made elsewhere and moved: two runs at once do not meet.
    made = simulate(
        run.settings,
        run.count,
        run.seed,
        folder / f"{digest}.h5",
        run.workers,
        noted(progress, run.note),
    )
    if path is None:
        return made
    try:
        with whole_file(path) as partial:
            shutil.copyfile(made, partial)
    except StorageError:
        return made  # Keeping it is a convenience.
    made.unlink()
    return path


def _is_whole(path: Path) -> bool:
    """Return whether a kept file is there and can be read."""
    try:
        with open_scans(path):
            return True
    except XraysynthError:
        return False


def simulation_settings(gan: str | Path, training: Path | None = None) -> SimulationConfig:
    """Return how the scans that a generator learned from were simulated.

    Out of the generator's file, else out of that of the training scans.

    Raises
    ------
    InputError
        If neither says so.
    """
    path = generator_path(gan)
    _, metadata = load_tensors(path, "generator")
    facts = metadata.get("facts")
    held = metadata.get("simulate") or (facts.get("simulate") if isinstance(facts, dict) else None)
    where = f"{path}: simulate"
    if not isinstance(held, Mapping) and training is not None:
        held, where = _settings_of_scans(training), f"{training}: settings"
    if not isinstance(held, Mapping):
        raise InputError(
            f"{gan} does not say how its scans were simulated (no `simulate` in its metadata); "
            "pass scans that it has not learned from, --scans REAL.h5, or those that it has "
            "learned from if they were simulated, --training SCANS.h5."
        )
    return settings_from_mapping(SimulationConfig, held, where)


def _settings_of_scans(scans: Path) -> Any:
    """Return the settings that a file was simulated with; None if it was not simulated."""
    with open_scans(scans) as file:
        return hdf5.read_json_attribute(file, "settings") if "settings" in file.attrs else None


def real_pictures(scans: Path, generator: Generator, most: int, seed: int) -> np.ndarray:
    """Return at most `most` scans of a file, chosen at random, as square colour pictures.

    Returns
    -------
    (n, side, side, 3) uint8

    Raises
    ------
    InputError
        If they are not of the generator's size and channels.
    """
    height, width = generator.size_px
    with open_scans(scans) as file:
        shape, dtype = file["images"].shape, file["images"].dtype
        channels, bits = generator.image_channels, generator.config.pixel_bits
        if shape[1:] != (height, width, channels) or dtype != np.dtype(f"uint{bits}"):
            raise InputError(
                f"{scans} holds scans of {shape[2]} x {shape[1]} with {shape[3]} channels of "
                f"{8 * dtype.itemsize} bit; the generator draws {width} x {height} with "
                f"{channels} channels of {bits} bit. Prepare or simulate scans like those."
            )
        rng = stream(seed, "evaluate gan, choice")
        rows = np.sort(rng.permutation(shape[0])[:most])
        return squared(displayable(file["images"][rows]))


def asked_as(scans: Path, generator: Generator, count: int, seed: int) -> Tensor | None:
    """Return what `count` generated scans are asked for: what scans of a file hold, at random.

    A generator that learned by labels draws all contents in their shares only if it is asked so.

    Returns
    -------
    (count, labels) multi-hot, or None for a generator that cannot be asked

    Notes
    -----
    A generator that knows no "unknown" is asked for what those scans hold that say so: the others
    would pass for empty ones. Where none says so, nothing is asked for, as `generate` does.
    """
    names = generator.config.label_names
    if not names:
        return None
    rows = read_labels(scans)
    if UNKNOWN not in names:
        rows = [row for row in rows if row is not None]
    if not rows:
        return None
    chosen = stream(seed, "evaluate gan, requests").integers(0, len(rows), count)
    return torch.from_numpy(multi_hot([rows[row] for row in chosen], names).astype(np.float32))


@torch.no_grad()
def made_pictures(
    generator: Generator,
    count: int,
    seed: int,
    truncation_psi: float = 1.0,
    labels: Tensor | None = None,
) -> np.ndarray:
    """Return generated scans as square colour pictures: (n, side, side, 3) uint8."""
    own_seed = stream_seed(seed, "evaluate gan, samples")
    return squared(displayable(sample_images(generator, own_seed, count, truncation_psi, labels)))


def squared(pictures: np.ndarray) -> np.ndarray:
    """Return pictures padded to squares with white, as open air is shown.

    Examples
    --------
    >>> squared(np.zeros((1, 2, 4, 3), np.uint8))[0, :, 0, 0].tolist()
    [255, 0, 0, 255]
    """
    side = max(pictures.shape[1:3])
    missing = [side - length for length in pictures.shape[1:3]]
    pads = [(0, 0), *((gap // 2, gap - gap // 2) for gap in missing), (0, 0)]
    return np.pad(pictures, pads, constant_values=WHITE)


def facts_of(generator: Generator) -> dict[str, Any]:
    """Return what a reader of figures needs to know about a generator."""
    height, width = generator.size_px
    return {
        "height_px": height,
        "width_px": width,
        "channels": generator.image_channels,
        "contents": list(generator.config.contents),
    }
