"""Make the pictures of docs/gallery.md: every kind of item alone and in a bag.

python tools/make_gallery.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from xraysynth.baggage import SimulationConfig, apply_scan, draw_scan
from xraysynth.baggage.alone import expose_alone
from xraysynth.baggage.catalogue import BUILDERS, build, kinds
from xraysynth.baggage.config import CaseShares
from xraysynth.randomness import stream
from xraysynth.scanner.colour import pseudo_colour

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PAGES = {"threat": "gallery.png", "clutter": "gallery_clutter.png", "bag": "gallery_bags.png"}
COLUMNS = 3
SIZE_PX, CAPTION_PX, GAP_PX = 256, 22, 8
SEED, TRIES, CANDIDATES = 3, 4000, 24
"""At most so many bags are drawn, and at most so many with the item compared, for each kind."""
PALETTE = "sixray_white"
MARK = (190, 0, 120)


def alone(kind: str, number: int = 0) -> np.ndarray:
    """Return the picture of one example of a kind, alone."""
    item = build(kind, stream(SEED, "gallery", kind, number))
    low, high = expose_alone(item, SIZE_PX, stream(SEED, "gallery noise", kind, number))
    return pseudo_colour(low, high, PALETTE)


def packed(kind: str, group: str) -> np.ndarray:
    """Return a packed bag in which an item of the kind shows best, marked by corners."""
    threat = int(group == "threat")
    config = SimulationConfig(
        size_px=SIZE_PX,
        threats=(threat, threat),
        threat_classes=(kind,) if threat else ("gun",),
        bag_kinds=(kind,) if group == "bag" else tuple(kinds("bag")),
        clutter=(5, 12),
        cases=CaseShares(plain=1, conceal=0, partly_out_of_view=0),
        two_bags=0,
        margin=(1.03, 1.05),
        palette=PALETTE,
        display_spread=0,
        part_masks=False,
    )
    # Each kind looks through scans of its own.
    first = TRIES * list(BUILDERS).index(kind)
    best: tuple[float, np.ndarray] = (0.0, np.zeros(0))
    seen = 0
    for index in range(first, first + TRIES):
        draw = draw_scan(config, SEED, index)
        if group != "bag" and kind not in [placed.item.name for placed in draw.items]:
            continue
        scan = apply_scan(config, draw)
        if group == "bag":
            return scan.image
        own = scan.items[scan.items["name"] == kind.encode()]
        shown = own["area_px"] * own["visibility"] ** 2
        if shown.max() > best[0]:
            best = (float(shown.max()), _marked(scan.image, own[int(shown.argmax())]))
        seen += 1
        if seen == CANDIDATES:
            break
    if not seen:
        raise SystemExit(f"no bag of {TRIES} holds {kind}; is its weight next to nothing?")
    return best[1]


def _marked(image: np.ndarray, row: np.void) -> np.ndarray:
    """Return the picture with the corners of an item's box drawn in."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    left, top = (max(float(row[name]) - 4, 1) for name in ("x_min", "y_min"))
    right, bottom = (min(float(row[name]) + 4, SIZE_PX - 2) for name in ("x_max", "y_max"))
    for x, inwards in ((left, 1), (right, -1)):
        for y, down in ((top, 1), (bottom, -1)):
            pen.line([(x, y), (x + 9 * inwards, y)], MARK, 2)
            pen.line([(x, y), (x, y + 9 * down)], MARK, 2)
    return np.asarray(picture)


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
