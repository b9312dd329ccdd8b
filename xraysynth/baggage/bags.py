"""Containers: hard case, soft trolley, backpack, handbag, tray; new, worn and dented."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.fittings import (
    carrying_handle,
    folds,
    pads,
    pulls,
    rails,
    screws,
    seams,
    wheels,
)
from xraysynth.baggage.items import (
    Item,
    Point,
    box,
    dented,
    heap,
    hoop,
    plate,
    register,
    rod,
    texture_of,
)
from xraysynth.baggage.outlines import moved, rounded
from xraysynth.baggage.sheets import Outline, Skin, Wire
from xraysynth.scanner.projection import Part


def skin(
    rng: np.random.Generator, outline: Outline, size: Point, material: str, texture: str
) -> Part:
    """Return the skin of a bag; `size` = (depth, rounding, wall) in mm."""
    deep, edge, wall = size
    faces = (texture_of(rng, texture), texture_of(rng, texture))
    shape = Skin(outline=outline, deep=deep, edge=min(edge, deep / 2), wall=wall, textures=faces)
    return Part(shape=shape, material=material)


def rim(outline: Outline, inset: float, radius: float, material: str, z: float) -> Part:
    """Return a wire or piping that follows a bag's outline, `inset` mm inside it."""
    inner = Outline(
        half=(outline.half[0] - inset, outline.half[1] - inset),
        radius=max(outline.radius - inset, radius),
        radius_far=max(outline.radius_far - inset, radius) if outline.radius_far else 0.0,
        taper=outline.taper,
        dents=outline.dents,
    )
    return Part(shape=Wire(outline=inner, radius=radius), material=material, at=(0, 0, z))


def _bag(name: str, material: str, parts: list[Part]) -> Item:
    """Return a bag; its skin comes first, so that packing knows its inside."""
    return Item(name=name, class_name="bag", material=material, parts=tuple(parts))


@register("hard_case", "bag", weight=1.2)
def hard_case(rng: np.random.Generator) -> Item:
    """Return a rigid trolley case: plastic shell, frame, rails, four wheels, zip, lining."""
    wide, high, deep = rng.uniform(460, 580), rng.uniform(330, 410), rng.uniform(200, 280)
    material = str(rng.choice(["polycarbonate", "abs", "polypropylene"]))
    outline = Outline(
        half=(wide / 2, high / 2),
        radius=float(rng.uniform(40, 75)),
        dents=dented(rng, 3.0, (wide, high)) if rng.random() < 0.4 else (),
    )
    wall = rng.uniform(1.8, 3.2)
    parts = [skin(rng, outline, (deep, rng.uniform(30, 60), wall), material, "panel")]
    if rng.random() < 0.4:
        # Without a zip, two aluminium profiles close on each other.
        cross = (rng.uniform(2.0, 3.0), rng.uniform(5, 11))
        parts += [rim(outline, inset, cross[0], "aluminium", 0.0) for inset in (4.0, cross[1] + 4)]
    else:
        parts.append(rim(outline, 3.0, 2.4, "nylon", 0.0))
        parts.append(rim(outline, 3.0, 0.5, "steel", 6.0))
    if rng.random() < 0.5:
        parts.append(rim(outline, rng.uniform(9, 16), rng.uniform(0.5, 0.9), "steel", -deep / 4))
    parts += folds(rng, (wide, high), deep)
    parts += rails(rng, (wide, high, deep), bool(rng.random() < 0.55))
    parts += wheels(rng, (wide, high, deep), 4)
    parts += screws(rng, (wide, high, deep), int(rng.integers(12, 30)))
    parts += pulls(rng, outline, int(rng.integers(2, 5)))
    parts += carrying_handle((0, -high / 2 - 9), 0.0)
    return _bag("hard_case", material, parts)


