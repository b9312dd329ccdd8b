"""Scans of a file, inverted: codes, errors and a picture in a folder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.files import check_writable, whole_file, write_json
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.grids import displayable, tile, write_png
from xraysynth.gan.inversion import Inversion, InversionConfig, invert
from xraysynth.progress import Progress, silent
from xraysynth.scanfile import open_scans

SHOWN = 24
"""Scans in the picture."""
COLUMNS = 4


def invert_file(  # noqa: PLR0913 (what the command line names)
    scans: Path,
    generator: str | Path,
    out: Path,
    config: InversionConfig,
    *,
    count: int,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Invert the first scans of a `scans.h5` and write what was found.

    Parameters
    ----------
    scans : of the generator's own size and channels
    generator : a file, or the name of one that ships ("bundled")
    out : folder for `latents.npz` (`latent_w_plus`, (n, num_ws, w_dim) float32), `errors.json`
        and `inversion.png`: triples of scan, start and what was found
    count : most scans
    seed : of the samples to start from

    Returns
    -------
    dict
        What `errors.json` holds: settings, the mean errors, and those of each scan.
    """
    network = load_generator(generator)
    with open_scans(scans) as file:
        images = file["images"][:count]
        names = [name.decode() for name in file["metadata"].fields("scan_id")[:count].tolist()]
    check_writable(out / "errors.json")
    found = invert(network, images, config, seed, progress)
    report = {
        "scans": str(scans),
        "generator": str(generator),
        "generator_hash": generator_hash(network),
        "seed": seed,
        "settings": config.model_dump(mode="json"),
        "error": "root mean square of all pixels, in shares of full scale",
        "mean": {name: round(float(values.mean()), 6) for name, values in _errors(found).items()},
        "by_scan": [
            {"scan_id": name, **{key: round(float(v[row]), 6) for key, v in _errors(found).items()}}
            for row, name in enumerate(names)
        ],
    }
    _write(out, images, found)
    write_json(out / "errors.json", report)
    return report


def _errors(found: Inversion) -> dict[str, np.ndarray]:
    """Return the errors by name."""
    return {
        "error": found.error,
        "error of the start": found.start_error,
        "error of the mean code": found.mean_error,
        "error over that of the mean code": found.relative_error,
    }


def _write(out: Path, images: np.ndarray, found: Inversion) -> None:
    """Write codes and picture."""
    stream = io.BytesIO()
    np.savez(stream, latent_w_plus=found.latent_w_plus)
    with whole_file(out / "latents.npz") as partial:
        partial.write_bytes(stream.getvalue())
    triples = [displayable(part[:SHOWN]) for part in (images, found.start_images, found.images)]
    shown = np.stack(triples, axis=1).reshape(-1, *triples[0].shape[1:])
    write_png(out / "inversion.png", tile(shown, 3 * min(COLUMNS, len(triples[0]))))
