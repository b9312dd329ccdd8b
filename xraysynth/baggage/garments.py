"""Things to wear: clothes in many folds, shoes, belt."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, heap, plate, register, rod, vary
from xraysynth.baggage.outlines import moved, rounded, strip


@register("clothes", "clutter", weight=22.0)
def clothes(rng: np.random.Generator) -> Item:
    """Return folded clothes: a heap of many folds with hems, sometimes a zip or buttons."""
    wide, high = rng.uniform(170, 380), rng.uniform(140, 280)
    thick = rng.uniform(14, 48)
    texture = str(rng.choice(["garment", "garment", "garment", "knit"]))
    fibre = str(rng.choice(["folded_cotton", "folded_wool", "folded_polyester"], p=[0.6, 0.2, 0.2]))
    parts = [heap(rng, (wide, high, thick), fibre, texture)]
    chance, z = rng.random(), 0.3 * thick
    if chance < 0.2:
        parts.append(rod((wide * rng.uniform(0.3, 0.7), 1.3), "brass", (0, high * 0.3, z)))
        parts.append(box((14, 6, 2), "zinc", (wide * 0.3, high * 0.3, z)))
    elif chance < 0.45:
        metal = str(rng.choice(["brass", "nylon", "zinc"]))
        for number in range(int(rng.integers(2, 6))):
            at = (wide * (number * 0.15 - 0.35), high * rng.uniform(0.05, 0.1), z)
            parts.append(disc(rng.uniform(3.5, 6), 2.0, metal, at))
    return Item(name="clothes", class_name="organic", material=fibre, parts=tuple(parts), soft=True)


@register("shoe", "clutter", weight=1.5)
def shoe(rng: np.random.Generator) -> Item:
    """Return a shoe on its side: rubber sole with a steel shank, leather upper, eyelets."""
    long, high = vary(rng, 280), vary(rng, 100)
    sole = np.array(
        [
            [-0.5, 0.32],
            [0.5, 0.36],
            [0.5, 0.46],
            [0.1, 0.46],
            [-0.1, 0.42],
            [-0.2, 0.5],
            [-0.5, 0.5],
        ]
    ) * [long, high]
    upper = np.array(
        [
            [-0.49, 0.32],
            [-0.47, -0.4],
            [-0.2, -0.45],
            [-0.05, -0.2],
            [0.25, 0.0],
            [0.45, 0.1],
            [0.49, 0.35],
        ]
    ) * [long, high]
    parts = [
        plate([sole], 85, "rubber"),
        plate([upper], 80, "leather"),
        plate([upper * 0.92], 74, "air", replaces="leather"),
        box((long * 0.35, 2.0, 14), "steel", (-long * 0.1, high * 0.39, 0), "rubber"),
    ]
    for index in range(4):
        at = (-long * 0.1 + index * long * 0.08, -high * (0.22 - 0.06 * index), 20.0)
        parts.append(disc(3.5, 2, "brass", at, "air"))
    return Item(name="shoe", class_name="organic", material="rubber", parts=tuple(parts))


@register("belt", "clutter", weight=0.6)
def belt(rng: np.random.Generator) -> Item:
    """Return a rolled-up leather belt with its buckle."""
    angle = np.linspace(0, rng.uniform(3.2, 4.6) * np.pi, 30)
    radius = 18 + 5.5 * angle
    line = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    band = strip([(float(x), float(y)) for x, y in line], 4)
    frame = moved(rounded(46, 38, 6, 3), (0, 0))
    hole = moved(rounded(36, 28, 4, 3), (0, 0))
    end = line[-1]
    at = (float(end[0] * 1.25), float(end[1] * 1.25), 0.0)
    parts = (
        plate([band], 35, "leather"),
        plate([frame, hole], 5, "zinc", at),
        box((3, 34, 4), "steel", at),
    )
    return Item(name="belt", class_name="organic", material="leather", parts=parts)
