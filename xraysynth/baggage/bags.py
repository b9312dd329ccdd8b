"""Containers: hard case and soft bag."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Item, box, disc, plate, register, rod, waves
from xraysynth.baggage.outlines import moved, rounded
from xraysynth.scanner.projection import Part
from xraysynth.scanner.shapes import Cloth


def shell(
    size: tuple[float, float, float], radius: float, wall: float, material: str
) -> list[Part]:
    """Return a hollow container with rounded outline."""
    wide, high, deep = size
    return [
        plate([rounded(wide, high, radius, 4)], deep, material),
        plate(
            [rounded(wide - 2 * wall, high - 2 * wall, radius, 4)],
            deep - 2 * wall,
            "air",
            replaces=material,
        ),
    ]


def band(
    size: tuple[float, float], radius: float, cross: tuple[float, float], material: str, z: float
) -> Part:
    """Return a frame of flat band, `cross` = (width, thickness), that follows the outline."""
    loops = [
        rounded(*size, radius, 4),
        rounded(size[0] - 2 * cross[0], size[1] - 2 * cross[0], radius, 4),
    ]
    return plate(loops, cross[1], material, (0, 0, z))


def lining(rng: np.random.Generator, half: tuple[float, float, float], z: float) -> Part:
    """Return the wrinkled cloth that lines a bag."""
    return Part(shape=Cloth(half, waves(rng, 6, 9.0)), material="nylon", at=(0, 0, z))


@register("hard_case", "bag")
def hard_case(rng: np.random.Generator) -> Item:
    """Return a rigid trolley case: plastic shell, aluminium rails, wheels, zip, handle."""
    wide, high, deep = rng.uniform(430, 540), rng.uniform(310, 390), rng.uniform(170, 220)
    material = str(rng.choice(["polycarbonate", "abs", "polypropylene"]))
    parts = shell((wide, high, deep), rng.uniform(35, 60), rng.uniform(2.0, 3.0), material)
    parts.append(
        band((wide - 6, high - 6), 45, (rng.uniform(5, 8), rng.uniform(4, 9)), "aluminium", 0.0)
    )
    parts.append(lining(rng, (wide * 0.46, high * 0.46, 1.5), deep / 2 - 6))
    gap = high * rng.uniform(0.16, 0.26)
    for side in (-1, 1):
        y = side * gap
        # A rail is a channel: seen through its flat side it is one strip of a few millimetres.
        parts.append(box((wide * 0.86, 24, 3.5), "aluminium", (0, y, -deep / 2 + 6), "air"))
        corner = (wide / 2 + 14, side * high * 0.36, -deep / 2 + 20)
        parts.append(disc(22, 18, "rubber", corner))
        parts.append(disc(5, 20, "steel", corner, "rubber"))
        parts.append(
            box((16, 8, 5), "zinc", (rng.uniform(-0.4, 0.4) * wide, side * (high / 2 + 5), 0))
        )
    handle = [moved(rounded(26, 120, 10), (0, 0)), moved(rounded(14, 104, 7), (0, 0))]
    parts.append(plate(handle, 14, "polypropylene", (-wide / 2 - 13, 0, 0)))
    return Item(name="hard_case", class_name="bag", material=material, parts=tuple(parts))


@register("soft_bag", "bag")
def soft_bag(rng: np.random.Generator) -> Item:
    """Return a nylon bag: two wire frames, padding, zip with pulls, carrying handle."""
    wide, high, deep = rng.uniform(400, 520), rng.uniform(300, 390), rng.uniform(160, 220)
    radius = rng.uniform(40, 90)
    parts = shell((wide, high, deep), radius, rng.uniform(0.8, 1.4), "nylon")
    for z in (-0.36, 0.36):
        size = (wide - rng.uniform(6, 26), high - rng.uniform(6, 26))
        parts.append(
            band(size, radius, (rng.uniform(4.5, 6), rng.uniform(0.8, 1.6)), "steel", z * deep)
        )
    parts.append(band((wide - 2, high - 2), radius, (5, 4), "nylon", 0.0))
    parts.append(box((wide * 0.8, high * 0.7, 2.5), "polyethylene", (0, 0, -deep / 2 + 4), "air"))
    parts.append(lining(rng, (wide * 0.48, high * 0.48, 2.0), deep / 2 - 6))
    for _ in range(int(rng.integers(2, 5))):
        angle = rng.uniform(0, 2 * np.pi)
        at = (0.5 * wide * np.cos(angle), 0.5 * high * np.sin(angle), rng.uniform(-20, 20))
        parts.append(rod((22, 3.2), "zinc", at, yaw_deg=float(rng.uniform(0, 180))))
    reach, loop = rng.uniform(120, 170), rng.uniform(40, 60)
    handle = [rounded(reach, loop * 2, loop), rounded(reach - 24, loop * 2 - 24, loop)]
    parts.append(plate(handle, 8, "nylon", (0, -high / 2 - loop * 0.3, 0)))
    return Item(name="soft_bag", class_name="bag", material="nylon", parts=tuple(parts))
