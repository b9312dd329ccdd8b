"""Tools that cut, strike and grip: wrench, scissors, pliers, hammer."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, hoop, plate, register, rod, turned, vary
from xraysynth.baggage.outlines import moved, rounded, strip
from xraysynth.scanner.projection import Part


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
    loop = (back * 0.56, wide * 1.55, wide * 0.75)
    loop_at = (-back * 0.72, -side * wide * 1.2, z)
    wire = (3.6, "abs") if plastic else (2.6, "steel")
    return [
        plate([tip], thick, "steel", (0, 0, z)),
        plate([shank], thick, "steel", (0, 0, z)),
        hoop(loop, *wire, loop_at),
        plate([shank * [0.9, 1.0]], 5, "abs", (-back * 0.08, 0, z + side * (thick / 2 + 2.5)))
        if plastic
        else disc(
            2.2, 1.0, "steel", (-back * 0.2, -side * wide * 0.6, z + side * (thick / 2 + 0.5))
        ),
    ]


@register("pliers", "threat")
def pliers(rng: np.random.Generator) -> Item:
    """Return pliers: two jaws that cross at a joint, curved handles in PVC sleeves."""
    long, thick = vary(rng, 180, 0.18), rng.uniform(10, 13)
    jaw, opening = long * rng.uniform(0.26, 0.34), float(rng.uniform(6, 26))
    pointed = rng.uniform(0.25, 0.8)
    parts = [disc(long * 0.075, thick, "steel")]
    parts += [disc(4.5, 1.8, "steel", (0, 0, z * (thick / 2 + 0.9))) for z in (-1, 1)]
    for side in (-1.0, 1.0):
        half = _plier_half((long, jaw, thick), pointed, side)
        parts += turned(half, side * opening / 2)
    return Item(name="pliers", class_name="pliers", material="steel", parts=tuple(parts))


def _plier_half(sizes: tuple[float, float, float], pointed: float, side: float) -> tuple[Part, ...]:
    """Return one jaw and, on the other side of the joint, its handle."""
    long, jaw, thick = sizes
    joint, wide = long * 0.072, long * 0.075
    tip = [[joint, 0], [joint + jaw, 0], [joint + jaw, wide * (1 - pointed)], [joint, wide]]
    back = long - jaw - joint
    x = np.linspace(0, 1, 7)
    y = 0.035 + 0.12 * np.sin(np.pi * np.minimum(x * 0.72, 1.0))
    handle = [(-joint - back * float(u), -long * float(v)) for u, v in zip(x, y, strict=True)]
    mirror = np.array([1.0, side])
    return (
        plate([np.array(tip) * mirror], thick, "steel"),
        plate([strip(handle, 13) * mirror], thick, "pvc"),
        plate([strip(handle, 8) * mirror], thick * 0.6, "steel", replaces="pvc"),
    )


@register("hammer", "threat")
def hammer(rng: np.random.Generator) -> Item:
    """Return a hammer: steel head with face and peen or claw, shaft of wood or steel."""
    long, head, side = vary(rng, 285, 0.1), vary(rng, 100), rng.uniform(22, 28)
    y = -long / 2 + side / 2
    face = [
        box((head * 0.4, side, side), "steel", (0, y, 0)),
        rod((head * 0.28, side * 0.5), "steel", (head * 0.34, y, 0)),
    ]
    peen = np.array([[-0.2, -0.5], [-0.2, 0.5], [-0.5, 0.12], [-0.52, -0.02]]) * [head, side]
    claw = np.array([[-0.2, -0.5], [-0.2, 0.3], [-0.4, 0.35], [-0.56, 0.75], [-0.5, 0.0]])
    chosen = peen if rng.random() < 0.5 else claw * [head, side]
    parts = [*face, plate([chosen], side, "steel", (0, y, 0))]
    shaft, middle = long - side, (0.0, side / 2, 0.0)
    if rng.random() < 0.6:
        parts.append(plate([rounded(24, shaft, 9, 4)], 17, "wood", middle))
    else:
        parts.append(
            rod((shaft * 0.55, 7.5), "steel", (0, y + side / 2 + shaft * 0.275, 0), None, 90)
        )
        grip = (0.0, long / 2 - shaft * 0.225, 0.0)
        parts.append(plate([rounded(31, shaft * 0.45, 10, 4)], 26, "rubber", grip))
        parts.append(rod((shaft * 0.4, 7.5), "steel", grip, "rubber", 90))
    return Item(name="hammer", class_name="hammer", material="steel", parts=tuple(parts))
