"""Generated scans as PNG files, for people to look at."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from xraysynth.files import whole_file
from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings

BATCH = 16


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
        If the generator cannot be asked for what `config` names.
    """
    import numpy as np
    import torch

    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.gan.contents import check_request, requested_labels, requested_names
    from xraysynth.gan.grids import COLUMNS, ROWS, displayable, tile, write_png
    from xraysynth.gan.sampling import generated_images, latents
    from xraysynth.gan.values import order_violations

    network, count = load_generator(generator), config.count
    contains = check_request(network.config, config.contains, config.balance, generator)
    shown: list[np.ndarray] = []
    asked: list[tuple[str, str]] = []
    wrong = 0.0
    with torch.no_grad():
        for start in range(0, count, BATCH):
            indices = range(start, min(start + BATCH, count))
            labels = requested_labels(network.config, contains, config.balance, indices)
            output = network(latents(network, seed, indices), config.truncation_psi, labels)
            scans = generated_images(network, output)
            if network.image_channels == 2:
                wrong += order_violations(scans) * len(scans)
            images = displayable(scans)
            for index, image in zip(indices, images, strict=True):
                write_png(out / f"scan-{index:05d}.png", image)
                names = requested_names(network.config, contains, config.balance, index)
                asked.append((f"scan-{index:05d}.png", ",".join(names)))
            shown += list(images[: max(ROWS * COLUMNS - start, 0)])
            progress(indices.stop, count, "")
    if contains or config.balance:
        _write_requests(out / "requested.csv", asked)
    grid = out / "grid.png"
    write_png(grid, tile(np.stack(shown), min(COLUMNS, count)))
    return Pictures(
        grid=grid, order_violations=wrong / count if network.image_channels == 2 else None
    )


def _write_requests(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write which scan was asked to hold what."""
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "requested"), *rows])
