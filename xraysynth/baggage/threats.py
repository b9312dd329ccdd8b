"""Prohibited items: pistol, knife, wrench, scissors."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, plate, register, rod, vary
from xraysynth.baggage.outlines import circle, moved, rectangle, rounded
from xraysynth.scanner.projection import Part, turn
from xraysynth.scanner.shapes import Prism


@register("gun", "threat")
def gun(rng: np.random.Generator) -> Item:
    """Return a pistol: slide with barrel, frame, trigger guard, grip with a full magazine."""
    k = vary(rng, 1.0, 0.1)
    length, frame = vary(rng, 190 * k, 0.08), str(rng.choice(["steel", "aluminium", "nylon"]))
    half, grip_long, lean = length / 2, vary(rng, 92 * k), rng.uniform(8, 22)
    top = -52 * k
    parts = [
        box((length, 26 * k, 24), "steel", (0, top + 13 * k, 0)),
        box((length * 0.9, 15 * k, 15), "air", (0, top + 13 * k, 0), "steel"),
        rod(length * 0.88, 7.5, "steel", (0, top + 13 * k, 0), "air"),
        rod(length * 0.88, 4.5, "air", (0, top + 13 * k, 0), "steel"),
        plate([rectangle(length * 0.78, 15 * k)], 22, frame, (-half * 0.2, top + 34 * k, 0)),
        box((length * 0.7, 5 * k, 12), "steel", (-half * 0.2, top + 32 * k, 0), frame),
    ]
    guard = moved(rounded(46 * k, 32 * k, 12), (-half * 0.02, top + 57 * k))
    hole = moved(rounded(38 * k, 24 * k, 9), (-half * 0.02, top + 56.5 * k))
    parts.append(plate([guard, hole], 11, "steel" if frame == "nylon" else frame))
    parts.append(box((4, 18 * k, 6), "steel", (-half * 0.06, top + 53 * k, 0), turned=(15, 0, 0)))
    parts += _grip(rng, (-half * 0.66, top + 41 * k), grip_long, lean, frame)
    return Item(name="gun", class_name="gun", material="steel", parts=tuple(parts))


def _grip(
    rng: np.random.Generator, root: tuple[float, float], long: float, lean_deg: float, frame: str
) -> list[Part]:
    """Return the grip below the frame, with the magazine and its cartridges inside."""
    wide = vary(rng, 42)
    shape = moved(rounded(wide, long, 7), (0, long / 2), lean_deg)
    parts = [plate([shape + np.array(root)], 29, "nylon")]
    c, s = np.cos(np.radians(lean_deg)), np.sin(np.radians(lean_deg))

    def along(distance: float) -> tuple[float, float, float]:
        return root[0] - s * distance, root[1] + c * distance, 0.0

    parts.append(
        box((wide * 0.72, long * 0.94, 20), "steel", along(long / 2), "nylon", (lean_deg, 0, 0))
    )
    parts.append(
        box((wide * 0.66, long * 0.90, 17), "air", along(long / 2), "steel", (lean_deg, 0, 0))
    )
    for index in range(int(rng.integers(4, 8))):
        where = along(8 + index * 11.0)
        parts.append(rod(wide * 0.6, 4.4, "brass", where, "air", lean_deg))
    if frame == "steel":
        parts.append(box((5, long * 0.9, 27), "steel", along(long / 2), "nylon", (lean_deg, 0, 0)))
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
    parts = [
        Part(shape=steel, material="steel"),
        plate([moved(rounded(handle, wide * 0.62, 9), (-handle / 2, 0))], 17, grip),
        plate(
            [moved(rounded(handle * 0.94, wide * 0.34, 4), (-handle * 0.48, 0))],
            thick,
            "steel",
            replaces=grip,
        ),
    ]
    for x in (0.2, 0.5, 0.8):
        parts.append(disc(3.0, 16.5, "steel", (-handle * x, 0, 0), grip))
    if rng.random() < 0.4:
        parts.append(box((6, wide * 1.25, 12), "steel", (-3, 0, 0), grip))
    return Item(name="knife", class_name="knife", material="steel", parts=tuple(parts))


@register("wrench", "threat")
def wrench(rng: np.random.Generator) -> Item:
    """Return a spanner: two open ends, or an open one and a ring."""
    long, thick = vary(rng, 200, 0.25), rng.uniform(6, 11)
    head = long * rng.uniform(0.095, 0.125)
    wide = head * rng.uniform(0.75, 0.95)
    parts = [box((long - 3.2 * head, wide, thick * 0.7), "steel")]
    parts.append(plate([_open_jaw(head, 15)], thick, "steel", (long / 2 - head, 0, 0)))
    small = head * rng.uniform(0.75, 0.95)
    if rng.random() < 0.5:
        jaw = moved(_open_jaw(small, 15), (0, 0), 180)
        parts.append(plate([jaw], thick, "steel", (-long / 2 + head, 0, 0)))
    else:
        ring = [circle(small * 0.95), circle(small * 0.58, 12)]
        parts.append(plate(ring, thick * 1.2, "steel", (-long / 2 + head, 0, 0)))
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
        parts += _scissor_half((long, blade, wide), thick, side, plastic)
    turned = [
        Part(shape=part.shape, material=part.material, replaces=part.replaces, at=part.at).placed(
            turn(np.sign(part.at[2]) * opening / 2 if part.at[2] else 0.0), np.zeros(3)
        )
        for part in parts
    ]
    return Item(name="scissors", class_name="scissors", material="steel", parts=tuple(turned))


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
