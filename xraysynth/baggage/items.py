"""What an item is, and the list of builders by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.sheets import Fabric, Outline, Texture, Wire
from xraysynth.baggage.textures import CELLS, N_VARIANTS
from xraysynth.errors import InputError
from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part, turn
from xraysynth.scanner.shapes import Box, Cylinder


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """An assembly of parts in its own frame: lying in the xy plane, thickness along z, in mm."""

    name: str
    class_name: str
    """A class of `data_schema/classes.yaml`."""
    material: str
    """The material that it mainly consists of."""
    parts: tuple[Part, ...]
    soft: bool = False
    """Whether it drapes over what it lies on, as cloth does."""

    @cached_property
    def solids(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Centres (part, 3), rotations (part, 3, 3) and half sides (part, 3) of the parts."""
        centres = np.array([part.at for part in self.parts], dtype=np.float32)
        bounds = np.array([part.shape.bounds for part in self.parts], dtype=np.float32)
        return centres, np.array([part.rotation for part in self.parts]), bounds

    @cached_property
    def outer(self) -> np.ndarray:
        """Numbers of the parts that lie inside no other: they alone bound the item."""
        return np.flatnonzero([part.replaces is None for part in self.parts])

    def spans(self, rotation: np.ndarray) -> Float[np.ndarray, "2 part 3"]:
        """Return lowest and highest coordinates in mm of every part, once the item is turned."""
        centres, rotations, bounds = self.solids
        middle = centres @ rotation.T
        reach = np.einsum("pij,pj->pi", np.abs(rotation @ rotations), bounds)
        return np.stack([middle - reach, middle + reach])

    def reach_mm(self, rotation: np.ndarray) -> float:
        """Return how far the turned item reaches from its origin along x or y."""
        return float(np.abs(self.spans(rotation)[:, self.outer, :2]).max())


Point = tuple[float, float, float]
"""x, y and z, in mm (or degrees, for a turn)."""
Builder = Callable[[np.random.Generator], Item]
BUILDERS: dict[str, Builder] = {}
GROUPS: dict[str, str] = {}
WEIGHTS: dict[str, float] = {}


def register(name: str, group: str, weight: float = 1.0) -> Callable[[Builder], Builder]:
    """Add a builder to the list under a name.

    `group` is "threat", "clutter" or "bag"; `weight` how much commoner the kind is than others.
    """

    def add(builder: Builder) -> Builder:
        BUILDERS[name] = builder
        GROUPS[name] = group
        WEIGHTS[name] = weight
        return builder

    return add


def weight(name: str) -> float:
    """Return how common a kind of item is: its chance in proportion to the other kinds'."""
    if name not in WEIGHTS:
        raise InputError(f"{name!r} is not an item; want one of {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


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
    at: Point = (0, 0, 0),
    replaces: str | None = None,
    turn_deg: Point = (0, 0, 0),
) -> Part:
    """Return a cuboid of full sides `size`."""
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part(
        shape=Box(half), material=material, at=at, replaces=replaces, rotation=turn(*turn_deg)
    )


def plate(
    loops: list[np.ndarray],
    thickness: float,
    material: str,
    at: Point = (0, 0, 0),
    replaces: str | None = None,
) -> Part:
    """Return an extruded outline; further loops are holes."""
    # The box around a part is centred on it: tight only if its outline is.
    x, y = (loops[0].min(axis=0) + loops[0].max(axis=0)) / 2
    return Part(
        shape=Prism(tuple(loop - [x, y] for loop in loops), thickness / 2),
        material=material,
        at=(float(at[0] + x), float(at[1] + y), at[2]),
        replaces=replaces,
    )


def blade(outline: np.ndarray, thick: float) -> Part:
    """Return a steel blade that tapers from its back (lowest y) to a thin edge (highest y)."""
    x, y = (outline.min(axis=0) + outline.max(axis=0)) / 2
    edge = 0.15 * thick
    slope = -(thick - edge) / 2 / float(np.ptp(outline[:, 1]))
    shape = Prism((outline - [x, y],), (thick + edge) / 4, (0.0, slope))
    return Part(shape=shape, material="steel", at=(float(x), float(y), 0.0))


