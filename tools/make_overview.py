"""Make the README's picture from a finished run: training scans, generated scans, their labels.

python tools/make_overview.py runs/quickstart
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xraysynth.audit.panels import class_colours
from xraysynth.audit.pictures import display, enlarge, grid, overlay, png_bytes
from xraysynth.scanfile import open_scans
from xraysynth.shards.reader import ShardSet

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "overview.png"
COLUMNS, FACTOR = 8, 2


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    with open_scans(run / "scans.h5") as file:
        real = [display(image) for image in file["images"][:COLUMNS]]
    shards = ShardSet(run / "shards")
    samples = [shards[index] for index in range(COLUMNS)]
    generated = [display(sample["image"]) for sample in samples]
    colours = class_colours(shards.class_names)
    labels = [
        overlay(image, sample["mask"], colours)
        for image, sample in zip(generated, samples, strict=True)
    ]
    images = [enlarge(image, FACTOR) for image in (*real, *generated, *labels)]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(png_bytes(grid(images, COLUMNS)))


if __name__ == "__main__":
    main()
