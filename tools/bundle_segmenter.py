"""Learn the segmenter that ships with a bundled generator, and put it into the package.

python tools/bundle_segmenter.py bundled-64

Scans like the generator's are simulated, a small network learns their exact masks and labels eight
generated scans that together show the classes, as the quickstart does; the segmenter learns from
those. Nobody has painted anything, and the file says so.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from xraysynth.baggage.simulate import simulate
from xraysynth.cli.console import watched
from xraysynth.evaluate.gan_material import simulation_settings
from xraysynth.gan.checkpoint import load_generator
from xraysynth.oneshot.labelling import ExemplarConfig
from xraysynth.oneshot.learn import LearnConfig, learn_segmenter
from xraysynth.oneshot.make_exemplars import make_exemplars
from xraysynth.oneshot.segmenter import save_segmenter
from xraysynth.settings import settings_from_mapping

BUNDLED = Path(__file__).parent.parent / "xraysynth" / "oneshot" / "bundled"
SCANS = 4000
EXEMPLARS = ExemplarConfig(count=8, candidates=160)
LEARN = {"head": {"balance": 0.25, "weight_decay": 0.03, "unlabelled": {"clutter": True}}}
"""As the quickstart does."""
SEED = 0


def main() -> None:
    """Read the command line, learn, write the file, say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    name = parser.parse_args().name
    torch.set_num_threads(1)
    generator = load_generator(name)
    with tempfile.TemporaryDirectory() as folder, watched("bundle") as progress:
        scans = Path(folder) / "scans.h5"
        simulate(simulation_settings(name), SCANS, SEED, scans, progress=progress)
        exemplars = make_exemplars(generator, EXEMPLARS, SEED, scans, progress)
    segmenter = learn_segmenter(
        generator, exemplars, settings_from_mapping(LearnConfig, LEARN), SEED
    )
    target = BUNDLED / f"{name}.safetensors"
    save_segmenter(segmenter, target)
    print(f"{target.name}: {target.stat().st_size / 2**10:.0f} KiB")
    print(f"classes: {', '.join(segmenter.class_names)}")


if __name__ == "__main__":
    main()
