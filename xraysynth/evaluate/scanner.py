"""`evaluate scanner`: simulated scans against real ones, beside two halves of the real ones."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.simulate import simulate
from xraysynth.errors import InputError
from xraysynth.evaluate import scanner_figures
from xraysynth.evaluate.bag_views import views_of
from xraysynth.evaluate.comparison import LEAST_SCANS, SPLITS, compare_with_halves
from xraysynth.evaluate.picture_set import PictureSet, describe
from xraysynth.evaluate.telling import what_tells
from xraysynth.files import write_json
from xraysynth.gan.efficientnet import load_feature_network
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream
from xraysynth.scanfile import CHANNELS, open_scans
from xraysynth.scans.prepare import PrepareConfig, prepare
from xraysynth.settings import Settings, settings_from_mapping

MOST_SCANS = 4000
"""Views of this many scans are held in memory, 200 MB at 256 px."""
FRAMING = (
    "padding and empty belt cut off, largest middle square of the bag, averaged to half the "
    "scan's side; the same for real and simulated"
)


class ScannerEvaluation(Settings):
    """Which scans are compared, and how."""

    format: str = "sixray"
    """Format of the real scans, a name in `scans.readers.FORMATS`."""
    size_px: int = Field(256, ge=64, le=1024, multiple_of=4)
    """Side of a scan in pixels, real and simulated; views are half of it."""
    count: int = Field(1304, ge=LEAST_SCANS, le=MOST_SCANS)
    """Most scans of each kind; fewer where there are fewer."""
    splits: int = Field(SPLITS, ge=1, le=50)
    """Times that the real set is halved at random."""
    network: bool = True
    """Whether figures on features of EfficientNet-Lite0 are made: the slow ones."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that read and simulate; no figure depends on it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Real scans, and simulated ones or the settings to make them."""

    real: Path
    """Folder of a data set."""
    simulated: Path | None = None
    """A `scans.h5`; None simulates."""
    settings: dict[str, Any] | None = None
    """Of the simulation, as `SimulationConfig` takes them, without size and channels."""


def evaluate_scanner(
    source: Source,
    config: ScannerEvaluation,
    seed: int,
    out: Path,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write every figure to `out` as JSON, and two pictures beside it; return the figures.

    Parameters
    ----------
    source : what is compared
    config : how
    seed : of the choice of scans, of the halves and of the simulation
    out : JSON file; `OUT.scans.png` and `OUT.figures.png` appear beside it, `.json` cut off
    progress : called with what is done of each part

    Raises
    ------
    InputError
        If there are too few scans, or the two kinds differ in size or channels.

    Notes
    -----
    Figures on simulated scans say how alike the pictures are; they do not say that a detector
    trained on them works on real ones.
    """
    with tempfile.TemporaryDirectory(prefix="xraysynth-") as folder:
        real_file = Path(folder) / "real.h5"
        prepare(source.real, config.format, real_file, _prepare_config(config), progress)
        channels = _channels(real_file)
        made_file = source.simulated
        if made_file is None:
            made_file = Path(folder) / "simulated.h5"
            simulation = _simulation(source, config, channels)
            count = min(_count(real_file), config.count)
            simulate(simulation, count, seed, made_file, config.workers, progress)
        _check_alike(made_file, config.size_px, channels)
        network = load_feature_network() if config.network else None
        real, made = (
            _described(path, config, seed, network, progress) for path in (real_file, made_file)
        )
        facts = _facts(source, config, seed, made_file)
    report = {
        **facts,
        "real_scans": len(real),
        "simulated_scans": len(made),
        **compare_with_halves(real, made, seed, splits=config.splits, progress=progress),
        "what_tells": what_tells(real, made),
    }
    write_json(out, report)
    scanner_figures.write_grid(out.with_suffix(".scans.png"), real, made, seed)
    scanner_figures.write_curves(out.with_suffix(".figures.png"), real, made, seed)
    return report


def _prepare_config(config: ScannerEvaluation) -> PrepareConfig:
    """Return how the real scans are read."""
    return PrepareConfig(size_px=config.size_px, limit=config.count, workers=config.workers)


def _channels(real: Path) -> str:
    """Return which channels the simulated scans need to have, "rgb" or "dual"."""
    with open_scans(real) as file:
        count = file["images"].shape[3]
    if count == 1:
        raise InputError(
            "the real scans are grey; the embedded scanner makes pseudo-colour or raw pairs. "
            "Want colour, or NAME_low and NAME_high beside each other."
        )
    return "rgb" if count == 3 else "dual"


def _count(scans: Path) -> int:
    """Return how many scans a file holds."""
    with open_scans(scans) as file:
        return len(file["images"])


def _simulation(source: Source, config: ScannerEvaluation, channels: str) -> SimulationConfig:
    """Return the settings of the embedded scanner."""
    fixed = {"size_px": config.size_px, "channels": channels}
    return settings_from_mapping(SimulationConfig, {**(source.settings or {}), **fixed})


def _check_alike(made: Path, size_px: int, channels: str) -> None:
    """Refuse simulated scans that cannot stand beside the real ones."""
    with open_scans(made) as file:
        shape = file["images"].shape
    n_channels = 3 if channels == "rgb" else 2
    if shape[1:] != (size_px, size_px, n_channels):
        raise InputError(
            f"{made} holds scans of {shape[2]} x {shape[1]} px with {'/'.join(CHANNELS[shape[3]])}"
            f"; the real ones are read at {size_px} x {size_px} px with "
            f"{'/'.join(CHANNELS[n_channels])}. Give --size {shape[1]}, or simulate again."
        )


def _described(
    scans: Path,
    config: ScannerEvaluation,
    seed: int,
    network: Any,
    progress: Progress,
) -> PictureSet:
    """Return the views of a file's scans, a seeded choice where there are too many."""
    rng = stream(seed, "chosen")
    count = _count(scans)
    chosen = np.sort(rng.permutation(count)[: config.count])
    pictures, raw = views_of(scans, chosen, config.size_px // 2)
    return describe(pictures, network, raw=raw, progress=progress)


def _facts(source: Source, config: ScannerEvaluation, seed: int, made_file: Path) -> dict[str, Any]:
    """Return what the figures are of."""
    simulation = source.settings or {}
    return {
        "real": source.real.name,
        "simulated": "embedded scanner" if source.simulated is None else source.simulated.name,
        "simulation_settings": simulation if source.simulated is None else None,
        "settings": config.model_dump(mode="json", exclude={"workers"}),
        "seed": seed,
        "framing": FRAMING,
        "density": (
            "(-ln T_high, R) of raw pairs"
            if _is_raw(made_file)
            else "hue and brightness: colours stand in for (T_high, R)"
        ),
        "apparent_transmission": "luminance over that of the picture's brightest hundredth",
    }


def _is_raw(scans: Path) -> bool:
    """Return whether a file holds raw pairs."""
    with open_scans(scans) as file:
        return bool(file["images"].shape[3] == 2)
