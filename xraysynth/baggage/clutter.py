"""Harmless things: electronics, liquids, soft goods, metal goods."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, plate, register, rod, vary, waves
from xraysynth.baggage.outlines import circle, moved, rectangle, rounded, strip
from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Cloth, Ellipsoid


def chips(rng: np.random.Generator, size: tuple[float, float], n_chips: int) -> Prism:
    """Return small components spread over a board, of one height."""
    loops = []
    for _ in range(n_chips):
        wide, high = rng.uniform(0.02, 0.13, 2) * min(size)
        at = rng.uniform(-0.45, 0.45, 2) * np.array(size)
        loops.append(rectangle(wide, high, (float(at[0]), float(at[1]))))
    return Prism(tuple(loops), 1.2, islands=True)


@register("laptop", "clutter")
def laptop(rng: np.random.Generator) -> Item:
    """Return a closed laptop: shell, screen, board with chips, cells, disk, hinge."""
    wide, high, thick = vary(rng, 310), vary(rng, 215), rng.uniform(17, 26)
    shell, wall = ("aluminium", 0.8) if rng.random() < 0.4 else ("abs", 2.0)
    outline = rounded(wide, high, 12, 3)
    inner = rounded(wide - 2 * wall, high - 2 * wall, 10, 3)
    board = (wide * rng.uniform(0.45, 0.6), high * rng.uniform(0.4, 0.5))
    board_at = (-wide * 0.15, -high * 0.18, 0.0)
    parts = [
        plate([outline], thick, shell),
        plate([inner], thick - 2 * wall, "air", replaces=shell),
        box((wide * 0.95, high * 0.92, 1.4), "glass", (0, 0, thick / 2 - wall - 1), "air"),
        box((*board, 1.6), "board", board_at, "air"),
        Part(
            shape=chips(rng, board, 16), material="silicon", at=(*board_at[:2], 3.0), replaces="air"
        ),
        Part(
            shape=chips(rng, board, 12), material="copper", at=(*board_at[:2], -3.0), replaces="air"
        ),
        box((wide * 0.22, high * 0.3, 7), "aluminium", (wide * 0.33, high * 0.25, 0), "air"),
        disc(high * 0.09, 5, "steel", (wide * 0.33, high * 0.25, 0), "aluminium"),
        disc(high * 0.1, 5, "copper", (wide * 0.3, -high * 0.28, 0), "air"),
        disc(high * 0.085, 5, "air", (wide * 0.3, -high * 0.28, 0), "copper"),
        rod((wide * 0.8, 2.2), "steel", (0, -high * 0.47, 0), "air"),
    ]
    cells = int(rng.integers(3, 5))
    for index in range(cells):
        x = (index - (cells - 1) / 2) * wide * 0.15 - wide * 0.12
        parts.append(box((wide * 0.14, high * 0.28, 6.5), "li_ion", (x, high * 0.28, 0), "air"))
    return Item(name="laptop", class_name="electronics", material=shell, parts=tuple(parts))


@register("phone", "clutter")
def phone(rng: np.random.Generator) -> Item:
    """Return a telephone: case, glass, battery, board, camera."""
    high, wide, thick = vary(rng, 150), vary(rng, 72), rng.uniform(7.5, 9.5)
    parts = [
        plate([rounded(wide, high, 9, 3)], thick, "aluminium"),
        plate([rounded(wide - 3, high - 3, 8, 3)], thick - 1, "air", replaces="aluminium"),
        box((wide * 0.92, high * 0.92, 1.6), "glass", (0, 0, 2.5), "air"),
        box((wide * 0.55, high * 0.55, 4.2), "li_ion", (-wide * 0.12, high * 0.1, -0.6), "air"),
        box((wide * 0.28, high * 0.7, 1.4), "board", (wide * 0.32, 0, -1), "air"),
        disc(5, 4, "steel", (wide * 0.28, -high * 0.38, -1), "air"),
        disc(6, 3, "copper", (-wide * 0.25, -high * 0.38, -1), "air"),
    ]
    return Item(name="phone", class_name="electronics", material="aluminium", parts=tuple(parts))


@register("charger", "clutter")
def charger(rng: np.random.Generator) -> Item:
    """Return a mains adapter with transformer, and its coiled cable."""
    wide, high = vary(rng, 85), vary(rng, 48)
    parts = [
        plate([rounded(wide, high, 6, 3)], 30, "abs"),
        plate([rounded(wide - 5, high - 5, 4, 3)], 25, "air", replaces="abs"),
        box((wide * 0.35, high * 0.6, 18), "copper", (-wide * 0.15, 0, 0), "air"),
        box((wide * 0.2, high * 0.35, 18), "steel", (-wide * 0.15, 0, 0), "copper"),
        box((wide * 0.85, high * 0.8, 1.6), "board", (0, 0, -11), "air"),
        disc(6, 16, "aluminium", (wide * 0.25, high * 0.15, 0), "air"),
    ]
    radius = rng.uniform(35, 55)
    for turns in range(3):
        outer = radius + 5 * turns
        ring = [circle(outer, 24, outer * 0.7), circle(outer - 4, 24, outer * 0.7 - 4)]
        core = [circle(outer - 1, 24, outer * 0.7 - 1), circle(outer - 3, 24, outer * 0.7 - 3)]
        at = (wide / 2 + radius * 0.8, 8.0 * turns, 8.0 * turns - 8)
        parts.append(plate(ring, 4, "pvc", at))
        parts.append(plate(core, 1.4, "copper", at, "pvc"))
    return Item(name="charger", class_name="electronics", material="copper", parts=tuple(parts))


@register("bottle", "clutter")
def bottle(rng: np.random.Generator) -> Item:
    """Return a bottle on its side, filled: body, rounded shoulder, neck, lid."""
    walls = [("pet", 0.6), ("glass", 3.0), ("steel", 0.5)]
    material, wall = walls[int(rng.choice(3, p=[0.6, 0.2, 0.2]))]
    long, radius = vary(rng, 130), vary(rng, 33)
    liquid = str(rng.choice(["water", "water", "ethanol", "cream"]))
    parts = [
        rod((long, radius), material),
        rod((long - wall, radius - wall), liquid, (wall / 2, 0, 0), material),
    ]
    # The shoulder is a stair of short cylinders; beyond it the neck.
    end = long / 2
    for share, step in ((0.95, 6.0), (0.85, 6.0), (0.7, 6.0), (0.52, 6.0), (0.36, 24.0)):
        at = (end + step / 2, 0.0, 0.0)
        parts.append(rod((step, radius * share), material, at))
        parts.append(rod((step, radius * share - wall), liquid, at, material))
        end += step
    lid = "polypropylene" if material == "pet" else "aluminium"
    parts.append(rod((14, radius * 0.36 + 1.5), lid, (end + 7, 0, 0)))
    return Item(name="bottle", class_name="liquid", material=liquid, parts=tuple(parts))


@register("clothes", "clutter")
def clothes(rng: np.random.Generator) -> Item:
    """Return folded clothes: a heap of uneven height, with a zip or buttons."""
    size = (rng.uniform(80, 160), rng.uniform(65, 125), rng.uniform(9, 26))
    parts = [Part(shape=Cloth(size, waves(rng, 8, 4.5)), material="cotton")]
    if rng.random() < 0.4:
        parts.append(
            box((size[0] * rng.uniform(0.5, 1), 4, 1.5), "brass", (0, size[1] * 0.3, 0), "cotton")
        )
    else:
        for index in range(int(rng.integers(0, 5))):
            at = (size[0] * (index * 0.3 - 0.6), size[1] * 0.1, 0.0)
            parts.append(disc(5.5, 2.5, str(rng.choice(["brass", "nylon"])), at, "cotton"))
    return Item(name="clothes", class_name="organic", material="cotton", parts=tuple(parts))


@register("book", "clutter")
def book(rng: np.random.Generator) -> Item:
    """Return a closed book."""
    wide, high, thick = rng.uniform(105, 170), rng.uniform(150, 230), rng.uniform(12, 40)
    parts = (
        box((wide, high, thick), "paper"),
        box((wide * 0.98, high * 0.97, thick - 4), "cotton", (2, 0, 0), "paper")
        if rng.random() < 0.3
        else box((4, high, thick), "leather", (-wide / 2 - 2, 0, 0)),
    )
    return Item(name="book", class_name="organic", material="paper", parts=parts)


@register("shoe", "clutter")
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
        plate([upper * 0.94 + [0, 2]], 74, "air", replaces="leather"),
        box((long * 0.35, 2.0, 14), "steel", (-long * 0.1, high * 0.39, 0), "rubber"),
    ]
    for index in range(4):
        at = (-long * 0.1 + index * long * 0.08, -high * (0.22 - 0.06 * index), 20.0)
        parts.append(disc(3.5, 2, "brass", at, "air"))
    return Item(name="shoe", class_name="organic", material="rubber", parts=tuple(parts))


@register("keys", "clutter")
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


@register("can", "clutter")
def can(rng: np.random.Generator) -> Item:
    """Return a drinks can or a food tin on its side."""
    long, radius = vary(rng, 118), vary(rng, 33)
    wall_material, wall = ("aluminium", 0.25) if rng.random() < 0.5 else ("steel", 0.3)
    parts = (
        rod((long, radius), wall_material),
        rod((long - 1.0, radius - wall), "water", replaces=wall_material),
        rod((3, radius), wall_material, (long / 2 + 1.5, 0, 0)),
    )
    return Item(name="can", class_name="liquid", material="water", parts=parts)


@register("umbrella", "clutter")
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


@register("cosmetics", "clutter")
def cosmetics(rng: np.random.Generator) -> Item:
    """Return a tube or jar of cream."""
    if rng.random() < 0.5:
        parts: tuple[Part, ...] = (
            disc(vary(rng, 32), vary(rng, 45), "glass"),
            disc(26, 38, "cream", replaces="glass"),
        )
    else:
        long = vary(rng, 120)
        parts = (
            Part(shape=Ellipsoid((long / 2, 24, 14)), material="cream"),
            rod((22, 10), "polypropylene", (long / 2 + 9, 0, 0)),
        )
    return Item(name="cosmetics", class_name="liquid", material="cream", parts=parts)


@register("belt", "clutter")
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
