"""Make the pictures of docs/gallery.md: every kind of item alone and in a bag.

python tools/make_gallery.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from xraysynth.baggage import SimulationConfig, apply_scan, draw_scan
from xraysynth.baggage.catalogue import Item, build, kinds
from xraysynth.randomness import stream
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.scanner.detector import expose, transmission
from xraysynth.scanner.projection import View, extent

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {"threat": "gallery.png", "clutter": "gallery_clutter.png", "bag": "gallery_bags.png"}
COLUMNS = 3
SIZE_PX, CAPTION_PX, GAP_PX = 256, 22, 8
SOURCE_MM = 900.0
SEED, TRIES = 3, 4000
CLEARLY = 0.5
"""Visibility from which an item is worth showing in a bag."""


def transmission_alone(item: Item, size_px: int = SIZE_PX) -> np.ndarray:
    """Return low and high transmission (2, H, W) of an item in the middle of the empty tunnel."""
    low, high = extent(item.parts)
    view = View(size_px=size_px, field_mm=float(1.15 * (high - low)[:2].max()), source_mm=SOURCE_MM)
    shift = (low + high) / 2
    names = sorted({part.material for part in item.parts} - {"air"})
    thickness_mm = {name: np.zeros((size_px, size_px), np.float32) for name in (*names, "air")}
    for part in item.parts:
        x, y, z = (float(place - middle) for place, middle in zip(part.at, shift, strict=True))
        moved = type(part)(
            shape=part.shape, material=part.material, at=(x, y, z), rotation=part.rotation
        )
        window = view.window(moved.span())
        if window is not None:
            chord = view.chord(moved, window)
            thickness_mm[part.material][window] += chord
            if part.replaces is not None:
                thickness_mm[part.replaces][window] -= chord
    stack = np.array([np.maximum(thickness_mm[name], 0).ravel() for name in names])
    clean = transmission(stack, names).reshape(2, size_px, size_px)
    return expose(clean, view.pitch_mm, stream(SEED, "gallery noise", item.name))


def alone(kind: str, number: int = 0) -> np.ndarray:
    """Return the picture of one example of a kind, alone."""
    low, high = transmission_alone(build(kind, stream(SEED, "gallery", kind, number)))
    return pseudo_colour(low, high)


def packed(kind: str, group: str) -> np.ndarray:
    """Return the first scan of a packed bag in which an item of the kind shows clearly."""
    threat = int(group == "threat")
    config = SimulationConfig(
        size_px=SIZE_PX,
        threats=(threat, threat),
        threat_classes=(kind,) if threat else ("gun",),
        bag_kinds=(kind,) if group == "bag" else tuple(kinds("bag")),
        clutter=(8, 16),
    )
    for index in range(TRIES):
        draw = draw_scan(config, SEED, index)
        if group != "bag" and kind not in [placed.item.name for placed in draw.items]:
            continue
        scan = apply_scan(config, draw)
        own = scan.items[scan.items["name"] == kind.encode()]
        if group == "bag" or (own["visibility"] > CLEARLY).any():
            return scan.image
    raise SystemExit(f"no bag of {TRIES} shows {kind} clearly; is its weight next to nothing?")


def page(group: str) -> Image.Image:
    """Return a page of pairs, alone and in a bag, each with its name below."""
    names = kinds(group)
    wide, high = 2 * SIZE_PX + 4 * GAP_PX, SIZE_PX + CAPTION_PX + GAP_PX
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * wide, rows * high + GAP_PX), "white")
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 15)
    pen = ImageDraw.Draw(sheet)
    for number, name in enumerate(names):
        row, col = divmod(number, COLUMNS)
        left, top = col * wide + GAP_PX, row * high + GAP_PX
        for index, picture in enumerate((alone(name), packed(name, group))):
            x = left + index * (SIZE_PX + GAP_PX)
            sheet.paste(Image.fromarray(picture), (x, top))
            edge = (x - 1, top - 1, x + SIZE_PX, top + SIZE_PX)
            pen.rectangle(edge, outline=(205, 205, 205))
        middle = (left + SIZE_PX + GAP_PX / 2, top + SIZE_PX + CAPTION_PX / 2)
        pen.text(middle, name.replace("_", " "), fill=(40, 40, 40), font=font, anchor="mm")
    return sheet


def main() -> None:
    """Write the pages."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for group, name in PAGES.items():
        few = page(group).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
