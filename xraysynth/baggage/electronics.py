"""Electronic things: laptop, tablet, phone, camera, disk, headphones, dryer, cables."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, Point, box, disc, hoop, plate, register, rod, vary
from xraysynth.baggage.outlines import rectangle, rounded
from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Ellipsoid


def chips(rng: np.random.Generator, size: tuple[float, float], n_chips: int) -> Prism:
    """Return small components spread over a board, of one height."""
    loops = []
    for _ in range(n_chips):
        wide, high = rng.uniform(0.02, 0.13, 2) * min(size)
        at = rng.uniform(-0.45, 0.45, 2) * np.array(size)
        loops.append(rectangle(wide, high, (float(at[0]), float(at[1]))))
    return Prism(tuple(loops), 1.2, islands=True)


@register("laptop", "clutter", weight=0.3)
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


@register("phone", "clutter", weight=0.6)
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


@register("tablet", "clutter", weight=0.3)
def tablet(rng: np.random.Generator) -> Item:
    """Return a tablet: metal tray, glass, two large flat cells, narrow board, in a cover."""
    wide, high, thick = vary(rng, 245), vary(rng, 175), rng.uniform(7, 9)
    parts = [
        plate([rounded(wide, high, 11, 3)], thick, "aluminium"),
        plate([rounded(wide - 3, high - 3, 10, 3)], thick - 1.2, "air", replaces="aluminium"),
        box((wide * 0.95, high * 0.93, 1.3), "glass", (0, 0, thick / 2 - 1.5), "air"),
        box((wide * 0.07, high * 0.8, 1.3), "board", (-wide * 0.42, 0, -1), "air"),
        disc(4.5, 3, "steel", (-wide * 0.42, high * 0.42, -1), "air"),
        hoop((wide + 4, high + 4, 13), 1.8, "leather"),
    ]
    for side in (-1, 1):
        cell = (wide * 0.36, high * 0.72, 3.2)
        parts.append(box(cell, "li_ion", (wide * (0.02 + 0.195 * side), 0, -1), "air"))
    return Item(name="tablet", class_name="electronics", material="li_ion", parts=tuple(parts))


@register("charger", "clutter", weight=0.6)
def charger(rng: np.random.Generator) -> Item:
    """Return a mains adapter: transformer, capacitors, plug with two pins, coiled cable."""
    wide, high = vary(rng, 85), vary(rng, 48)
    parts = [
        plate([rounded(wide, high, 6, 3)], 30, "abs"),
        plate([rounded(wide - 5, high - 5, 4, 3)], 25, "air", replaces="abs"),
        box((wide * 0.28, high * 0.5, 14), "copper", (-wide * 0.15, 0, 2), "air"),
        box((wide * 0.14, high * 0.3, 14), "steel", (-wide * 0.15, 0, 2), "copper"),
        box((wide * 0.85, high * 0.8, 1.6), "board", (0, 0, -11), "air"),
        disc(6, 16, "aluminium", (wide * 0.25, high * 0.15, 0), "air"),
        disc(4, 12, "aluminium", (wide * 0.1, -high * 0.25, 0), "air"),
    ]
    for side in (-1, 1):
        parts.append(rod((19, 2.2), "brass", (-wide / 2 - 9.5, side * 9.5, 0)))
    parts += coil(rng, (wide / 2 + 50, 0.0, 0.0), rng.uniform(36, 52), int(rng.integers(3, 6)))
    return Item(name="charger", class_name="electronics", material="copper", parts=tuple(parts))


def coil(rng: np.random.Generator, at: Point, radius: float, turns: int) -> list[Part]:
    """Return loops of cable over each other: PVC with copper inside."""
    parts: list[Part] = []
    for number in range(turns):
        x, y = at[0] + rng.normal(0, 3), at[1] + rng.normal(0, 4)
        long = 2 * radius * rng.uniform(0.85, 1.15)
        size, middle = (long, long * rng.uniform(0.6, 0.9), long / 3), (x, y, at[2] + 4.2 * number)
        lean = (float(rng.normal(0, 14)), 0.0, 0.0)
        parts.append(hoop(size, 2.0, "pvc", middle, lean))
        core = hoop(size, 0.9, "copper", middle, lean)
        parts.append(
            Part(
                shape=core.shape,
                material="copper",
                replaces="pvc",
                at=middle,
                rotation=core.rotation,
            )
        )
    return parts


@register("cable", "clutter", weight=0.6)
def cable(rng: np.random.Generator) -> Item:
    """Return a coiled cable with a tie and two plugs."""
    radius = rng.uniform(30, 60)
    parts = coil(rng, (0, 0, 0), radius, int(rng.integers(3, 7)))
    for side in (-1, 1):
        at = (side * radius * 0.5, -radius - 22, 0.0)
        parts.append(box((13, 34, 7), "pvc", at))
        parts.append(box((10, 15, 4), "steel", (at[0], at[1] - 22, 0)))
        parts.append(box((9, 13, 3), "air", (at[0], at[1] - 22, 0), "steel"))
    return Item(name="cable", class_name="electronics", material="copper", parts=tuple(parts))


@register("headphones", "clutter", weight=0.5)
def headphones(rng: np.random.Generator) -> Item:
    """Return headphones: sprung steel band, two round cushions with magnet and coil."""
    wide = vary(rng, 165)
    arch = plate([_arch(wide / 2, 6.0)], 22, "abs", (0, 0, 0))
    spring = plate([_arch(wide / 2, 1.6)], 12, "steel", (0, 0, 0), "abs")
    parts = [arch, spring]
    for side in (-1, 1):
        x, y = side * wide * 0.47, 42.0
        parts.append(disc(34, 22, "abs", (x, y, 0)))
        parts.append(disc(31.5, 19, "air", (x, y, 0), "abs"))
        parts.append(disc(20, 5, "steel", (x, y, 0), "air"))
        parts.append(disc(12, 5, "copper", (x, y, 0), "steel"))
        parts.append(box((7, 26, 1.6), "board", (x + side * 24, y, 3), "air"))
        parts.append(hoop((56, 56, 28), 6.0, "rubber", (x, y, 17)))
    return Item(name="headphones", class_name="electronics", material="abs", parts=tuple(parts))


def _arch(radius: float, width: float) -> np.ndarray:
    """Return a half ring over the origin."""
    angle = np.linspace(np.pi, 2 * np.pi, 14)
    ring = np.stack([np.cos(angle), 1.1 * np.sin(angle)], axis=1)
    return np.concatenate([ring * (radius + width / 2), ring[::-1] * (radius - width / 2)])


@register("camera", "clutter", weight=0.4)
def camera(rng: np.random.Generator) -> Item:
    """Return a camera lying on its base: body, glass lenses in a barrel, cell, board, shutter."""
    wide, deep, high = vary(rng, 125), vary(rng, 48), vary(rng, 62)
    barrel, front = vary(rng, 62, 0.3), deep / 2
    parts = [
        box((wide, deep, high), "abs"),
        box((wide - 6, deep - 6, high - 6), "air", (0, 0, 0), "abs"),
        box((wide * 0.5, deep * 0.5, high * 0.7), "magnesium", (0, 0, 0), "air"),
        box((wide * 0.44, deep * 0.4, high * 0.6), "air", (0, 0, 0), "magnesium"),
        box((20, deep * 0.7, high * 0.7), "li_ion", (wide * 0.37, 0, 0), "air"),
        box((wide * 0.6, 1.6, high * 0.7), "board", (-wide * 0.08, -deep * 0.38, 0), "air"),
        rod((4, 9), "steel", (-wide * 0.35, 0, high / 2 + 2), None, 90),
    ]
    y = front + barrel / 2
    parts.append(rod((barrel, 31), "abs", (0, y, 0), None, 90))
    parts.append(rod((barrel, 28), "air", (0, y, 0), "abs", 90))
    parts.append(rod((8, 31.5), "aluminium", (0, front + barrel + 4, 0), None, 90))
    parts.append(rod((8, 28), "air", (0, front + barrel + 4, 0), "aluminium", 90))
    for share, thick in ((0.2, 5.0), (0.45, 7.0), (0.8, 9.0)):
        lens = Ellipsoid((26, thick, 26))
        parts.append(
            Part(shape=lens, material="glass", replaces="air", at=(0, front + share * barrel, 0))
        )
    for side in (-1, 1):
        parts.append(
            hoop((11, 9, 4), 1.3, "steel", (side * (wide / 2 + 5), deep * 0.2, high * 0.3))
        )
    return Item(name="camera", class_name="electronics", material="abs", parts=tuple(parts))


@register("hair_dryer", "clutter", weight=0.3)
def hair_dryer(rng: np.random.Generator) -> Item:
    """Return a hair dryer: barrel with fan motor and wound heater, handle with switch, cable."""
    long, radius = vary(rng, 175), vary(rng, 34)
    parts = [
        rod((long, radius), "abs"),
        rod((long, radius - 2.5), "air", (0, 0, 0), "abs"),
        rod((38, 15), "steel", (-long * 0.25, 0, 0), "air"),
        rod((30, 9), "copper", (-long * 0.25, 0, 0), "steel"),
    ]
    for number in range(6):
        at = (long * (0.02 + 0.065 * number), 0.0, 0.0)
        parts.append(rod((2.6, radius - 7), "steel", at, "air"))
        parts.append(rod((2.6, radius - 10), "air", at, "steel"))
    grip = vary(rng, 120)
    at = (-long * 0.22, radius + grip / 2, 0.0)
    parts.append(plate([rounded(36, grip, 12, 4)], 32, "abs", at))
    parts.append(plate([rounded(31, grip - 5, 10, 4)], 27, "air", at, "abs"))
    parts.append(box((16, 34, 12), "pvc", (at[0], at[1] - grip * 0.15, 0), "air"))
    parts.append(box((6, 22, 7), "copper", (at[0], at[1] - grip * 0.15, 0), "pvc"))
    parts += coil(rng, (long * 0.2, radius + 62, -14.0), 40.0, 4)
    return Item(name="hair_dryer", class_name="electronics", material="abs", parts=tuple(parts))


@register("hard_disk", "clutter", weight=0.3)
def hard_disk(rng: np.random.Generator) -> Item:
    """Return a disk drive: cast tray, round platter on a spindle, arm with magnet, board."""
    k = 1.0 if rng.random() < 0.6 else 0.69
    wide, high, thick = 102 * k, 146 * k, 25 * k
    y = -high * 0.14
    parts = [
        plate([rounded(wide, high, 4, 3)], thick, "aluminium"),
        plate([rounded(wide - 9, high - 9, 3, 3)], thick - 5, "air", replaces="aluminium"),
        disc(wide * 0.44, 3, "aluminium", (0, y, 2), "air"),
        disc(wide * 0.14, 13 * k, "steel", (0, y, -2 * k - 2), "air"),
        box((wide * 0.3, 8, 4), "steel", (wide * 0.16, high * 0.2, -3 * k - 1), "air", (-50, 0, 0)),
        disc(wide * 0.1, 9 * k, "steel", (wide * 0.28, high * 0.34, 0), "air"),
        box((wide * 0.34, high * 0.16, 8 * k), "steel", (-wide * 0.18, high * 0.36, 0), "air"),
        box((wide * 0.8, high * 0.5, 1.6), "board", (0, high * 0.2, -thick / 2 - 0.8)),
    ]
    return Item(
        name="hard_disk", class_name="electronics", material="aluminium", parts=tuple(parts)
    )


@register("circuit_board", "clutter", weight=0.45)
def circuit_board(rng: np.random.Generator) -> Item:
    """Return a bare computer board: chips, sockets, finned cooler, capacitors, a metal bracket."""
    wide, high = rng.uniform(150, 260), rng.uniform(110, 200)
    parts = [
        box((wide, high, 1.8), "board"),
        Part(shape=chips(rng, (wide, high), 22), material="silicon", at=(0, 0, 2.1)),
        Part(shape=chips(rng, (wide, high), 12), material="tin", at=(0, 0, -2.1)),
        box((3, high * 0.95, 18), "steel", (-wide / 2 - 1.5, 0, 5)),
    ]
    x, y, side = wide * rng.uniform(-0.1, 0.2), high * rng.uniform(-0.15, 0.1), rng.uniform(38, 60)
    parts.append(box((side, side, 4), "aluminium", (x, y, 5.4)))
    for number in range(7):
        fin = (1.6, side, 16.0)
        parts.append(box(fin, "aluminium", (x + side * (number / 6 - 0.5) * 0.95, y, 15.5)))
    for number in range(int(rng.integers(2, 5))):
        slot = (wide * 0.5, 6.0, 9.0)
        at = (wide * 0.12, high * (0.24 + 0.07 * number), 7.8)
        parts.append(box(slot, "nylon", at))
        parts.append(box((slot[0] * 0.95, 1.6, 6), "brass", at, "nylon"))
    for number in range(int(rng.integers(4, 10))):
        at = (wide * (0.4 - 0.06 * number), -high * 0.42, 8.0)
        parts.append(disc(4, 11, "aluminium", at))
    return Item(
        name="circuit_board", class_name="electronics", material="board", parts=tuple(parts)
    )
