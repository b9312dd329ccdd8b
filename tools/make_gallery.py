"""Make the gallery of docs/gallery.md: every kind of item alone and in a bag, and every bag.

python tools/make_gallery.py
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from xraysynth.baggage import ScanDraw, SimulationConfig, apply_scan, draw_scan
from xraysynth.baggage.catalogue import build, kinds
from xraysynth.baggage.draw import place
from xraysynth.randomness import stream
from xraysynth.scanner.projection import turn

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE_PX, CAPTION_PX, MARGIN_PX = 256, 22, 6
ALONE = SimulationConfig(size_px=SIZE_PX)
SEED, TRIES = 3, 4000
CLEARLY = 0.5
"""Visibility from which an item is worth showing in a bag."""


def alone(kind: str, number: int = 0) -> np.ndarray:
    """Return the picture of one example of a kind in the empty tunnel."""
    item = build(kind, stream(SEED, "gallery", kind, number))
    low, high = item.spans(turn())[:, item.outer]
    low, high = low.min(axis=0), high.max(axis=0)
    placed = place(item, (0.0, 0.0, 0.0), -(low + high) / 2)
    first = draw_scan(ALONE, SEED, number)
    view = dataclasses.replace(first.view, field_mm=float(1.12 * (high - low)[:2].max()))
    return apply_scan(ALONE, dataclasses.replace(first, bag=placed, items=(), view=view)).image


def packed(kind: str, group: str) -> np.ndarray:
    """Return the first scan of a packed bag in which an item of the kind shows clearly."""
    threat = group == "threat"
    config = SimulationConfig(
        size_px=SIZE_PX,
        threats=(int(threat), int(threat)),
        threat_classes=(kind,) if threat else ("gun",),
        bag_kinds=(kind,) if group == "bag" else tuple(kinds("bag")),
        clutter=(8, 12),
    )
    for index in range(TRIES):
        draw = draw_scan(config, SEED, index)
        numbers = _numbers(draw, kind)
        if numbers or group == "bag":
            scan = apply_scan(config, draw)
            if group == "bag" or (scan.items["visibility"][numbers] > CLEARLY).any():
                return scan.image
    raise SystemExit(f"no bag of {TRIES} shows a {kind} clearly; is its weight next to nothing?")


def _numbers(draw: ScanDraw, kind: str) -> list[int]:
    """Return which items of a draw are of a kind."""
    return [n for n, placed in enumerate(draw.items) if placed.item.name == kind]


def page(group: str, columns: int) -> Image.Image:
    """Return a page of pairs: alone, and in a bag; a name under each pair."""
    names = kinds(group)
    wide, high = 2 * SIZE_PX + MARGIN_PX, SIZE_PX + CAPTION_PX
    rows = -(-len(names) // columns)
    sheet = Image.new(
        "RGB", (columns * (wide + 3 * MARGIN_PX), rows * (high + 2 * MARGIN_PX)), "white"
    )
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 15)
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(names):
        row, col = divmod(number, columns)
        left, top = (
            col * (wide + 3 * MARGIN_PX) + MARGIN_PX,
            row * (high + 2 * MARGIN_PX) + MARGIN_PX,
        )
        for index, picture in enumerate((alone(name), packed(name, group))):
            corner = (left + index * (SIZE_PX + MARGIN_PX), top)
            sheet.paste(Image.fromarray(picture), corner)
            edge = (corner[0] - 1, top - 1, corner[0] + SIZE_PX, top + SIZE_PX)
            draw.rectangle(edge, outline=(200, 200, 200))
        middle = (left + wide / 2, top + SIZE_PX + CAPTION_PX / 2 + 1)
        draw.text(middle, name.replace("_", " "), fill=(40, 40, 40), font=font, anchor="mm")
    return sheet


def main() -> None:
    """Write the pages."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for group, columns in (("threat", 3), ("clutter", 4), ("bag", 3)):
        sheet = page(group, columns)
        path = IMAGES / ("gallery.png" if group == "threat" else f"gallery_{group}.png")
        sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)


if __name__ == "__main__":
    main()
