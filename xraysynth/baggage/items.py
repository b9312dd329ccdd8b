"""What an item is, and the list of builders by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xraysynth.errors import InputError
from xraysynth.scanner.projection import Part, turn
from xraysynth.scanner.shapes import Box, Cylinder, Prism


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """An assembly of parts in its own frame: lying in the xy plane, thickness along z, in mm."""

    name: str
    class_name: str
    """A class of `data_schema/classes.yaml`."""
    material: str
    """The material that it mainly consists of."""
    parts: tuple[Part, ...]


Builder = Callable[[np.random.Generator], Item]
BUILDERS: dict[str, Builder] = {}
GROUPS: dict[str, str] = {}


def register(name: str, group: str) -> Callable[[Builder], Builder]:
    """Add a builder to the list under a name; `group` is "threat", "clutter" or "bag"."""

    def add(builder: Builder) -> Builder:
        BUILDERS[name] = builder
        GROUPS[name] = group
        return builder

    return add


def kinds(group: str) -> list[str]:
    """Return the names of all builders of a group, in the order in which they were written."""
    return [name for name, found in GROUPS.items() if found == group]


def build(name: str, rng: np.random.Generator) -> Item:
    """Return a new example of a kind of item; sizes and variants are drawn from `rng`.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if name not in BUILDERS:
        raise InputError(f"{name!r} is not an item; want one of {', '.join(BUILDERS)}.")
    return BUILDERS[name](rng)


def box(
    size: tuple[float, float, float],
    material: str,
    at: tuple[float, float, float] = (0, 0, 0),
    replaces: str | None = None,
    turned: tuple[float, float, float] = (0, 0, 0),
) -> Part:
    """Return a cuboid of full sides `size`."""
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part(
        shape=Box(half), material=material, at=at, replaces=replaces, rotation=turn(*turned)
    )


def plate(
    loops: list[np.ndarray],
    thickness: float,
    material: str,
    at: tuple[float, float, float] = (0, 0, 0),
    replaces: str | None = None,
) -> Part:
    """Return an extruded outline; further loops are holes."""
    return Part(
        shape=Prism(tuple(loops), thickness / 2), material=material, at=at, replaces=replaces
    )


def rod(
    length: float,
    radius: float,
    material: str,
    at: tuple[float, float, float] = (0, 0, 0),
    replaces: str | None = None,
    yaw_deg: float = 0.0,
) -> Part:
    """Return a cylinder that lies along x, or along the given direction in the plane."""
    return Part(
        shape=Cylinder(radius, length / 2),
        material=material,
        at=at,
        replaces=replaces,
        rotation=turn(yaw_deg, 90.0),
    )


def disc(
    radius: float,
    thickness: float,
    material: str,
    at: tuple[float, float, float] = (0, 0, 0),
    replaces: str | None = None,
) -> Part:
    """Return a cylinder that stands upright on the plane."""
    return Part(shape=Cylinder(radius, thickness / 2), material=material, at=at, replaces=replaces)


def vary(rng: np.random.Generator, value: float, share: float = 0.12) -> float:
    """Return a size, varied by up to the given share."""
    return float(value * rng.uniform(1 - share, 1 + share))


def waves(rng: np.random.Generator, count: int, cycles: float) -> np.ndarray:
    """Return waves for `Cloth`: cycles along x and y, phase, weight."""
    turns, phase = rng.normal(0, cycles, (count, 2)), rng.uniform(0, 2 * np.pi, (count, 1))
    weight = rng.uniform(0.15, 0.45, (count, 1)) * np.sqrt(8 / count)
    return np.concatenate([turns, phase, weight], axis=1)
