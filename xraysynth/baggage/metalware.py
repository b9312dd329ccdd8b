"""Metal things: keys, umbrella, coins, cutlery, glasses, hanger, jewellery, watch, padlock."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, hoop, plate, register, rod, turned, vary
from xraysynth.baggage.outlines import circle, moved
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


@register("keys", "clutter", weight=0.45)
def keys(rng: np.random.Generator) -> Item:
    """Return a bunch of keys on a ring."""
    parts = [plate([circle(14), circle(11.5, 16)], 2.5, "steel")]
    for index in range(int(rng.integers(3, 6))):
        angle = float(rng.uniform(0, 360))
        material = str(rng.choice(["brass", "steel"]))
        head = moved(circle(12, 14), (24, 0), 0)
        hole = moved(circle(4, 8), (17, 0), 0)
        teeth = np.array(
            [[35, -4], [70, -4], [72, 0], [68, 4], [64, 1], [60, 4], [56, 1], [52, 4], [35, 4]]
        )
        z = 2.6 * (index + 1)
        parts.append(
            plate(
                [moved(head, (0, 0), angle), moved(hole, (0, 0), angle)], 2.2, material, (0, 0, z)
            )
        )
        parts.append(plate([moved(teeth, (0, 0), angle)], 2.2, material, (0, 0, z)))
    return Item(name="keys", class_name="metal", material="brass", parts=tuple(parts))


@register("umbrella", "clutter", weight=0.35)
def umbrella(rng: np.random.Generator) -> Item:
    """Return a folded umbrella: shaft, eight ribs, handle, cloth."""
    long = vary(rng, 260)
    middle = (long * 0.1, 0.0, 0.0)
    parts = [
        rod((long * 0.75, 23), "cotton", middle),
        rod((long * 0.75, 4.5), "steel", middle, "cotton"),
        rod((long * 0.75, 3.6), "air", middle, "steel"),
        rod((14, 4), "steel", (long * 0.475 + 7, 0, 0)),
        rod((long * 0.2, 16), str(rng.choice(["abs", "wood"])), (-long * 0.375, 0, 0)),
    ]
    for index in range(8):
        angle = np.pi / 4 * index + 0.2
        at = (long * 0.1, 14 * np.cos(angle), 14 * np.sin(angle))
        parts.append(rod((long * 0.7, 1.3), "steel", at, "cotton", float(rng.normal(0, 0.8))))
    return Item(name="umbrella", class_name="metal", material="steel", parts=tuple(parts))


@register("coins", "clutter", weight=0.45)
def coins(rng: np.random.Generator) -> Item:
    """Return loose coins, some with a rim of another metal, some over each other."""
    parts: list[Part] = []
    for number in range(int(rng.integers(5, 13))):
        radius, metal = rng.uniform(8.5, 13.5), str(rng.choice(["brass", "copper", "steel"]))
        spread = rng.normal(0, 24, 2)
        at = (float(spread[0]), float(spread[1]), 2.4 * number)
        parts.append(disc(radius, rng.uniform(1.5, 2.2), metal, at))
        if rng.random() < 0.3:
            parts.append(
                disc(radius * 0.68, 1.4, "brass" if metal == "steel" else "steel", at, metal)
            )
    return Item(name="coins", class_name="metal", material="brass", parts=tuple(parts))


@register("cutlery", "clutter", weight=0.3)
def cutlery(rng: np.random.Generator) -> Item:
    """Return spoons, forks and chopsticks of steel side by side."""
    long = vary(rng, 185)
    parts: list[Part] = []
    for number in range(int(rng.integers(2, 6))):
        y, kind = 24.0 * number, int(rng.integers(3))
        piece: list[Part] = [box((long * 0.62, 7, 2.2), "steel", (-long * 0.14, 0, 0))]
        if kind == 0:
            bowl = np.array(circle(long * 0.14, 18, 17.0))
            piece.append(plate([moved(bowl, (long * 0.31, 0))], 1.8, "steel"))
        elif kind == 1:
            piece.append(box((long * 0.1, 20, 1.8), "steel", (long * 0.22, 0, 0)))
            for tine in range(4):
                piece.append(
                    box((long * 0.2, 2.6, 1.8), "steel", (long * 0.37, 5.6 * tine - 8.4, 0))
                )
        else:
            piece = [rod((long * 1.2, 2.6), "steel", (0, side * 5.0, 0)) for side in (-1, 1)]
        parts += turned(piece, float(rng.normal(0, 3)), (float(rng.normal(0, 6)), y, 0))
    return Item(name="cutlery", class_name="metal", material="steel", parts=tuple(parts))


@register("rods", "clutter", weight=0.2)
def rods(rng: np.random.Generator) -> Item:
    """Return a bundle of thin metal rods: tent pegs, knitting needles, skewers."""
    long, radius = rng.uniform(150, 300), rng.uniform(1.4, 3.2)
    metal = str(rng.choice(["steel", "steel", "aluminium"]))
    parts = []
    for number in range(int(rng.integers(8, 20))):
        y, z = float(rng.normal(0, 11)), (2 * radius + 0.4) * (number % 6)
        lean = float(rng.normal(0, 3.5))
        parts.append(
            rod(
                (long * rng.uniform(0.85, 1.0), radius), metal, (rng.normal(0, 6), y, z), None, lean
            )
        )
    return Item(name="rods", class_name="metal", material=metal, parts=tuple(parts))


@register("glasses", "clutter", weight=0.4)
def glasses(rng: np.random.Generator) -> Item:
    """Return spectacles, folded, in a case or bare: rims, lenses, bridge, temples, hinges."""
    metal, lens = str(rng.choice(["steel", "titanium", "abs"])), vary(rng, 50)
    thick = 2.2 if metal == "abs" else 1.2
    glass = "pmma" if rng.random() < 0.6 else "glass"
    high, half = lens * rng.uniform(0.65, 0.9), lens / 2 + 9
    parts = [hoop((18, 9, 4), thick, metal, (0, -high * 0.2, 0))]
    for side in (-1, 1):
        at = (side * half, 0.0, 0.0)
        parts.append(hoop((lens, high, high * 0.42), thick, metal, at))
        parts.append(plate([circle(lens / 2 - thick, 18, high / 2 - thick)], 2.0, glass, at))
        arm = (lens * 2.1, 3.4, 3.0)
        lean = (side * float(rng.uniform(2, 8)), 0.0, 0.0)
        parts.append(box(arm, metal, (-side * 6, high * 0.1 * side, 6 + 4 * side), turn_deg=lean))
        parts.append(disc(2.2, 4, "steel", (side * (half + lens / 2 + 3), -high * 0.15, 0)))
    if rng.random() < 0.5:
        parts.append(hoop((lens * 2.7, high * 1.5, high * 0.6), 2.6, "leather", (0, 0, 0)))
        parts.append(rod((lens * 2.0, 1.2), "steel", (0, high * 0.78 + 5, 0)))
    return Item(name="glasses", class_name="metal", material=metal, parts=tuple(parts))


@register("hanger", "clutter", weight=0.25)
def hanger(rng: np.random.Generator) -> Item:
    """Return a clothes hanger: bent steel wire, or plastic with a steel hook."""
    wide, drop = rng.uniform(300, 380), rng.uniform(75, 95)
    metal = rng.random() < 0.6
    material, radius = ("steel", 1.6) if metal else ("polypropylene", 5.0)
    slope = float(np.degrees(np.arctan2(drop, wide / 2)))
    arm = float(np.hypot(drop, wide / 2))
    parts = [rod((wide * 0.97, radius), material, (0, drop / 2, 0))]
    for side in (-1, 1):
        parts.append(
            rod((arm * 0.97, radius), material, (side * wide / 4, 0, 0), None, side * slope)
        )
    parts.append(rod((26, 1.7), "steel", (0, -drop / 2 - 13, 0), None, 90))
    ring = hoop((34, 34, 17), 1.7, "steel", (0, -drop / 2 - 42, 0))
    return Item(name="hanger", class_name="metal", material=material, parts=(*parts, ring))


@register("jewellery", "clutter", weight=0.3)
def jewellery(rng: np.random.Generator) -> Item:
    """Return rings, a bangle and a fine chain of beads."""
    radius = rng.uniform(27, 33)
    parts = [hoop((2 * radius, 2 * radius, radius), 2.0, str(rng.choice(["brass", "copper"])))]
    for number in range(int(rng.integers(1, 4))):
        at = (float(rng.uniform(-30, 30)), float(rng.uniform(-20, 20)), 5.0 + 3 * number)
        parts.append(hoop((18, 18, 9), 1.3, "brass", at))
        parts.append(
            Part(shape=Ellipsoid((2.6, 2.6, 2.0)), material="glass", at=(at[0] + 12, at[1], at[2]))
        )
    count = int(rng.integers(18, 30))
    for number in range(count):
        angle = 2 * np.pi * number / count
        reach = 46 * (1 + 0.15 * np.cos(3 * angle))
        at = (reach * np.cos(angle) + 20, reach * np.sin(angle) * 0.7, 0.0)
        parts.append(Part(shape=Ellipsoid((2.6, 2.6, 2.6)), material="brass", at=at))
    return Item(name="jewellery", class_name="metal", material="brass", parts=tuple(parts))


@register("watch", "clutter", weight=0.45)
def watch(rng: np.random.Generator) -> Item:
    """Return a wrist watch laid open: steel case, works, cell, glass, band with buckle."""
    radius = rng.uniform(17, 22)
    parts = [
        disc(radius, 9, "steel"),
        disc(radius - 2.2, 7, "air", (0, 0, 0), "steel"),
        disc(radius - 6, 3, "brass", (0, 0, 0), "air"),
        disc(radius - 2.5, 1.4, "glass", (0, 0, 2.6), "air"),
        rod((5, 3), "steel", (0, radius + 2.5, 0), None, 90),
    ]
    links = rng.random() < 0.5
    for side in (-1, 1):
        for number in range(8):
            wide = 19.0 - 0.5 * number
            at = (side * (radius + 5 + 8.4 * number), 0.0, 0.0)
            if links:
                parts.append(box((7.2, wide, 2.6), "steel", at))
            else:
                parts.append(box((8.4, wide, 3.2), "leather", at))
    parts.append(hoop((14, 20, 4), 1.2, "steel", (radius + 78, 0, 0)))
    return Item(name="watch", class_name="metal", material="steel", parts=tuple(parts))


@register("padlock", "clutter", weight=0.3)
def padlock(rng: np.random.Generator) -> Item:
    """Return a padlock: brass body with a cylinder, shackle of hardened steel."""
    wide = rng.uniform(28, 46)
    parts = (
        box((wide, wide * 0.85, 13), "brass"),
        rod((wide * 0.6, 4.5), "steel", (0, wide * 0.1, 0), "brass", 90),
        box((wide * 0.5, 4, 6), "air", (0, -wide * 0.3, 0), "brass"),
        hoop(
            (wide * 0.62, wide * 1.1, wide * 0.31),
            wide * 0.07,
            "steel",
            (0, -wide * 0.43 - wide * 0.5, 0),
        ),
    )
    return Item(name="padlock", class_name="metal", material="brass", parts=parts)
