"""Weapons without powder: knives, handcuffs, baton."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import (
    Item,
    Point,
    blade,
    box,
    disc,
    hoop,
    plate,
    register,
    rod,
    turned,
    vary,
)
from xraysynth.baggage.outlines import moved, rounded
from xraysynth.scanner.projection import Part


@register("knife", "threat")
def knife(rng: np.random.Generator) -> Item:
    """Return a knife: of one piece, for the kitchen, or folding."""
    makers = (_fixed, _kitchen, _folding)
    return makers[int(rng.choice(3, p=[0.4, 0.3, 0.3]))](rng)


def _fixed(rng: np.random.Generator) -> Item:
    """Return a knife of one piece: tapered blade, tang, handle with rivets, sometimes a guard."""
    long, wide = vary(rng, 145, 0.25), rng.uniform(24, 42)
    handle, thick = vary(rng, 115), rng.uniform(2.0, 3.6)
    grip = str(rng.choice(["polypropylene", "wood", "abs"]))
    tip = rng.uniform(0.55, 0.85)
    outline = np.array(
        [
            [0, -wide / 2],
            [long * tip, -wide / 2],
            [long * 0.93, -wide * 0.22],
            [long, wide * 0.1],
            [long * 0.9, wide * 0.36],
            [long * 0.7, wide / 2],
            [0, wide / 2],
        ]
    )
    bolster, start = wide * rng.choice([0.66, 0.7, 1.3]), -6.0
    parts = [
        blade(outline, thick),
        box((6, float(bolster), 12), "steel", (start / 2, 0, 0)),
        plate([moved(rounded(handle, wide * 0.62, 9, 4), (start - handle / 2, 0))], 17, grip),
        box((handle * 0.94, wide * 0.34, thick), "steel", (start - handle * 0.48, 0, 0), grip),
    ]
    for x in (0.2, 0.5, 0.8):
        for side in (-1, 1):
            z = side * (thick + 16) / 4
            rivet = (start - handle * x, 0.0, z)
            parts.append(disc(3.0, (16 - thick) / 2, "steel", rivet, grip))
    return Item(name="knife", class_name="knife", material="steel", parts=tuple(parts))


def _kitchen(rng: np.random.Generator) -> Item:
    """Return a chef's knife or a cleaver: wide blade, riveted handle."""
    cleaver = rng.random() < 0.4
    long = rng.uniform(130, 165) if cleaver else rng.uniform(150, 190)
    wide, thick = (rng.uniform(62, 85), 2.6) if cleaver else (rng.uniform(38, 50), 2.0)
    if cleaver:
        shape = [[0, -0.5], [0.97, -0.5], [1, -0.42], [1, 0.5], [0.05, 0.5], [0, 0.4]]
    else:
        shape = [[0, -0.5], [0.5, -0.5], [0.85, -0.2], [1, 0.22], [0.8, 0.4], [0.4, 0.5], [0, 0.5]]
    handle, grip = vary(rng, 112, 0.08), str(rng.choice(["wood", "polypropylene"]))
    y = -wide * 0.5 + 13
    parts = [
        blade(np.array(shape) * [long, wide], thick),
        plate([moved(rounded(handle, 25, 9, 4), (-handle / 2, y))], 18, grip),
        box((handle * 0.88, 14, thick), "steel", (-handle * 0.5, y, 0), grip),
    ]
    for share in (0.15, 0.5, 0.85):
        for side in (-1, 1):
            at = (-handle * share, y, side * (thick + 18) / 4)
            parts.append(disc(3.2, (18 - thick) / 2, "brass", at, grip))
    return Item(name="knife", class_name="knife", material="steel", parts=tuple(parts))


