"""Generated scans as PNG files, for people to look at."""

from __future__ import annotations

from pathlib import Path

from xraysynth.progress import Progress, silent

BATCH = 16


def write_pictures(
    generator: str, count: int, seed: int, out: Path, progress: Progress = silent
) -> Path:
    """Write numbered scans, `scan-00000.png` and so on, and a grid of the first of them.

    Parameters
    ----------
    generator : a file, or the name of one that ships ("bundled")
    count : number of scans
    seed : scan i depends on generator, seed and i alone
    out : folder

    Returns
    -------
    Path
        The grid.
    """
    import numpy as np
    import torch

    from xraysynth.gan.checkpoint import load_generator
    from xraysynth.gan.grids import COLUMNS, ROWS, displayable, tile, write_png
    from xraysynth.gan.sampling import latents, to_images

    network = load_generator(generator)
    shown: list[np.ndarray] = []
    with torch.no_grad():
        for start in range(0, count, BATCH):
            indices = range(start, min(start + BATCH, count))
            images = displayable(to_images(network(latents(network, seed, indices))))
            for index, image in zip(indices, images, strict=True):
                write_png(out / f"scan-{index:05d}.png", image)
            shown += list(images[: max(ROWS * COLUMNS - start, 0)])
            progress(indices.stop, count, "")
    grid = out / "grid.png"
    write_png(grid, tile(np.stack(shown), min(COLUMNS, count)))
    return grid
