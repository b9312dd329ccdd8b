"""Put a trained generator and its discriminator into the package, in half precision.

python tools/bundle_generator.py runs/bundled/gan/checkpoint-64.safetensors bundled-64 --spread 1.3

`--spread` moves all codes w away from their mean by a factor, in the weights: truncation reversed.
A generator repeats what it draws well; spread out it gives precision, of which it has some to
spare, for recall.

The simulator's settings in pipelines/bundled.yaml go along, at the generator's own size, so that
`evaluate gan` can simulate scans that it has not learned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from xraysynth.gan.checkpoint import (
    discriminator_path,
    load_generator,
    load_tensors,
    save_discriminator,
    save_generator,
)
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.grids import save_grid
from xraysynth.gan.spread import spread_codes

BUNDLED = Path(__file__).parent.parent / "xraysynth" / "gan" / "bundled"
PIPELINE = Path(__file__).parent.parent / "pipelines" / "bundled.yaml"
GRIDS = Path(__file__).parent.parent / "docs" / "images"
SEED = 0


def simulated(size_px: int) -> dict[str, Any]:
    """Return what the pipeline simulates, without the number of scans."""
    settings = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["simulate"]
    del settings["count"]
    return {**settings, "size_px": size_px}


def main() -> None:
    """Read the command line, write the files, say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name")
    parser.add_argument("--spread", type=float, default=1.0, metavar="FACTOR")
    arguments = parser.parse_args()
    generator = load_generator(arguments.checkpoint)
    spread_codes(generator, arguments.spread)
    _, metadata = load_tensors(arguments.checkpoint, "generator")
    target = BUNDLED / f"{arguments.name}.safetensors"
    facts = metadata["facts"] | {"simulate": simulated(generator.resolution)}
    save_generator(target, generator, facts, half=True)
    partner = discriminator_path(arguments.checkpoint)
    if partner is not None:
        discriminator = Discriminator(generator.config)
        tensors, _ = load_tensors(partner, "discriminator")
        discriminator.load_state_dict(tensors)
        save_discriminator(target, discriminator, half=True)
    save_grid(GRIDS / f"{arguments.name}.png", load_generator(target), SEED)
    for path in sorted(BUNDLED.glob(f"{arguments.name}*.safetensors")):
        print(f"{path.name}: {path.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
