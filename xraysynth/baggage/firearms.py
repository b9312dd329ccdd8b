"""Firearms: pistol, revolver, cartridges."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, hoop, plate, register, rod, vary
from xraysynth.baggage.outlines import moved, rounded
from xraysynth.scanner.projection import Part


@register("gun", "threat")
def gun(rng: np.random.Generator) -> Item:
    """Return a pistol or a revolver."""
    return _revolver(rng) if rng.random() < 0.4 else _pistol(rng)


def _pistol(rng: np.random.Generator) -> Item:
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


def _revolver(rng: np.random.Generator) -> Item:
    """Return a revolver: barrel, drum with chambers, frame around it, hammer, curved grip."""
    k, barrel = vary(rng, 1.0, 0.1), rng.uniform(55, 115)
    drum, radius = 40 * k, 18.5 * k
    front, top = drum / 2 + 4, -48 * k
    bore = top + 8 * k
    parts = [
        rod((barrel, 8.5), "steel", (front + barrel / 2, bore, 0)),
        rod((barrel, 4.6), "air", (front + barrel / 2, bore, 0), "steel"),
        rod((barrel * 0.7, 4.0), "steel", (front + barrel * 0.35, bore + 14 * k, 0)),
        box((5, 6, 4), "steel", (front + barrel - 4, bore - 11.5, 0)),
        box((drum + 22 * k, 5, 16), "steel", (-7 * k, bore - 10.5, 0)),
        rod((drum, radius), "steel", (0, bore + 14 * k, 0)),
        box((drum + 22 * k, 9 * k, 16), "steel", (-7 * k, bore + 38 * k, 0)),
        box((14 * k, 40 * k, 16), "steel", (-drum / 2 - 8 * k, bore + 14 * k, 0)),
        box((8, 18, 7), "steel", (-drum / 2 - 20 * k, bore - 2, 0), turn_deg=(-28, 0, 0)),
    ]
    for number in range(6):
        angle = np.pi / 3 * number + 0.3
        at = (0.0, bore + 14 * k + 0.62 * radius * np.cos(angle), 0.62 * radius * np.sin(angle))
        parts.append(rod((drum, 4.7), "air", at, "steel"))
        if rng.random() < 0.7:
            parts.append(rod((drum * 0.6, 4.4), "brass", (-drum * 0.2, at[1], at[2]), "air"))
            parts.append(rod((drum * 0.3, 4.4), "lead", (drum * 0.25, at[1], at[2]), "air"))
    guard = (6.0, bore + 38 * k + 19 * k, 0.0)
    parts.append(hoop((38 * k, 28 * k, 12 * k), 2.6, "steel", guard))
    parts.append(box((4, 18 * k, 6), "steel", (guard[0] - 3, guard[1] - 2, 0), turn_deg=(18, 0, 0)))
    lean, long = float(rng.uniform(18, 32)), vary(rng, 88)
    c, s = np.cos(np.radians(lean)), np.sin(np.radians(lean))
    root = (-drum / 2 - 10 * k, bore + 40 * k)
    middle = (root[0] - s * long / 2, root[1] + c * long / 2)
    grip = str(rng.choice(["wood", "rubber", "nylon"]))
    parts.append(plate([moved(rounded(36 * k, long, 13, 4), middle, lean)], 28, grip))
    tang = [moved(rounded(20 * k, long * 0.9, 8, 4), middle, lean)]
    parts.append(plate(tang, 9, "steel", replaces=grip))
    return Item(name="gun", class_name="gun", material="steel", parts=tuple(parts))


@register("bullet", "threat")
def bullet(rng: np.random.Generator) -> Item:
    """Return cartridges, side by side or loose: brass case with powder, lead core, primer."""
    radius = rng.uniform(4.0, 6.2)
    case, tip = radius * rng.uniform(3.6, 8.5), radius * rng.uniform(1.6, 3.2)
    loose = rng.random() < 0.3
    parts: list[Part] = []
    for number in range(int(rng.integers(3, 8))):
        y = (2 * radius + (3.5 if loose else 1.5)) * (number - 2)
        x = float(rng.normal(0, 7 if loose else 0.8))
        powder = case * 0.62
        parts += [
            rod((case, radius), "brass", (x, y, 0)),
            rod((powder, radius - 0.8), "pmma", (x - case / 2 + 3 + powder / 2, y, 0), "brass"),
            rod((2.5, radius + 0.7), "brass", (x - case / 2 - 1.25, y, 0)),
        ]
        start = x + case / 2
        # The ogive is a stair of short cylinders.
        for share, stop in ((0.97, 0.4), (0.86, 0.65), (0.66, 0.85), (0.36, 1.0)):
            end = x + case / 2 + stop * tip
            parts.append(rod((end - start, radius * share), "lead", ((start + end) / 2, y, 0)))
            start = end
    return Item(name="bullet", class_name="bullet", material="brass", parts=tuple(parts))
