"""Things that burn, spray or store energy: pressurised can, power bank, lighter."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, plate, register, rod, vary
from xraysynth.baggage.outlines import rounded
from xraysynth.scanner.projection import Part


@register("sprayer", "threat")
def sprayer(rng: np.random.Generator) -> Item:
    """Return a pressurised can on its side: part liquid, part gas, valve with spring, tube."""
    long, radius = rng.uniform(110, 190), rng.uniform(17, 29)
    metal, wall = ("aluminium", 0.5) if rng.random() < 0.5 else ("steel", 0.25)
    fill = rng.uniform(0.4, 0.8)
    liquid = str(rng.choice(["ethanol", "water", "butane"]))
    inner = long - 2 * wall
    parts = [
        rod((long, radius), metal),
        rod((inner, radius - wall), "air", replaces=metal),
        rod((inner * fill, radius - wall), liquid, (-inner * (1 - fill) / 2, 0, 0), "air"),
        rod((6, radius * 0.75), metal, (long / 2 + 3, 0, 0)),
        rod((5, radius * 0.62), "air", (long / 2 + 3, 0, 0), metal),
        rod((14, 4.5), "steel", (long / 2 - 9, 0, 0), "air"),
        rod((12, 3.2), "air", (long / 2 - 9, 0, 0), "steel"),
        rod((18, radius * 0.5), "polypropylene", (long / 2 + 15, 0, 0)),
        rod((15, radius * 0.5 - 1.5), "air", (long / 2 + 14, 0, 0), "polypropylene"),
        rod((8, 2.5), "steel", (long / 2 + 13, 0, 0), "air"),
        rod((3, radius + 0.8), metal, (-long / 2 - 1.5, 0, 0)),
    ]
    return Item(name="sprayer", class_name="sprayer", material=metal, parts=tuple(parts))


@register("powerbank", "threat")
def powerbank(rng: np.random.Generator) -> Item:
    """Return a power bank: plastic shell, round cells or a pouch, board with sockets."""
    parts: list[Part] = []
    if rng.random() < 0.5:
        cells = int(rng.integers(2, 5))
        wide, high, thick = 92.0, 19.5 * cells + 6, 22.0
        for index in range(cells):
            y = (index - (cells - 1) / 2) * 19.5
            parts.append(rod((65, 9), "steel", (-9, y, 0), "air"))
            parts.append(rod((64, 8.75), "li_ion", (-9, y, 0), "steel"))
            parts.append(rod((2, 4), "steel", (24.6, y, 0), "air"))
    else:
        wide, high, thick = vary(rng, 125, 0.18), vary(rng, 68), rng.uniform(11, 16)
        parts.append(
            box((wide * 0.72, high * 0.86, thick - 5), "li_ion", (-wide * 0.1, 0, 0), "air")
        )
    board = wide / 2 - 10
    shell = [
        plate([rounded(wide, high, 8, 4)], thick, "abs"),
        plate([rounded(wide - 3, high - 3, 7, 4)], thick - 3, "air", replaces="abs"),
        box((13, high * 0.85, 1.6), "board", (board, 0, -thick / 2 + 3), "air"),
        box((12, 13, 5), "steel", (board + 1, -high * 0.22, 0), "air"),
        box((11, 11.5, 3.5), "air", (board + 1, -high * 0.22, 0), "steel"),
        box((8, 8, 4), "copper", (board, high * 0.2, 0), "air"),
    ]
    return Item(name="powerbank", class_name="powerbank", material="li_ion", parts=(*shell, *parts))


@register("lighter", "threat")
def lighter(rng: np.random.Generator) -> Item:
    """Return a gas lighter: plastic tank, part full, steel hood, wheel, valve."""
    high, wide, thick = vary(rng, 80, 0.06), rng.uniform(22, 26), rng.uniform(11, 13)
    tank, hood = high * 0.74, high * 0.2
    fill = rng.uniform(0.35, 0.65)
    y = high / 2 - tank / 2
    level = (0.0, y + tank * (1 - fill) / 2 - 1, 0.0)
    top = (0.0, -high / 2 + hood / 2 + 4.6, 0.0)
    parts = (
        plate([rounded(wide, tank, 4, 4)], thick, "abs", (0, y, 0)),
        box((wide - 3.5, tank - 3.5, thick - 3.5), "air", (0, y, 0), "abs"),
        box((wide - 3.6, (tank - 3.6) * fill, thick - 3.6), "butane", level, "air"),
        box((wide - 1, hood, thick), "steel", top),
        box((wide - 2, hood - 1, thick - 1), "air", top, "steel"),
        disc(4.2, thick - 3, "steel", (wide * 0.16, top[1] - 2, 0), "air"),
        rod((10, 1.6), "zinc", (-wide * 0.22, top[1], 0), "air", 90),
        rod((14, 2.2), "brass", (-wide * 0.22, y - tank / 2 + 10, 0), "air", 90),
    )
    return Item(name="lighter", class_name="lighter", material="abs", parts=parts)