def _folding(rng: np.random.Generator) -> Item:
    """Return a folding knife, open or half closed: blade, pivot, two liners, scales, clip."""
    long, wide, thick = vary(rng, 88), rng.uniform(19, 26), rng.uniform(2.2, 3.2)
    handle, open_deg = long * 1.25, float(rng.choice([0.0, 0.0, rng.uniform(40, 130)]))
    shape = [[0, -0.45], [0.55, -0.5], [1, 0.05], [0.85, 0.36], [0.6, 0.5], [0.1, 0.5], [0, 0.3]]
    grip = str(rng.choice(["aluminium", "nylon", "wood"]))
    parts = list(turned([blade(np.array(shape) * [long, wide], thick)], open_deg, (4, 0, 0)))
    outline = rounded(handle, wide * 1.05, wide * 0.4, 4)
    x = -handle / 2 + 2
    for side in (-1, 1):
        z = side * (thick / 2 + 0.9)
        parts.append(plate([outline], 1.2, "steel", (x, 0, z)))
        parts.append(plate([outline], 3.2, grip, (x, 0, z + side * 2.3)))
        parts.append(disc(4.5, 2.0, "steel", (-1, 0, z + side * 5)))
    for share in (0.35, 0.65, 0.94):
        parts.append(disc(2.2, thick, "steel", (-handle * share, wide * 0.38, 0)))
    parts.append(box((handle * 0.5, 7, 1.2), "steel", (x - handle * 0.15, 0, thick / 2 + 6.5)))
    parts.append(hoop((9, 9, 4.5), 1.3, "steel", (-handle - 3, 0, 0)))
    return Item(name="knife", class_name="knife", material="steel", parts=tuple(parts))


@register("handcuffs", "threat")
def handcuffs(rng: np.random.Generator) -> Item:
    """Return handcuffs: two bows with lock blocks, joined by a chain."""
    radius, gap, thick = vary(rng, 36), rng.uniform(28, 60), rng.uniform(7, 9)
    bend = float(rng.uniform(-35, 35))
    parts: list[Part] = []
    for yaw in (bend, 180.0):
        # The bow is a ring of about 6 mm; the lock lies between it and the chain.
        centre = (gap / 2 + 22 + radius, 0.0, 0.0)
        half = [
            disc(radius + 6, thick, "steel", centre),
            disc(radius, thick, "air", centre, "steel"),
            box((26, 34, 12), "steel", (gap / 2 + 9, 0, 0)),
            box((18, 24, 6), "air", (gap / 2 + 9, 0, 0), "steel"),
            rod((14, 3), "brass", (gap / 2 + 9, 0, 0), "air"),
        ]
        parts += turned(half, yaw)
    for yaw in (bend, 180.0):
        link = [
            plate([rounded(gap * 0.46, 11, 5, 4), rounded(gap * 0.46 - 6, 5, 2.4, 3)], 3, "steel")
        ]
        parts += turned(turned(link, 0, (gap * 0.26, 0, 0)), yaw)
    return Item(name="handcuffs", class_name="handcuffs", material="steel", parts=tuple(parts))


@register("baton", "threat")
def baton(rng: np.random.Generator) -> Item:
    """Return a telescopic baton, closed, half or fully drawn: three steel tubes, grip, cap."""
    long, radius = vary(rng, 210, 0.1), rng.uniform(12.5, 15)
    drawn = long * float(rng.choice([0.0, rng.uniform(0.35, 0.7), 0.9]))
    parts = [
        rod((long * 0.72, radius + 2.5), "rubber", (-long * 0.14, 0, 0)),
        rod((long * 0.72, radius), "steel", (-long * 0.14, 0, 0), "rubber"),
        rod((long * 0.28, radius), "steel", (long * 0.36, 0, 0)),
        rod((long, radius - 1.5), "air", (0, 0, 0), "steel"),
        rod((9, radius + 3.5), "steel", (-long / 2 - 4.5, 0, 0)),
    ]
    # Each tube slides in the one before it.
    end = long / 2
    for number, wide in enumerate((radius - 2, radius - 4.5)):
        if (drawn and number == 0) or drawn > 0.8 * long:
            reach = drawn * (1.0 if number == 0 else 0.85)
            parts += _tube((reach, wide), (end + reach / 2, 0, 0), None)
            end += reach
        else:
            inside = min(long, drawn or long) * 0.92
            middle = end - (drawn or long) / 2
            parts += _tube((inside, wide), (middle, 0, 0), "air")
    parts.append(rod((8, radius - 1), "steel", (end + 4, 0, 0)))
    return Item(name="baton", class_name="baton", material="steel", parts=tuple(parts))


def _tube(size: tuple[float, float], at: Point, replaces: str | None) -> list[Part]:
    """Return a steel tube of 1.3 mm wall."""
    inner = (size[0], size[1] - 1.3)
    return [rod(size, "steel", at, replaces), rod(inner, "air", at, "steel")]
