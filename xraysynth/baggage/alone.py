"""One item alone in the tunnel: for looking at it and for measuring it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.items import Item
from xraysynth.scanner.detector import expose, transmission
from xraysynth.scanner.projection import View, extent

SOURCE_MM = 900.0
MARGIN = 1.15
"""Field of view over the item's longer side."""


def thickness_alone(
    item: Item, size_px: int
) -> tuple[dict[str, Float[np.ndarray, "row col"]], float]:
    """Return the length of the rays in each material of an item, and a pixel's side, in mm.

    The item lies flat in the middle of the tunnel, and fills the picture. Hollows count as the
    material "air", negative where they are not hollowed out of anything.

    Examples
    --------
    >>> from xraysynth.baggage.catalogue import build
    >>> thickness_mm, _ = thickness_alone(build("wrench", np.random.default_rng(0)), 64)
    >>> bool(6 < thickness_mm["steel"].max() < 16)
    True
    """
    low, high = extent(item.parts)
    middle = (low + high) / 2
    field_mm = float(MARGIN * (high - low)[:2].max())
    view = View(size_px=size_px, field_mm=field_mm, source_mm=SOURCE_MM)
    names = {part.material for part in item.parts} | {part.replaces or "air" for part in item.parts}
    thickness_mm = {name: np.zeros((size_px, size_px), np.float32) for name in sorted(names)}
    for part in item.parts:
        x, y, z = (np.array(part.at) - middle).tolist()
        centred = replace(part, at=(x, y, z))
        window = view.window(centred.span())
        if window is not None:
            chord = view.chord(centred, window)
            thickness_mm[part.material][window] += chord
            if part.replaces is not None:
                thickness_mm[part.replaces][window] -= chord
    return thickness_mm, view.pitch_mm


def expose_alone(
    item: Item, size_px: int, rng: np.random.Generator
) -> Float[np.ndarray, "2 row col"]:
    """Return the transmission that the detector reads of an item alone, noise from `rng`."""
    thickness_mm, pitch_mm = thickness_alone(item, size_px)
    names = [name for name in thickness_mm if name != "air"]
    stack = np.array([np.maximum(thickness_mm[name], 0).ravel() for name in names])
    clean = transmission(stack, names).reshape(2, size_px, size_px)
    return expose(clean, pitch_mm, rng)
