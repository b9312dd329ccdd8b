"""Every kind of item that the embedded scanner knows: importing the builders lists them."""

from __future__ import annotations

from xraysynth.baggage import arms, bags, clutter, hazards, tools
from xraysynth.baggage.items import BUILDERS, Item, build, kinds

__all__ = ["BUILDERS", "Item", "arms", "bags", "build", "clutter", "hazards", "kinds", "tools"]
