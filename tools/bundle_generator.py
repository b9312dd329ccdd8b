"""Put a trained generator and its discriminator into the package, in half precision.

python tools/bundle_generator.py runs/bundled-64/gan/checkpoint.safetensors bundled-64
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.gan.checkpoint import (
    discriminator_path,
    load_generator,
    load_tensors,
    save_discriminator,
    save_generator,
)
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.grids import save_grid

BUNDLED = Path(__file__).parent.parent / "xraysynth" / "gan" / "bundled"
GRIDS = Path(__file__).parent.parent / "docs" / "images"
SEED = 0


def main() -> None:
    """Read the command line, write the files, say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    generator = load_generator(arguments.checkpoint)
    _, metadata = load_tensors(arguments.checkpoint, "generator")
    target = BUNDLED / f"{arguments.name}.safetensors"
    save_generator(target, generator, metadata["facts"], half=True)
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
