"""Toiletries: cosmetics, toiletry bag with tubes and brushes, medicine."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, hoop, plate, register, rod, vary
from xraysynth.baggage.outlines import rounded
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


@register("cosmetics", "clutter", weight=2.0)
def cosmetics(rng: np.random.Generator) -> Item:
    """Return a tube or jar of cream."""
    if rng.random() < 0.5:
        parts: tuple[Part, ...] = (
            disc(vary(rng, 32), vary(rng, 45), "glass"),
            disc(26, 38, "cream", replaces="glass"),
        )
    else:
        long = vary(rng, 120)
        parts = (
            Part(shape=Ellipsoid((long / 2, 24, 14)), material="cream"),
            rod((22, 10), "polypropylene", (long / 2 + 9, 0, 0)),
        )
    return Item(name="cosmetics", class_name="liquid", material="cream", parts=parts)


@register("toiletry_bag", "clutter")
def toiletry_bag(rng: np.random.Generator) -> Item:
    """Return a small bag of toothpaste, brush, razor, soap and a flacon, with a zip."""
    wide, high = vary(rng, 215), vary(rng, 130)
    long = wide * rng.uniform(0.6, 0.75)
    soap, glass = vary(rng, 55), vary(rng, 38)
    parts = [
        box((wide, high, 2.0), "nylon", (0, 0, -24)),
        hoop((wide, high, 22), 2.2, "nylon", (0, 0, -18)),
        hoop((wide - 6, high - 6, 20), 0.9, "brass", (0, 0, 12)),
        Part(shape=Ellipsoid((long / 2, 18, 13)), material="toothpaste", at=(-8, -high * 0.27, 0)),
        rod((16, 9), "polypropylene", (long / 2 - 3, -high * 0.27, 0)),
        box((175 * 0.9, 9, 6), "polypropylene", (0, high * 0.02, -8)),
        box((26, 9, 11), "nylon", (wide * 0.3, high * 0.02, 2)),
        plate([rounded(soap * 1.3, soap * 0.8, 14, 4)], 22, "soap", (-wide * 0.26, high * 0.3, 0)),
        rod((glass * 1.6, glass / 2), "glass", (wide * 0.2, high * 0.3, 0)),
        rod((glass * 1.5, glass / 2 - 3), "ethanol", (wide * 0.2, high * 0.3, 0), "glass"),
        rod((16, 8), "aluminium", (wide * 0.2 + glass * 0.8 + 8, high * 0.3, 0)),
        hoop((18, 7, 3.5), 1.1, "zinc", (wide / 2 - 14, -high / 2 + 4, 14)),
    ]
    return Item(name="toiletry_bag", class_name="liquid", material="cream", parts=tuple(parts))


@register("razor", "clutter", weight=0.8)
def razor(rng: np.random.Generator) -> Item:
    """Return an electric shaver: motor, cell, three round steel heads; or a wet razor of steel."""
    long = vary(rng, 150)
    if rng.random() < 0.5:
        parts = [
            box((long * 0.75, 12, 10), "zinc", (-long * 0.1, 0, 0)),
            box((long * 0.7, 8, 6), "air", (-long * 0.1, 0, 0), "zinc"),
            box((9, 42, 11), "abs", (long * 0.32, 0, 0)),
            box((5, 38, 1.6), "steel", (long * 0.32, 0, 2), "abs"),
        ]
        return Item(name="razor", class_name="metal", material="zinc", parts=tuple(parts))
    parts = [
        plate([rounded(long * 0.72, 50, 16, 4)], 34, "abs", (-long * 0.12, 0, 0)),
        plate([rounded(long * 0.72 - 5, 45, 14, 4)], 29, "air", (-long * 0.12, 0, 0), "abs"),
        rod((48, 9), "li_ion", (-long * 0.22, -9, 0), "air"),
        rod((34, 11), "steel", (-long * 0.02, 9, 0), "air"),
        rod((24, 7), "copper", (-long * 0.02, 9, 0), "steel"),
        box((60, 30, 1.6), "board", (-long * 0.15, 0, -12.5), "air"),
    ]
    for x, y in ((0.0, -15.0), (0.0, 15.0), (24.0, 0.0)):
        at = (long * 0.36 + x, y, 0.0)
        parts.append(disc(12.5, 16, "abs", at))
        parts.append(disc(10.5, 4, "steel", at, "abs"))
        parts.append(disc(4, 4, "abs", at, "steel"))
    return Item(name="razor", class_name="electronics", material="steel", parts=tuple(parts))


@register("medicine", "clutter", weight=0.8)
def medicine(rng: np.random.Generator) -> Item:
    """Return blister packs: aluminium foil on plastic, rows of tablets, in a carton or bare."""
    rows, cols = int(rng.integers(2, 4)), int(rng.integers(4, 7))
    pitch, sheets = rng.uniform(12, 16), int(rng.integers(1, 4))
    wide, high = pitch * cols + 6, pitch * rows + 6
    parts: list[Part] = []
    for sheet in range(sheets):
        z, shift = 7.0 * sheet, float(rng.normal(0, 5))
        parts.append(box((wide, high, 0.7), "pvc", (shift, 0, z)))
        for number in range(rows * cols if sheet == 0 else rows * cols // 2):
            x = shift + pitch * (number % cols - (cols - 1) / 2)
            y = pitch * (number // cols - (rows - 1) / 2)
            pill = Ellipsoid((pitch * 0.36, pitch * 0.3, 2.4))
            parts.append(Part(shape=pill, material="tablet", at=(x, y, z + 3)))
    return Item(name="medicine", class_name="organic", material="tablet", parts=tuple(parts))
