"""Items in the tunnel: turned, moved, and dropped into a bag so that they never intersect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from xraysynth import schema
from xraysynth.baggage.items import Item, carried
from xraysynth.baggage.packing import Space
from xraysynth.scanner.projection import Part, View, turn

ATTEMPTS = 4
"""How often an item is dropped before it is left out."""
ASKEW_SHARE = 0.2
"""Share of harmless items that may lie at any angle: most are packed along the bag's sides."""
SQUARE_DEG = 4.0
"""Spread (standard deviation) of what lies along the sides."""
TILTED_MM = 60.0
"""Items that reach further from their middle tilt less, in proportion."""
Seen = tuple[tuple[Part, ...], np.ndarray]
"""Parts in the frame of a view, and the boxes around them (2, part, 3) in mm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedItem:
    """An item as it lies in the tunnel."""

    item: Item
    angles_deg: tuple[float, float, float]
    """Yaw, pitch and roll: it is rolled about its own x, pitched about y, turned in the picture."""
    at: tuple[float, float, float]
    """Centre in mm from the middle of the tunnel."""
    case: str = "plain"
    """What was arranged for it: plain, conceal or partly_out_of_view; "container" for a bag."""

    @property
    def rotation_deg(self) -> float:
        """Rotation in the picture, anticlockwise as seen, in [0, 360)."""
        return float(-self.angles_deg[0] % 360)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The item's parts, turned and moved."""
        return carried(self.item.parts, turn(*self.angles_deg), np.array(self.at))

    @cached_property
    def spans(self) -> Float[np.ndarray, "2 part 3"]:
        """Lowest and highest coordinates of each part, in mm."""
        return self._spans(turn(*self.angles_deg), np.array(self.at))

    def seen(self, view: View) -> Seen:
        """Return the parts and the boxes around them in the frame of a view."""
        if view.angle_deg == 0:
            return self.parts, self.spans
        rotation, at = view.frame @ turn(*self.angles_deg), view.frame @ np.array(self.at)
        return carried(self.item.parts, rotation, at), self._spans(rotation, at)

    def outer_spans(self, view: View) -> Float[np.ndarray, "2 part 3"]:
        """Return the boxes around those parts that bound the item, in the frame of a view."""
        rotation, at = view.frame @ turn(*self.angles_deg), view.frame @ np.array(self.at)
        return self._spans(rotation, at)[:, self.item.outer]

    def _spans(self, rotation: np.ndarray, at: np.ndarray) -> np.ndarray:
        return self.item.spans(rotation) + at.astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """A bag and what is left of the space inside it."""

    bag: PlacedItem
    space: Space

    @classmethod
    def of_bag(cls, bag: PlacedItem, fill: float) -> Room:
        """Return the room inside a bag, up to a share of its height."""
        space = Space.of_bag(bag.parts[0])
        space.fill = fill
        return cls(bag=bag, space=space)

    @property
    def litres(self) -> float:
        """Volume of the inside."""
        return float(np.prod(2 * self.space.half) * 1e-6)

    def drop(
        self,
        item: Item,
        tilt_deg: float,
        rng: np.random.Generator,
        over: PlacedItem | None = None,
    ) -> PlacedItem | None:
        """Drop an item into the bag: threats at any angle, most clutter along the bag's sides.

        What does not fit askew and tilted is tried flat and square.

        Parameters
        ----------
        item : what to drop
        tilt_deg : spread (standard deviation) of its tilt out of the plane
        rng : all chance comes from here
        over : what it must come to lie over, if anything

        Returns
        -------
        The placed item, or None if there is no room for it.
        """
        # Long things lie flatter than short ones.
        spread_deg = tilt_deg * min(1.0, TILTED_MM / item.reach_mm(turn()))
        bag_yaw, bag_at = self.bag.angles_deg[0], np.array(self.bag.at)
        target = None if over is None else (over.at[0] - bag_at[0], over.at[1] - bag_at[1])
        is_threat = schema.classes()[item.class_name].group == "threat"
        askew = is_threat or over is not None or rng.random() < ASKEW_SHARE
        for attempt in range(ATTEMPTS):
            free = askew and attempt == 0
            square = bag_yaw + 90 * rng.integers(4) + rng.normal(0, SQUARE_DEG)
            yaw = rng.uniform(0, 360) if free else square
            pitch, roll = np.clip(rng.normal(0, spread_deg if free else 0.0, 2), -40, 40)
            angles = (float(yaw), float(pitch), float(roll + 180 * rng.integers(2)))
            at = self.space.find(item, turn(*angles), rng, target)
            if at is not None:
                x, y, z = (at + bag_at).tolist()
                return PlacedItem(item=item, angles_deg=angles, at=(x, y, z))
        return None
