"""What bags are fitted with: rails, wheels, screws, zip pulls, handles, lining; also worn."""

from __future__ import annotations

import numpy as np

from xraysynth.baggage.items import Point, box, dented, disc, heap, hoop, rod, vary
from xraysynth.baggage.sheets import Outline, Wire
from xraysynth.scanner.projection import Part, turn


def rails(rng: np.random.Generator, size: Point, steel: bool) -> list[Part]:
    """Return the two tubes of a telescopic handle along x, its grip and its cross piece."""
    wide, high, deep = size
    gap, z = high * rng.uniform(0.13, 0.24), -deep / 2 + 9
    metal, wall = ("steel", 0.55) if steel else ("aluminium", rng.uniform(0.9, 1.6))
    across, long = vary(rng, 23), wide * rng.uniform(0.7, 0.92)
    start = wide * 0.46 - long / 2
    bent = float(rng.normal(0, 0.5)) if rng.random() < 0.3 else 0.0
    parts: list[Part] = []
    for side in (-1, 1):
        at, lean = (start, side * gap, z), (bent * side, 0.0, 0.0)
        parts.append(box((long, across, 12), metal, at, turn_deg=lean))
        parts.append(box((long, across - 2 * wall, 12 - 2 * wall), "air", at, metal, lean))
        inner = (long * rng.uniform(0.6, 0.95), across - 2 * wall - 2, 8.5)
        parts.append(box(inner, "aluminium", at, "air", lean))
        parts.append(box((inner[0], inner[1] - 2, 6.5), "air", at, "aluminium", lean))
        for end in (-0.5, 0.5):
            at = (start + end * (long - 16), side * gap, z)
            parts.append(box((16, across + 7, 15), "filled_nylon", (at[0], at[1], z + 14)))
            parts.append(rod((9, 1.8), "steel", (at[0], at[1] + 5, z + 13), "filled_nylon", 90))
    grip = (-wide / 2 - 7, 0.0, z)
    parts.append(box((16, 2 * gap + across, 18), "filled_nylon", grip))
    parts.append(box((9, 26, 9), "steel", grip, "filled_nylon"))
    return parts


def wheels(rng: np.random.Generator, size: Point, count: int) -> list[Part]:
    """Return two or four wheels with steel axles at the end of a case; one may be lost."""
    wide, high, deep = size
    radius, twin = rng.uniform(20, 26), count == 4
    heights = (-deep / 2 + 24, deep / 2 - 24) if twin else (-deep / 2 + 18,)
    flat = bool(rng.random() < 0.5)
    parts: list[Part] = []
    for side in (-1, 1):
        for z in heights:
            if rng.random() < 0.04:
                continue
            at = (wide / 2 + radius * 0.75, side * high * vary(rng, 0.38, 0.05), z)
            parts.append(box((radius * 1.5, 40, 26), "filled_nylon", (at[0] - radius, at[1], z)))
            for x, y in rng.uniform(-1, 1, (3, 2)):
                screw = (at[0] - radius + 7 * x, at[1] + 12 * y, z)
                size_mm = (float(rng.uniform(8, 14)), float(rng.uniform(1.6, 2.6)))
                parts.append(rod(size_mm, "steel", screw, "filled_nylon", 90.0 * (x > 0)))
            parts += _wheel(at, radius * (0.85 if twin else 1.15), flat)
    return parts


def _wheel(at: Point, radius: float, flat: bool) -> list[Part]:
    """Return one wheel seen from its side, or a pair of wheels seen along the axle's middle."""
    x, y, z = at
    if flat:
        return [
            disc(radius, 15, "filled_rubber", at),
            disc(radius * 0.72, 15, "filled_nylon", at, "filled_rubber"),
            disc(radius * 0.3, 15, "steel", at, "filled_nylon"),
            disc(radius * 0.16, 15, "air", at, "steel"),
        ]
    pair = [rod((34, 3.2), "steel", (x, y, z), None, 90)]
    for side in (-1, 1):
        tyre = (x, y + side * 10.0, z)
        pair.append(rod((11, radius), "filled_rubber", tyre, None, 90))
        pair.append(rod((11, radius * 0.7), "filled_nylon", tyre, "filled_rubber", 90))
        pair.append(rod((11, 3.2), "air", tyre, "filled_nylon", 90))
    return pair


def screws(rng: np.random.Generator, size: Point, count: int) -> list[Part]:
    """Return screws and rivets of the frame, along the sides and the rails; some are missing."""
    wide, high, deep = size
    parts: list[Part] = []
    for number in range(count):
        if rng.random() < 0.1:
            continue
        x = wide * rng.uniform(-0.45, 0.45)
        y = high * float(rng.choice([-0.44, 0.44, *rng.uniform(-0.44, 0.44, 3)]))
        at = (x, y, -deep / 2 + 4.0)
        if number % 3:
            parts.append(disc(rng.uniform(2.2, 4.2), rng.uniform(3, 7), "steel", at))
        else:
            length = (rng.uniform(10, 20), rng.uniform(1.6, 2.4))
            parts.append(rod(length, "steel", at, None, float(90 * rng.integers(2))))
    return parts