@register("soft_bag", "bag", weight=2.4)
def soft_bag(rng: np.random.Generator) -> Item:
    """Return a nylon trolley with rails and two wheels, or a holdall: piping, pockets, zips."""
    wide, high, deep = rng.uniform(430, 540), rng.uniform(320, 400), rng.uniform(190, 280)
    trolley = bool(rng.random() < 0.65)
    cloth, most = ("nylon", 3.2) if rng.random() < 0.7 else ("coated_nylon", 1.4)
    outline = Outline(
        half=(wide / 2, high / 2),
        radius=float(rng.uniform(25, 70) if trolley else rng.uniform(40, 150)),
        taper=0.0 if trolley else float(rng.uniform(-0.15, 0.15)),
        dents=dented(rng, 12.0 if trolley else 25.0, (wide, high)),
    )
    parts = [
        skin(
            rng,
            outline,
            (deep, rng.uniform(25, 70), rng.uniform(0.4 * most, most)),
            cloth,
            "nylon",
        )
    ]
    for z in (-0.38, 0.38):
        inset, radius = rng.uniform(5, 14), rng.uniform(0.5, 1.0)
        if rng.random() < 0.6:
            parts.append(rim(outline, inset, radius, "steel", z * deep))
        parts.append(rim(outline, inset - 3.5, 2.2, "pvc", z * deep))
    parts += folds(rng, (wide, high), deep)
    parts += pads(rng, (wide, high), deep) + seams(rng, (wide, high), deep)
    # A pocket in front, closed by a zip of its own.
    pocket = (wide * rng.uniform(0.5, 0.8), high * rng.uniform(0.5, 0.8), 30.0)
    shift = (wide * rng.uniform(-0.08, 0.08), high * rng.uniform(-0.06, 0.06), deep / 2 - 4)
    parts.append(hoop(pocket, 1.8, "nylon", shift))
    if trolley:
        parts += rails(rng, (wide, high, deep), bool(rng.random() < 0.5))
        parts += wheels(rng, (wide, high, deep), 2)
        parts += screws(rng, (wide, high, deep), int(rng.integers(8, 22)))
    else:
        parts.append(
            heap(rng, (wide * 0.9, high * 0.85, 4), "polyethylene", "panel", (0, 0, -deep / 2 + 5))
        )
    parts += pulls(rng, outline, int(rng.integers(4, 11)))
    parts += carrying_handle((0, -high / 2 - 12), 0.0)
    return _bag("soft_bag", cloth, parts)


@register("backpack", "bag", weight=1.8)
def backpack(rng: np.random.Generator) -> Item:
    """Return a backpack: arched top, padded back, shoulder straps with buckles, front pocket."""
    wide, high, deep = rng.uniform(320, 380), rng.uniform(430, 510), rng.uniform(170, 260)
    cloth, most = ("nylon", 3.2) if rng.random() < 0.7 else ("coated_nylon", 1.4)
    outline = Outline(
        half=(wide / 2, high / 2),
        radius=float(rng.uniform(0.3, 0.49) * wide),
        radius_far=float(rng.uniform(30, 120)),
        taper=float(-rng.uniform(0.0, 0.2)),
        dents=dented(rng, 20.0, (wide, high)),
    )
    parts = [
        skin(
            rng,
            outline,
            (deep, rng.uniform(40, 75), rng.uniform(0.35 * most, 0.8 * most)),
            cloth,
            "nylon",
        )
    ]
    parts += [
        rim(outline, 6.0 + 9 * index, 1.7, "nylon", z * deep)
        for index, z in enumerate((-0.3, 0.1, 0.35))
    ]
    parts += folds(rng, (wide, high), deep)
    parts += pads(rng, (wide, high), deep) + seams(rng, (wide, high), deep)
    back = (wide * 0.8, high * 0.85, 9.0)
    parts.append(heap(rng, back, "cotton", "crumbs", (0, 0, -deep / 2 + 6)))
    parts.append(hoop((wide * 0.72, high * 0.42, 45), 2.0, "nylon", (0, high * 0.2, deep / 2 - 3)))
    for side in (-1, 1):
        strap = (side * wide * rng.uniform(0.2, 0.34), high * rng.uniform(-0.1, 0.1), -deep / 2 - 6)
        parts.append(heap(rng, (62, high * rng.uniform(0.75, 1.0), 12), "cotton", "crumbs", strap))
        parts.append(
            box((22, high * 0.5, 1.6), "nylon", (strap[0] + side * 14, high * 0.3, strap[2]))
        )
        buckle = (strap[0] + side * 12, high * rng.uniform(0.1, 0.4), strap[2] - 4)
        parts.append(hoop((26, 20, 4), 2.2, str(rng.choice(["zinc", "abs", "abs"])), buckle))
    parts.append(hoop((70, 50, 25), 4.0, "nylon", (0, -high / 2 - 8, -deep / 4)))
    parts += pulls(rng, outline, int(rng.integers(4, 11)))
    return _bag("backpack", cloth, parts)


