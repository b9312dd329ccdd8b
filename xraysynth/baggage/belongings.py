"""Small belongings: book, wallet, pens, toy."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, hoop, register, rod, vary
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


@register("book", "clutter", weight=3.5)
def book(rng: np.random.Generator) -> Item:
    """Return a closed book."""
    wide, high, thick = rng.uniform(105, 170), rng.uniform(150, 230), rng.uniform(12, 40)
    parts = [box((wide, high, thick), "paper")]
    if rng.random() < 0.3:
        # A ring binder: sheets between two covers, held by steel rings.
        parts = [box((wide, high, 2.5), "pvc", (0, 0, side * thick / 2)) for side in (-1, 1)]
        parts.append(box((wide * 0.9, high * 0.92, thick * 0.6), "paper", (wide * 0.04, 0, 0)))
        for share in (-0.3, 0.0, 0.3):
            ring = (-wide * 0.44, high * share, 0.0)
            parts.append(hoop((9, 16, 4.5), 1.3, "steel", ring))
        parts.append(box((9, high * 0.8, 1.2), "steel", (-wide / 2 + 6, 0, -thick / 2 + 3)))
    else:
        parts.append(box((4, high, thick), "leather", (-wide / 2 - 2, 0, 0)))
    return Item(name="book", class_name="organic", material="paper", parts=tuple(parts))


@register("wallet", "clutter")
def wallet(rng: np.random.Generator) -> Item:
    """Return a wallet: leather, plastic cards in steps, notes, a few coins, a press stud."""
    wide, high = vary(rng, 112), vary(rng, 88)
    parts = [
        box((wide, high, 3.0), "leather", (0, 0, -6)),
        box((wide, high, 2.0), "leather", (0, 0, 10)),
    ]
    parts.append(box((wide * 0.92, high * 0.75, rng.uniform(1, 4)), "paper", (0, -2, -2)))
    for number in range(int(rng.integers(3, 8))):
        at = (float(rng.normal(0, 1.5)), 5.0 * number - 12, 1.1 * number + 1.5)
        parts.append(box((86, 54, 0.9), "pvc", at))
        parts.append(box((11, 9, 0.9), "copper", (at[0] - 26, at[1], at[2]), "pvc"))
    for number in range(int(rng.integers(0, 5))):
        spread = rng.uniform(-0.25, 0.25, 2) * [wide, high]
        at = (float(spread[0]), float(spread[1]), 13.0 + 2.4 * number)
        parts.append(
            disc(rng.uniform(9, 13), 1.8, str(rng.choice(["brass", "copper", "steel"])), at)
        )
    parts.append(disc(5, 5, "brass", (wide * 0.42, 0, 14)))
    return Item(name="wallet", class_name="organic", material="leather", parts=tuple(parts))


@register("pens", "clutter")
def pens(rng: np.random.Generator) -> Item:
    """Return a pencil case: ball pens with steel tip and spring, pencils, ruler, zip."""
    wide, count = vary(rng, 205), int(rng.integers(3, 8))
    high = 13.0 * count + 16
    parts = [
        hoop((wide, high, 12), 1.8, "nylon"),
        hoop((wide - 6, high - 6, 10), 0.8, "brass", (0, 0, 6)),
    ]
    for number in range(count):
        y, kind = 13.0 * (number - (count - 1) / 2), int(rng.integers(3))
        long = rng.uniform(0.6, 0.8) * wide
        at = (float(rng.normal(0, 6)), y, 0.0)
        if kind == 0:
            parts.append(rod((long, 4.5), "abs", at))
            parts.append(rod((long * 0.95, 3.4), "air", at, "abs"))
            parts.append(rod((long * 0.7, 1.2), "steel", at, "air"))
            parts.append(rod((14, 2.4), "steel", (at[0] + long / 2 + 7, y, 0)))
            parts.append(box((34, 3, 1.5), "steel", (at[0] - long * 0.35, y, 5.5)))
        elif kind == 1:
            parts.append(rod((long, 3.6), "wood", at))
            parts.append(rod((long, 1.0), "graphite", at, "wood"))
            parts.append(rod((9, 3.8), "brass", (at[0] - long / 2 - 4.5, y, 0)))
        else:
            parts.append(rod((long, 6), "polypropylene", at))
            parts.append(rod((long * 0.9, 4.6), "cotton", at, "polypropylene"))
    return Item(name="pens", class_name="organic", material="abs", parts=tuple(parts))


@register("toy", "clutter", weight=1.2)
def toy(rng: np.random.Generator) -> Item:
    """Return a plush bear with a sound box, or a plastic car with steel axles and a motor."""
    if rng.random() < 0.5:
        k = rng.uniform(0.8, 1.2)
        parts = [Part(shape=Ellipsoid((44 * k, 56 * k, 30 * k)), material="cotton")]
        parts.append(
            Part(shape=Ellipsoid((34 * k, 32 * k, 28 * k)), material="cotton", at=(0, -86 * k, 0))
        )
        for side in (-1, 1):
            for size, x, y in ((13, 31, -116), (16, 52, -38), (20, 38, 66)):
                limb = (
                    Ellipsoid((size * k, size * 1.5 * k, size * k))
                    if y > -100
                    else Ellipsoid((size * k, size * k, 7 * k))
                )
                parts.append(Part(shape=limb, material="cotton", at=(side * x * k * 1.1, y * k, 0)))
            parts.append(disc(3.5, 3, "nylon", (side * 12 * k, -88 * k, 15 * k), "cotton"))
        parts.append(box((24, 30, 14), "board", (0, 8, 0), "cotton"))
        parts.append(disc(9, 9, "steel", (0, 4, 0), "board"))
        return Item(name="toy", class_name="organic", material="cotton", parts=tuple(parts))
    long, wide = vary(rng, 135), vary(rng, 58)
    parts = [
        box((long, wide, 26), "abs"),
        box((long - 5, wide - 5, 21), "air", (0, 0, 0), "abs"),
        box((long * 0.5, wide * 0.85, 18), "abs", (-long * 0.05, 0, 22)),
        box((long * 0.5 - 4, wide * 0.85 - 4, 15), "air", (-long * 0.05, 0, 22), "abs"),
        rod((26, 10), "steel", (long * 0.12, 0, 0), "air"),
        rod((18, 6), "copper", (long * 0.12, 0, 0), "steel"),
        rod((44, 7), "zinc", (-long * 0.2, -8, 0), "air"),
        rod((44, 7), "zinc", (-long * 0.2, 9, 0), "air"),
    ]
    for share in (-0.32, 0.32):
        parts.append(rod((wide + 26, 1.6), "steel", (long * share, 0, -17), None, 90))
        for side in (-1, 1):
            parts.append(
                rod((13, 14), "rubber", (long * share, side * (wide / 2 + 8), -17), None, 90)
            )
    return Item(name="toy", class_name="organic", material="abs", parts=tuple(parts))
