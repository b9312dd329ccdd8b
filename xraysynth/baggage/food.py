"""Food and drink: bottle, can, flask, fruit, boxes and bags of food."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, heap, register, rod, vary
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


@register("bottle", "clutter", weight=3.0)
def bottle(rng: np.random.Generator) -> Item:
    """Return a bottle on its side, filled: body, rounded shoulder, neck, lid."""
    walls = [("pet", 0.6), ("glass", 3.0), ("steel", 0.5)]
    material, wall = walls[int(rng.choice(3, p=[0.75, 0.12, 0.13]))]
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


@register("can", "clutter", weight=0.5)
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


@register("flask", "clutter", weight=0.4)
def flask(rng: np.random.Generator) -> Item:
    """Return a vacuum flask: two steel walls with nothing between, drink, screw lid, cup."""
    long, radius = rng.uniform(150, 220), rng.uniform(31, 40)
    fill = rng.uniform(0.0, 0.9)
    inside, inner = radius - 5.0, long - 14.0
    parts = [
        rod((long, radius), "steel"),
        rod((long - 1, radius - 0.45), "air", replaces="steel"),
        rod((inner, inside), "steel", (5, 0, 0), "air"),
        rod((inner - 1, inside - 0.45), "air", (5, 0, 0), "steel"),
        rod((34, radius - 2), "polypropylene", (long / 2 + 17, 0, 0)),
        rod((30, radius - 5), "air", (long / 2 + 17, 0, 0), "polypropylene"),
    ]
    if fill > 0.2:
        drink = ((inner - 2) * fill, inside - 0.5)
        parts.append(rod(drink, "water", (5 - (inner - 2) * (1 - fill) / 2, 0, 0), "air"))
    return Item(name="flask", class_name="liquid", material="steel", parts=tuple(parts))


@register("fruit", "clutter", weight=2.5)
def fruit(rng: np.random.Generator) -> Item:
    """Return loose fruit: apples with core, or oranges, or a few small ones."""
    radius, count = rng.uniform(20, 40), int(rng.integers(2, 6))
    radius = min(radius, 88.0 / count + 8)
    parts: list[Part] = []
    for number in range(count):
        x = (number % 3 - 1) * 2.25 * radius
        y = (number // 3) * 2.25 * radius + float(rng.normal(0, 2))
        k, flat = rng.uniform(0.85, 1.0), rng.uniform(0.86, 1.0)
        parts.append(
            Part(
                shape=Ellipsoid((radius * k, radius * k * flat, radius * k)),
                material="fruit",
                at=(x, y, 0),
            )
        )
        core = (radius * 0.28, radius * 0.4, radius * 0.28)
        parts.append(Part(shape=Ellipsoid(core), material="air", replaces="fruit", at=(x, y, 0)))
        seed = (radius * 0.2, radius * 0.3, radius * 0.2)
        parts.append(Part(shape=Ellipsoid(seed), material="wood", replaces="air", at=(x, y, 0)))
    return Item(name="fruit", class_name="organic", material="fruit", parts=tuple(parts))


@register("food_box", "clutter", weight=2.0)
def food_box(rng: np.random.Generator) -> Item:
    """Return a plastic box with a clip lid: rice and pieces, or a row of biscuits."""
    wide, high, thick = rng.uniform(130, 190), rng.uniform(95, 130), rng.uniform(45, 65)
    parts = [
        box((wide, high, thick), "polypropylene"),
        box((wide - 3, high - 3, thick - 3), "air", (0, 0, 0), "polypropylene"),
        box((wide + 9, high + 9, 4), "polypropylene", (0, 0, thick / 2 + 2)),
    ]
    if rng.random() < 0.5:
        filling = heap(rng, (wide * 0.93, high * 0.92, thick * 0.7), "fruit", "grain")
        parts.append(Part(shape=filling.shape, material="fruit", replaces="air", at=(0, 0, -2)))
    else:
        count = int(rng.integers(6, 11))
        for number in range(count):
            x = wide * 0.9 * ((number + 0.5) / count - 0.5)
            parts.append(
                rod((wide * 0.75 / count, thick * 0.42), "wood", (x, high * 0.2, 0), "air")
            )
            parts.append(
                rod((wide * 0.75 / count, thick * 0.42), "wood", (x, -high * 0.22, 0), "air")
            )
    return Item(name="food_box", class_name="organic", material="fruit", parts=tuple(parts))


@register("snack_bag", "clutter", weight=2.0)
def snack_bag(rng: np.random.Generator) -> Item:
    """Return a bag of nuts, sweets or crisps: granular, with a welded seam at both ends."""
    wide, high, thick = rng.uniform(110, 190), rng.uniform(90, 140), rng.uniform(18, 45)
    filling = str(rng.choice(["wood", "wood", "fruit"]))
    texture = str(rng.choice(["grain", "grain", "crumbs"]))
    parts = [heap(rng, (wide, high, thick), filling, texture)]
    for side in (-1, 1):
        parts.append(box((8, high * 0.9, 1.2), "pet", (side * (wide / 2 + 5), 0, 0)))
    return Item(
        name="snack_bag", class_name="organic", material=filling, parts=tuple(parts), soft=True
    )