@register("handbag", "bag", weight=0.9)
def handbag(rng: np.random.Generator) -> Item:
    """Return a leather handbag: narrow top, metal-framed clasp, rings, two carrying loops."""
    wide, high, deep = rng.uniform(370, 440), rng.uniform(290, 340), rng.uniform(120, 190)
    leather = str(rng.choice(["leather", "leather", "pvc"]))
    outline = Outline(
        half=(wide / 2, high / 2),
        radius=float(rng.uniform(25, 60)),
        radius_far=float(rng.uniform(50, 90)),
        taper=float(-rng.uniform(0.05, 0.16)),
        dents=dented(rng, 8.0, (wide, high)),
    )
    parts = [
        skin(rng, outline, (deep, rng.uniform(30, 55), rng.uniform(1.4, 2.8)), leather, "nylon")
    ]
    parts.append(rim(outline, 4.0, 2.0, leather, 0.25 * deep))
    top = -high / 2
    parts.append(box((wide * 0.72, 7, 3), "brass", (0, top + 12, 0)))
    parts.append(box((26, 14, 5), "zinc", (0, top + 16, 8)))
    parts += folds(rng, (wide * 0.9, high * 0.9), deep)
    parts += seams(rng, (wide * 0.9, high * 0.9), deep)
    # The loops stand upright or lie folded over the faces.
    reach, upright = rng.uniform(90, 130), rng.random() < 0.4
    y = top - 0.3 * reach if upright else top + 0.55 * reach
    for z in (-1, 1):
        loop = (wide * rng.uniform(0.4, 0.5), reach, 50.0)
        tilt = (float(rng.normal(0, 4)), 0.0, 0.0)
        parts.append(hoop(loop, 4.5, leather, (0, y, z * (deep / 2 + 6)), tilt))
        for side in (-1, 1):
            ring = (side * loop[0] / 2, top + 30, z * (deep / 2 + 6))
            parts.append(hoop((22, 22, 11), 1.8, "zinc", ring))
    for side in (-1, 1):
        for y in (-0.3, 0.4):
            parts.append(rod((4, 4), "brass", (side * wide * 0.42, y * high, deep * 0.3)))
    parts += pulls(rng, outline, int(rng.integers(1, 4)))
    return _bag("handbag", leather, parts)


@register("tray", "bag", weight=0.15)
def tray(rng: np.random.Generator) -> Item:
    """Return the open tub of a checkpoint: ribbed floor, thick rim, grips, a foam mat or none."""
    wide, high, deep = rng.uniform(500, 580), rng.uniform(360, 410), rng.uniform(150, 180)
    outline = Outline(half=(wide / 2, high / 2), radius=float(rng.uniform(35, 60)))
    parts = [skin(rng, outline, (deep, 26.0, 1.4), "polypropylene", "panel")]
    parts.append(rim(outline, -5.0, 4.0, "polypropylene", deep / 2 - 6))
    parts.append(rim(outline, 12.0, 2.0, "polypropylene", -deep / 2 + 4))
    for index in range(int(rng.integers(4, 8))):
        x = wide * (index * 0.12 - 0.36)
        parts.append(box((4, high * 0.84, 3), "polypropylene", (x, 0, -deep / 2 + 4)))
    for side in (-1, 1):
        grip = [rounded(22, 130, 10), rounded(10, 112, 5)]
        at = (side * (wide / 2 + 14), 0.0, deep / 2 - 8)
        parts.append(plate([moved(loop, (0, 0)) for loop in grip], 6, "polypropylene", at))
    return _bag("tray", "polypropylene", parts)
