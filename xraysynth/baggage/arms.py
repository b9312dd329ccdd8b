"""Weapons: pistol, knife, handcuffs, baton, cartridge."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, Point, box, disc, plate, register, rod, turned, vary
from xraysynth.baggage.outlines import moved, rounded
from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


@register("gun", "threat")
def gun(rng: np.random.Generator) -> Item:
    """Return a pistol: slide with barrel, frame, trigger guard, grip with a full magazine."""
    k = vary(rng, 1.0, 0.1)
    length, frame = vary(rng, 190 * k, 0.08), str(rng.choice(["steel", "aluminium", "nylon"]))
    half, top = length / 2, -52 * k
    bore = top + 12 * k
    # The slide is a hollow profile of a few millimetres of steel; the barrel runs inside it.
    parts = [
        box((length, 27 * k, 24), "steel", (0, top + 13.5 * k, 0)),
        box((length * 0.93, 20 * k, 18.5), "air", (0, top + 13.5 * k, 0), "steel"),
        rod((length * 0.57, 7.5), "steel", (length * 0.17, bore, 0), "air"),
        rod((length * 0.57, 4.5), "air", (length * 0.17, bore, 0), "steel"),
        box((length * 0.3, 19 * k, 18), "steel", (-half * 0.55, top + 13.5 * k, 0), "air"),
        box((length * 0.27, 14 * k, 13), "air", (-half * 0.55, top + 13.5 * k, 0), "steel"),
        box((6, 5, 5), "steel", (half * 0.9, top - 2.5, 0)),
        box((8, 6, 14), "steel", (-half * 0.9, top - 3, 0)),
    ]
    parts += _frame((length, k, top), frame)
    root = (-half * 0.66, top + 40 * k)
    parts += _grip(rng, root, vary(rng, 95 * k), float(rng.uniform(8, 22)))
    return Item(name="gun", class_name="gun", material="steel", parts=tuple(parts))


def _frame(sizes: tuple[float, float, float], material: str) -> list[Part]:
    """Return the frame under the slide, with the trigger and its guard."""
    length, k, top = sizes
    shift = -length * 0.1
    guard = (-length * 0.02, top + 56 * k, 0.0)
    solid = "steel" if material == "nylon" else material
    wall = 5.0 if material == "steel" else 8.0
    return [
        box((length * 0.78, 16 * k, 22), material, (shift, top + 35 * k, 0)),
        box((length * 0.72, 11 * k, 22 - wall), "air", (shift, top + 35 * k, 0), material),
        box((length * 0.6, 3 * k, 10), "steel", (shift, top + 31 * k, 0), "air"),
        rod((length * 0.45, 3.0), "steel", (length * 0.05, top + 36 * k, 0), "air"),
        plate([rounded(48 * k, 31 * k, 11, 4), rounded(38 * k, 21 * k, 8, 4)], 9, solid, guard),
        box((4.5, 17 * k, 6), "steel", (guard[0] - 4, guard[1] - 2 * k, 0), turn_deg=(15, 0, 0)),
    ]


def _grip(
    rng: np.random.Generator, root: tuple[float, float], long: float, lean_deg: float
) -> list[Part]:
    """Return the grip below the frame, with the magazine and its cartridges inside."""
    wide = vary(rng, 44)
    c, s = np.cos(np.radians(lean_deg)), np.sin(np.radians(lean_deg))

    def along(distance: float) -> tuple[float, float, float]:
        return root[0] - s * distance, root[1] + c * distance, 0.0

    magazine, lean = (wide * 0.74, long * 0.96), (lean_deg, 0.0, 0.0)
    centre = along(long / 2)
    parts = [plate([moved(rounded(wide, long, 7, 4), centre[:2], lean_deg)], 30, "nylon")]
    parts.append(box((*magazine, 21), "steel", centre, "nylon", lean))
    inner = (magazine[0] - 2, magazine[1] - 4, 19)
    parts.append(box(inner, "air", centre, "steel", lean))
    for index in range(int(rng.integers(3, 8))):
        case = along(9 + index * 11.0)
        parts.append(rod((magazine[0] * 0.62, 4.6), "brass", case, "air", lean_deg))
        parts.append(rod((magazine[0] * 0.6, 4.0), "air", case, "brass", lean_deg))
        bullet = (case[0] + magazine[0] * 0.3, case[1] + magazine[0] * 0.05, 0.0)
        parts.append(rod((magazine[0] * 0.2, 4.4), "lead", bullet, "air", lean_deg))
    return parts


@register("knife", "threat")
def knife(rng: np.random.Generator) -> Item:
    """Return a fixed knife: tapered blade, tang, handle with rivets, sometimes a guard."""
    blade, wide = vary(rng, 145, 0.25), rng.uniform(24, 42)
    handle, thick = vary(rng, 115), rng.uniform(2.0, 3.6)
    grip = str(rng.choice(["polypropylene", "wood", "abs"]))
    tip = rng.uniform(0.55, 0.85)
    outline = np.array(
        [
            [0, -wide / 2],
            [blade * tip, -wide / 2],
            [blade * 0.93, -wide * 0.22],
            [blade, wide * 0.1],
            [blade * 0.9, wide * 0.36],
            [blade * 0.7, wide / 2],
            [0, wide / 2],
        ]
    )
    edge = 0.15 * thick
    taper = -(thick / 2 - edge) / wide
    middle = (thick / 2 + edge) / 2
    steel = Prism((outline,), middle, (0.0, taper))
    bolster, start = wide * rng.choice([0.66, 0.7, 1.3]), -6.0
    parts = [
        Part(shape=steel, material="steel"),
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
    """Return a telescopic baton, closed or half drawn: three steel tubes in each other, a grip."""
    long, radius = vary(rng, 210, 0.1), rng.uniform(12.5, 15)
    parts = [
        rod((long, radius + 2.5), "rubber"),
        rod((long, radius), "steel", replaces="rubber"),
        rod((long - 3, radius - 1.5), "air", replaces="steel"),
        rod((9, radius - 4), "steel", (-long / 2 - 4.5, 0, 0)),
    ]
    if rng.random() < 0.5:
        parts += _tube((long * 0.94, radius - 2), (0, 0, 0), "air")
        parts += _tube((long * 0.92, radius - 4.5), (0, 0, 0), "air")
    else:
        drawn = long * rng.uniform(0.35, 0.7)
        middle = (long / 2 + drawn / 2, 0.0, 0.0)
        parts += _tube((drawn, radius - 2), middle, None)
        parts += _tube((drawn - 6, radius - 4.5), middle, "air")
        parts.append(rod((7, radius - 1), "steel", (long / 2 + drawn + 3.5, 0, 0)))
    return Item(name="baton", class_name="baton", material="steel", parts=tuple(parts))


def _tube(size: tuple[float, float], at: Point, replaces: str | None) -> list[Part]:
    """Return a steel tube of 1.3 mm wall."""
    inner = (size[0], size[1] - 1.3)
    return [rod(size, "steel", at, replaces), rod(inner, "air", at, "steel")]


@register("bullet", "threat")
def bullet(rng: np.random.Generator) -> Item:
    """Return cartridges side by side: brass case with powder, lead core in a copper jacket."""
    radius = rng.uniform(4.0, 6.2)
    case, tip = radius * rng.uniform(3.6, 8.5), radius * rng.uniform(2.0, 4.0)
    parts: list[Part] = []
    for number in range(int(rng.integers(3, 8))):
        y = (2 * radius + 1.5) * (number - 2)
        x = float(rng.normal(0, 1.5))
        parts += [
            rod((case, radius), "brass", (x, y, 0)),
            rod((case - 5, radius - 0.9), "pmma", (x + 2.5, y, 0), "brass"),
            rod((3, radius + 0.6), "brass", (x - case / 2 - 1.5, y, 0)),
            Part(
                shape=Ellipsoid((tip, radius * 0.93, radius * 0.93)),
                material="copper",
                at=(x + case / 2 + tip, y, 0),
            ),
            Part(
                shape=Ellipsoid((tip - 1, radius * 0.93 - 0.7, radius * 0.93 - 0.7)),
                material="lead",
                replaces="copper",
                at=(x + case / 2 + tip, y, 0),
            ),
        ]
    return Item(name="bullet", class_name="bullet", material="brass", parts=tuple(parts))
