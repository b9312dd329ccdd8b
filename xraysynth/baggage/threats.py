"""Prohibited items: pistol, knife, wrench, scissors."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, plate, register, rod, turned, vary
from xraysynth.baggage.outlines import circle, moved, rounded
from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part


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
    blade, wide = vary(rng, 150, 0.25), rng.uniform(24, 42)
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


@register("wrench", "threat")
def wrench(rng: np.random.Generator) -> Item:
    """Return a spanner: two open ends, or an open one and a ring."""
    long, thick = vary(rng, 200, 0.25), rng.uniform(6, 11)
    head = long * rng.uniform(0.095, 0.125)
    wide = head * rng.uniform(0.75, 0.95)
    other = head * rng.uniform(0.72, 0.92)
    # The shaft ends where the heads begin: solids of one item must not overlap.
    left, right = -long / 2 + head + 0.93 * other, long / 2 - 1.93 * head
    parts = [
        box((right - left, wide, thick * 0.7), "steel", ((left + right) / 2, 0, 0)),
        plate([_open_jaw(head, 15)], thick, "steel", (long / 2 - head, 0, 0)),
    ]
    end = (-long / 2 + head, 0.0, 0.0)
    if rng.random() < 0.5:
        parts.append(plate([moved(_open_jaw(other, 15), (0, 0), 180)], thick, "steel", end))
    else:
        parts.append(disc(other, thick * 1.2, "steel", end))
        parts.append(disc(other * 0.6, thick * 1.2, "air", end, "steel"))
    return Item(name="wrench", class_name="wrench", material="steel", parts=tuple(parts))


def _open_jaw(radius: float, tilt_deg: float) -> np.ndarray:
    """Return a round head with a parallel-sided mouth that opens along +x, tilted."""
    angle = np.radians(np.linspace(33, 327, 18))
    rim = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    half = rim[0, 1]
    mouth = np.array([[-0.15 * radius, -half], [-0.38 * radius, 0], [-0.15 * radius, half]])
    return moved(np.concatenate([rim, mouth]), (0, 0), tilt_deg)


@register("scissors", "threat")
def scissors(rng: np.random.Generator) -> Item:
    """Return scissors, partly open: two blades over each other, pivot, two loops."""
    long, thick = vary(rng, 185, 0.15), rng.uniform(2.2, 3.2)
    blade, wide = long * rng.uniform(0.5, 0.58), rng.uniform(14, 20)
    opening, plastic = rng.uniform(6, 20), rng.random() < 0.75
    parts: list[Part] = [disc(5.5, 2 * thick + 1, "steel")]
    for side in (-1.0, 1.0):
        half = _scissor_half((long, blade, wide), thick, side, plastic)
        parts += turned(half, side * opening / 2)
    return Item(name="scissors", class_name="scissors", material="steel", parts=tuple(parts))


def _scissor_half(
    sizes: tuple[float, float, float], thick: float, side: float, plastic: bool
) -> list[Part]:
    """Return one half, its cutting edge along +x from the pivot, its loop behind."""
    long, blade, wide = sizes
    z = side * thick / 2
    tip = np.array(
        [
            [0, 0.5 * side * wide],
            [blade * 0.6, 0.36 * side * wide],
            [blade, 0],
            [blade * 0.5, -0.16 * side * wide],
            [0, -0.5 * side * wide],
        ]
    )
    back = long - blade
    shank = np.array(
        [
            [0, -0.5 * side * wide],
            [0, 0.5 * side * wide],
            [-back * 0.5, -0.55 * side * wide],
            [-back * 0.5, -1.15 * side * wide],
        ]
    )
    loop_at = (-back * 0.72, -side * wide * 1.15)
    loop = moved(circle(back * 0.30, 18, wide * 1.0), loop_at)
    hole = moved(circle(back * 0.30 - 6.5, 14, wide * 1.0 - 6.5), loop_at)
    return [
        plate([tip], thick, "steel", (0, 0, z)),
        plate([shank], thick, "steel", (0, 0, z)),
        plate([loop, hole], 10 if plastic else 5, "abs" if plastic else "steel", (0, 0, z)),
    ]
