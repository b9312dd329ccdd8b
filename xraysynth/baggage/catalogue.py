"""Every kind of item that the embedded scanner knows: importing the builders lists them."""

from __future__ import annotations

from xraysynth.baggage import (
    arms,
    bags,
    belongings,
    electronics,
    firearms,
    food,
    garments,
    hazards,
    metalware,
    toiletries,
    tools,
)
from xraysynth.baggage.items import BUILDERS, Item, build, kinds, weight

__all__ = [
    "BUILDERS",
    "Item",
    "arms",
    "bags",
    "belongings",
    "build",
    "electronics",
    "firearms",
    "food",
    "garments",
    "hazards",
    "kinds",
    "metalware",
    "toiletries",
    "tools",
    "weight",
]
