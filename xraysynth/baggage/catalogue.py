"""Every kind of item that the embedded scanner knows."""

from __future__ import annotations

from xraysynth.baggage import bags, clutter, threats
from xraysynth.baggage.items import BUILDERS, Item, build, kinds

__all__ = ["BUILDERS", "Item", "bags", "build", "clutter", "kinds", "threats"]
