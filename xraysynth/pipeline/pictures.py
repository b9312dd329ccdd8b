"""Generated scans as PNG files, for people to look at."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from xraysynth.errors import InputError
from xraysynth.files import whole_file
from xraysynth.lock import locked
from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings

if TYPE_CHECKING:
    from xraysynth.gan.generator import Generator

BATCH = 16
NAME = re.compile(r"scan-[0-9]{5,}\.png")
REQUESTS = "requested.csv"


class PicturesConfig(Settings):
    """Which scans to draw."""

    count: int = Field(60, ge=1)
    """Number of scans."""
    contains: tuple[str, ...] = ()
    """What every scan is asked to hold, of the labels that the generator knows, or `none`."""
    balance: bool = False
    """Ask each label in turn, equally often; with `contains: [none]` every so often for none."""
    truncation_psi: float = Field(1.0, ge=0, le=1)
    """1 is all that the generator can draw, smaller is safer and more alike."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What was drawn."""

    grid: Path
    order_violations: float | None
    """Share of pixels whose low-energy transmission exceeds the high one; None if not dual."""


def write_pictures(
    generator: str, config: PicturesConfig, seed: int, out: Path, progress: Progress = silent
) -> Pictures:
    """Write numbered scans, `scan-00000.png` and so on, and a grid of the first of them.

    Where contents are asked for, `requested.csv` says which for each scan.

    Parameters
    ----------
    generator : a file, or the name of one that ships ("bundled")
    config : how many, and what they are asked to hold
    seed : scan i depends on generator, seed and i alone
    out : folder

    Raises
    ------
    InputError
        If the generator cannot be asked for what `config` names, `out` holds numbered scans that
        would stay among the new ones, or another process writes there.
    """
    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.gan.contents import check_request

    network = load_generator(generator)
    contains = check_request(network.config, config.contains, config.balance, generator)
    with locked(out, stays=False):
        _refuse_others(out, config.count)
        (out / REQUESTS).unlink(missing_ok=True)
        return _write(
            network, config.model_copy(update={"contains": contains}), seed, out, progress
        )


def _write(
    network: Generator, config: PicturesConfig, seed: int, out: Path, progress: Progress
) -> Pictures:
    """Draw and write the scans, what they were asked for, and the grid."""
    import numpy as np
    import torch

    from xraysynth.gan.contents import requested_labels, requested_names
    from xraysynth.gan.grids import COLUMNS, ROWS, displayable, tile, write_png
    from xraysynth.gan.sampling import full_batches, generated_images, latents
    from xraysynth.gan.values import order_violations

    count, contains = config.count, config.contains
    shown: list[np.ndarray] = []
    asked: list[tuple[str, str]] = []
    wrong = 0.0
    with torch.no_grad():
        for indices, wanted in full_batches(range(count), BATCH):
            labels = requested_labels(network.config, contains, config.balance, indices)
            output = network(latents(network, seed, indices), config.truncation_psi, labels)
            scans = generated_images(network, output)[:wanted]
            if network.image_channels == 2:
                wrong += order_violations(scans) * len(scans)
            images = displayable(scans)
            for index, image in zip(indices[:wanted], images, strict=True):
                write_png(out / _name(index), image)
                names = requested_names(network.config, contains, config.balance, index)
                asked.append((_name(index), ",".join(names)))
            shown += list(images[: max(ROWS * COLUMNS - len(shown), 0)])
            progress(indices[0] + wanted, count, "")
    if contains or config.balance:
        _write_requests(out / REQUESTS, asked)
    grid = out / "grid.png"
    write_png(grid, tile(np.stack(shown), min(COLUMNS, count)))
    return Pictures(
        grid=grid, order_violations=wrong / count if network.image_channels == 2 else None
    )


def _name(index: int) -> str:
    """Return the file name of a numbered scan."""
    return f"scan-{index:05d}.png"


def _refuse_others(out: Path, count: int) -> None:
    """Raise if the folder holds numbered scans beyond those of this run."""
    numbers = [int(path.stem[5:]) for path in out.iterdir() if NAME.fullmatch(path.name)]
    others = sorted(number for number in numbers if number >= count)
    if others:
        raise InputError(
            f"{out} holds {_name(others[0])} of another run, and {count} scans end at "
            f"{_name(count - 1)}; delete the old scans, or choose another folder with --out.",
            where=str(out),
        )


def _write_requests(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write which scan was asked to hold what."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "requested"), *rows])
