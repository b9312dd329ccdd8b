"""Measure the palettes of a folder of pseudo-colour scans and print them as `palettes.yaml` does.

`python tools/fit_palettes.py SIXRAY_FOLDER` reads JPEGImage/*.jpg in place, prints numbers only.
Scans are grouped by the colour of their border (air). In areas without texture, pixels are sorted
by hue into organic, mixed and metal, and by luminance; the median colour of each class is the
palette. How dark a material of known thickness is drawn is not in the pictures: LUMINANCE holds it,
read off things of known thickness (drink bottles 65 mm, wine bottles, blades 2 mm, cans, books).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

TONES = [0.04, 0.1, 0.2, 0.4, 0.7, 1.2, 2.0, 3.0, 4.2, 6.0]
"""-ln T, mean of both channels, at which colours are listed."""
HUES_DEG = {"organic": (5, 46), "mixed": (88, 155), "metal": (202, 250)}
AIR = {
    "sixray_white": (254, 254, 254),
    "sixray_grey": (226, 226, 226),
    "sixray_rust": (194, 198, 194),
}
"""Border colours of the groups; scans within 6 levels of one belong to it."""
LUMINANCE = {
    "sixray_white": {
        "organic": [250, 243, 230, 208, 186, 166, 148, 126, 80, 24],
        "mixed": [248, 236, 214, 176, 146, 121, 102, 76, 44, 14],
        "metal": [236, 203, 168, 142, 121, 101, 78, 52, 30, 8],
    },
    "sixray_grey": {
        "organic": [221, 214, 202, 178, 158, 140, 122, 100, 70, 40],
        "mixed": [218, 206, 184, 148, 120, 100, 82, 60, 42, 24],
        "metal": [208, 180, 147, 124, 104, 86, 58, 30, 24, 22],
    },
    "sixray_rust": {
        "organic": [190, 181, 166, 140, 115, 91, 62, 38, 14, 3],
        "mixed": [190, 182, 167, 136, 111, 89, 62, 38, 14, 3],
        "metal": [182, 158, 130, 105, 89, 71, 48, 30, 12, 3],
    },
}
SCANS_OF_EACH = 120
BIN = 8.0
LUMA = np.array([0.299, 0.587, 0.114])


def border_colour(picture: np.ndarray) -> np.ndarray:
    """Return the commonest colour of the outermost 8 pixels, in steps of 4 levels."""
    sides = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    steps = np.concatenate([side.reshape(-1, 3) for side in sides]) // 4
    values, counts = np.unique(steps, axis=0, return_counts=True)
    return values[counts.argmax()] * 4.0 + 2.0


def flat_colours(picture: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Return the mean colours of 7 by 7 areas without texture that are not air."""
    channels = np.moveaxis(picture.astype(np.float32), -1, 0)
    mean = np.stack([uniform_filter(channel, 7) for channel in channels])
    square = np.stack([uniform_filter(channel**2, 7) for channel in channels])
    flat = ((square - mean**2).max(axis=0) < 40) & (np.abs(mean - air[:, None, None]).max(0) > 6)
    found = mean[:, flat].T
    return found[:: max(len(found) // 4000, 1)]


def hue_deg(colours: np.ndarray) -> np.ndarray:
    """Return the hue, or -1 where there is none to speak of."""
    red, green, blue = colours.T
    spread = np.ptp(colours, axis=1)
    safe = np.maximum(spread, 1)
    of_green, of_blue = (blue - red) / safe + 2, (red - green) / safe + 4
    most = colours.argmax(axis=1)
    hue = 60 * np.choose(most, [((green - blue) / safe) % 6, of_green, of_blue])
    return np.where(spread < 10, -1, hue)


def ramp(colours: np.ndarray, luminances: Sequence[float]) -> list[list[int]]:
    """Return the median colour at each luminance; past the last one measured, its hue darkens."""
    luma = colours @ LUMA
    centres, medians = [], []
    for low in np.arange(0, 256, BIN):
        inside = (luma >= low) & (luma < low + BIN)
        if inside.sum() >= 60:
            medians.append(np.median(colours[inside], axis=0))
            centres.append(float(medians[-1] @ LUMA))
    found = np.array(medians)
    rows = []
    for wanted in luminances:
        colour = np.array([np.interp(wanted, centres, found[:, channel]) for channel in range(3)])
        if wanted < centres[0]:
            colour *= wanted / centres[0]
        elif wanted > centres[-1]:
            paler = (wanted - centres[-1]) / (255 - centres[-1])
            colour += (255 - colour) * paler
        rows.append([round(float(value)) for value in colour])
    return rows


def gather(folder: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Return how many scans each group has, and colours of some of them."""
    counts: dict[str, int] = defaultdict(int)
    colours: dict[str, list[np.ndarray]] = defaultdict(list)
    for path in sorted((folder / "JPEGImage").glob("*.jpg")):
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB"))
        air = border_colour(picture)
        distance = {name: np.abs(air - value).max() for name, value in AIR.items()}
        name = min(distance, key=lambda group: float(distance[group]))
        name = name if distance[name] <= 6 else "other"
        counts[name] += 1
        if name != "other" and counts[name] <= SCANS_OF_EACH:
            colours[name].append(flat_colours(picture, air))
    return counts, {name: np.concatenate(found) for name, found in colours.items()}


def main() -> None:
    """Print counts, shares of the hue families, and the palettes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    counts, colours = gather(parser.parse_args().folder)
    print("# scans by border colour:", dict(sorted(counts.items())))
    for name, found in colours.items():
        hue = hue_deg(found)
        print(f"{name}:\n  tones: {TONES}")
        for family, (low, high) in HUES_DEG.items():
            chosen = (hue >= low) & (hue < high)
            print(f"  {family}: {ramp(found[chosen], LUMINANCE[name][family])}")
            print(f"  # {family}: {chosen.sum() / (hue >= 0).sum():.3f} of coloured flat pixels")


if __name__ == "__main__":
    main()
