"""Which kinds of items hide what lies under them: those that attenuate most."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from xraysynth.baggage.catalogue import build
from xraysynth.baggage.items import Item
from xraysynth.randomness import stream
from xraysynth.scanner.detector import attenuation_per_mm, response
from xraysynth.scanner.projection import View

LOOK_PX, LOOK_MM, EXAMPLES = 24, 120.0, 3
"""What is looked at: a square under the middle of the item, as wide as most threats are long."""
OPAQUE = 1.0
"""-ln T beyond which more attenuation hides little more."""
DENSE_SHARE = 3
"""One kind in this many counts as dense."""


@lru_cache(maxsize=512)
def hiding(kind: str) -> float:
    """Return how well a kind of item hides a threat under its middle: mean -ln T, at most 1.

    Taken over a few fixed examples lying flat.

    Examples
    --------
    >>> hiding("laptop") > 2 * hiding("keys")
    True
    """
    examples = (build(kind, stream(0, "hiding", kind, number)) for number in range(EXAMPLES))
    return float(np.mean([_hiding(item) for item in examples]))


def dense(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the densest third of some kinds, at least one."""
    order = sorted(kinds, key=hiding, reverse=True)
    return tuple(order[: max(len(order) // DENSE_SHARE, 1)])


def _hiding(item: Item) -> float:
    """Return the same for one item, seen from above at a few pixels."""
    view = View(size_px=LOOK_PX, field_mm=LOOK_MM)
    whole = (slice(0, LOOK_PX), slice(0, LOOK_PX))
    total = np.zeros((LOOK_PX, LOOK_PX), dtype=np.float32)
    signal = response().weights.mean(axis=0)
    for part in item.parts:
        own, replaced = attenuation_per_mm([part.material, part.replaces or "air"]) @ signal
        total += (own - replaced) * view.chord(part, whole)
    return float(np.clip(total, 0, OPAQUE).mean())
