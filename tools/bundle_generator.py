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

import torch
import yaml

from xraysynth.gan.checkpoint import (
    discriminator_path,
    load_generator,
    load_tensors,
    save_discriminator,
    save_generator,
)
from xraysynth.gan.discriminator import Discriminator
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import save_grid

BUNDLED = Path(__file__).parent.parent / "xraysynth" / "gan" / "bundled"
PIPELINE = Path(__file__).parent.parent / "pipelines" / "bundled.yaml"
GRIDS = Path(__file__).parent.parent / "docs" / "images"
SEED = 0
TOLERANCE = 1e-3


def simulated(size_px: int) -> dict[str, Any]:
    """Return what the pipeline simulates, without the number of scans."""
    settings = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["simulate"]
    del settings["count"]
    return {**settings, "size_px": size_px}


def spread_out(generator: Generator, factor: float) -> None:
    """Move codes away from their mean in the weights of the mapping; pictures as before by psi.

    The mean itself is scaled along, hence what reads codes takes the difference off again.

    Raises
    ------
    SystemExit
        If the pictures are not those of the untouched generator with a truncation of `factor`.
    """
    mapping, mean = generator.mapping, generator.mapping.w_avg.clone()
    latent_z = torch.randn(4, generator.z_dim, generator=torch.Generator().manual_seed(SEED))
    wanted = generator.synthesis(mapping(latent_z, factor))
    last: Any = mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    # The last layer's leaky ReLU lets positive factors through.
    last.weight.mul_(factor)
    last.bias.mul_(factor)
    mapping.w_avg.mul_(factor)
    layers: list[tuple[str, Any]] = list(generator.synthesis.named_modules())
    for name, part in layers:
        if name.endswith("affine"):
            part.bias.add_((part.weight * part.weight_gain) @ mean * (1 - factor) / part.bias_gain)
    if (generator.synthesis(mapping(latent_z)) - wanted).abs().max() > TOLERANCE:
        raise SystemExit("the pictures of the spread generator are not those of its codes")


def main() -> None:
    """Read the command line, write the files, say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name")
    parser.add_argument("--spread", type=float, default=1.0, metavar="FACTOR")
    arguments = parser.parse_args()
    generator = load_generator(arguments.checkpoint)
    with torch.no_grad():
        spread_out(generator, arguments.spread)
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