def rod(
    size: tuple[float, float],
    material: str,
    at: Point = (0, 0, 0),
    replaces: str | None = None,
    yaw_deg: float = 0.0,
) -> Part:
    """Return a cylinder of `size` = (length, radius) along x, or along a direction in the plane."""
    return Part(
        shape=Cylinder(size[1], size[0] / 2),
        material=material,
        at=at,
        replaces=replaces,
        rotation=turn(yaw_deg, 90.0),
    )


def disc(
    radius: float,
    thickness: float,
    material: str,
    at: Point = (0, 0, 0),
    replaces: str | None = None,
) -> Part:
    """Return a cylinder that stands upright on the plane."""
    return Part(shape=Cylinder(radius, thickness / 2), material=material, at=at, replaces=replaces)


def vary(rng: np.random.Generator, value: float, share: float = 0.12) -> float:
    """Return a size, varied by up to the given share."""
    return float(value * rng.uniform(1 - share, 1 + share))


def texture_of(rng: np.random.Generator, name: str, scale: float = 1.0) -> Texture:
    """Return a random piece of a texture."""
    at = rng.uniform(0, CELLS, 2)
    variant = int(rng.integers(N_VARIANTS))
    return Texture(name=name, variant=variant, at=(float(at[0]), float(at[1])), scale=scale)


def dented(
    rng: np.random.Generator, depth_mm: float, size: tuple[float, float]
) -> tuple[tuple[float, float, float], ...]:
    """Return dents of an outline of the given sides, up to `depth_mm` deep."""
    found = []
    for cycles in rng.uniform(0.8, 2.6, 2):
        depth, phase = float(rng.uniform(0.1, 0.5) * depth_mm), float(rng.uniform(0, 2 * np.pi))
        found.append((depth, float(2 * np.pi * cycles / max(size)), phase))
    return tuple(found)


def heap(
    rng: np.random.Generator, size: Point, material: str, texture: str, at: Point = (0, 0, 0)
) -> Part:
    """Return a soft heap of full sides `size`, its outline uneven."""
    wide, high, thick = size
    outline = Outline(
        half=(wide / 2, high / 2),
        radius=float(rng.uniform(0.1, 0.4) * min(wide, high)),
        dents=dented(rng, 0.04 * min(wide, high), (wide, high)),
    )
    soft = texture_of(rng, texture, float(rng.uniform(0.8, 1.25)))
    return Part(
        shape=Fabric(outline=outline, thick=thick, texture=soft, edge=0.07 * min(wide, high)),
        material=material,
        at=at,
    )


def hoop(
    size: tuple[float, float, float],
    radius: float,
    material: str,
    at: Point = (0, 0, 0),
    turn_deg: Point = (0, 0, 0),
) -> Part:
    """Return a wire of a radius bent along a rounded rectangle: `size` = (width, height, corner).

    Width and height are those of the wire's middle line.
    """
    corner = min(size[2], size[0] / 2, size[1] / 2)
    outline = Outline(half=(size[0] / 2, size[1] / 2), radius=corner)
    wire = Wire(outline=outline, radius=radius)
    return Part(shape=wire, material=material, at=at, rotation=turn(*turn_deg))


def carried(parts: Sequence[Part], rotation: np.ndarray, at: np.ndarray) -> tuple[Part, ...]:
    """Return parts turned about the origin, then moved by `at` in mm."""
    centres = np.array([part.at for part in parts], dtype=np.float32)
    places = (centres @ rotation.T + at.astype(np.float32)).tolist()
    rotations = rotation @ np.array([part.rotation for part in parts])
    return tuple(
        Part(
            shape=part.shape,
            material=part.material,
            replaces=part.replaces,
            at=(place[0], place[1], place[2]),
            rotation=own,
        )
        for part, place, own in zip(parts, places, rotations, strict=True)
    )


def turned(parts: Sequence[Part], yaw_deg: float, at: Point = (0, 0, 0)) -> tuple[Part, ...]:
    """Return parts turned in the plane, then moved."""
    return carried(parts, turn(yaw_deg), np.array(at, dtype=np.float32))