def pulls(rng: np.random.Generator, outline: Outline, count: int) -> list[Part]:
    """Return zip sliders with hanging pulls, near the outline."""
    wide, high = outline.half
    parts: list[Part] = []
    for _ in range(count):
        angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.0)
        x, y = share * wide * np.cos(angle), share * high * np.sin(angle)
        z, yaw = float(rng.uniform(-12, 12)), float(rng.uniform(0, 360))
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        long = rng.uniform(16, 30)
        parts.append(box((11, 8, 5), "zinc", (x, y, z), turn_deg=(yaw, 0, 0)))
        middle = (x + c * (6 + long / 2), y + s * (6 + long / 2), z)
        if rng.random() < 0.5:
            parts.append(hoop((long, 7, 3.5), 1.1, "zinc", middle, (yaw, 0, 0)))
        else:
            parts.append(box((long, 6, 1.8), "zinc", middle, turn_deg=(yaw, 0, 0)))
    return parts


def carrying_handle(at: tuple[float, float], z: float) -> list[Part]:
    """Return a handle on a side along x, with the two plates that hold it."""
    parts = [hoop((120, 22, 11), 5.0, "filled_nylon", (*at, z))]
    for side in (-1, 1):
        parts.append(box((16, 14, 5), "filled_nylon", (at[0] + side * 66, at[1] + 9, z)))
        parts.append(disc(2.2, 5, "steel", (at[0] + side * 66, at[1] + 9, z), "filled_nylon"))
    return parts


def folds(rng: np.random.Generator, size: tuple[float, float], deep: float) -> list[Part]:
    """Return the wrinkled lining, and straps or a net that hold clothes down."""
    wide, high = size
    lining = (wide * rng.uniform(0.8, 0.97), high * rng.uniform(0.8, 0.97), rng.uniform(1.2, 2.4))
    parts = [heap(rng, lining, "nylon", "nylon", (0, 0, deep / 2 - 6))]
    # The zip of the lining or of a net pocket, with its slider.
    inner = (wide * rng.uniform(0.6, 0.92), high * rng.uniform(0.5, 0.9), 40.0)
    shift = (wide * rng.uniform(-0.04, 0.04), high * rng.uniform(-0.04, 0.04), deep / 2 - 8)
    teeth, radius = ("brass", 0.6) if rng.random() < 0.2 else ("nylon", 1.4)
    parts.append(hoop(inner, radius, teeth, shift))
    slider = (shift[0] + inner[0] / 2, shift[1] + inner[1] * rng.uniform(-0.3, 0.3), shift[2])
    parts.append(box((7, 11, 4), "zinc", slider))
    for side in (-1, 1):
        if rng.random() < 0.6:
            strap = (wide * 0.7, rng.uniform(18, 30), 1.2)
            at = (0.0, side * high * rng.uniform(0.05, 0.25), deep / 2 - 9)
            parts.append(box(strap, "nylon", at, turn_deg=(side * float(rng.uniform(0, 25)), 0, 0)))
    return parts


def pads(rng: np.random.Generator, size: tuple[float, float], deep: float) -> list[Part]:
    """Return padding and stiffeners of coated foam and flat pockets, over each other: few or none.

    They are what makes the faces of soft bags a patchwork of pale greens.
    """
    parts: list[Part] = []
    for _ in range(int(rng.integers(0, 5))):
        share = rng.uniform(0.2, 0.6, 2)
        at = rng.uniform(-0.45, 0.45, 2) * (1 - share) * size
        material = str(rng.choice(["pvc", "coated_nylon", "coated_nylon"]))
        thick = float(np.exp(rng.uniform(np.log(1.0), np.log(4.0))))
        z = float(rng.choice([-0.46, 0.46])) * deep
        wide, high = share * size
        parts.append(heap(rng, (wide, high, thick), material, "panel", (at[0], at[1], z)))
    return parts


def seams(rng: np.random.Generator, size: tuple[float, float], deep: float) -> list[Part]:
    """Return bindings and hems of pockets and flaps: thin lines, more or less along the bag."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(2, 8))):
        share = rng.uniform(0.35, 0.98, 2)
        at = rng.uniform(-0.5, 0.5, 2) * (1 - share) * size
        wide, high = share * size
        outline = Outline(
            half=(wide / 2, high / 2),
            radius=float(rng.uniform(0.05, 0.45) * min(wide, high)),
            dents=dented(rng, 0.15 * min(wide, high), (wide, high)),
        )
        material = str(rng.choice(["nylon", "nylon", "nylon", "coated_nylon", "pvc"]))
        wire = Wire(outline=outline, radius=float(rng.uniform(0.8, 2.0)))
        z = float(rng.choice([-0.47, 0.47])) * deep
        lean = turn(float(rng.normal(0, 10)))
        parts.append(
            Part(shape=wire, material=material, at=(float(at[0]), float(at[1]), z), rotation=lean)
        )
    return parts
