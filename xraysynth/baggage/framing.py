"""What the pictures show of the bags: field of view, its middle, and what its border cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.placing import PlacedItem
from xraysynth.errors import SettingsError
from xraysynth.scanner.projection import View

WANDER = 0.25
"""How far the bags may lie from the middle, as a share of the room around them."""
CUT = (0.35, 0.65)
"""Where the border cuts a threat that is partly out of view, as a share of its extent."""


def frame(
    config: SimulationConfig, bags: Sequence[PlacedItem], rng: np.random.Generator
) -> tuple[View, ...]:
    """Return the views of a scan: all of one scale, and of the same part of the belt.

    Raises
    ------
    SettingsError
        If the source would be inside a bag.
    """
    angles = (0.0, config.second_view_deg)[: config.views]
    views = [
        View(size_px=1, field_mm=1.0, source_mm=config.source_mm, angle_deg=angle)
        for angle in angles
    ]
    boxes = [_extent(view, bags) for view in views]
    largest = max(float((box[2:] - box[:2]).max()) for box in boxes)
    margin = rng.uniform(*config.margin)
    field_mm = config.field_mm or largest * margin
    wander = rng.uniform(-WANDER, WANDER, 2)
    middles = [(box[:2] + box[2:]) / 2 for box in boxes]
    room = np.maximum(field_mm - (boxes[0][2:] - boxes[0][:2]), 0)
    across, along = middles[0] + wander * room
    places = [float(across), *(float(middle[0]) for middle in middles[1:])]
    return tuple(
        replace(
            view,
            size_px=config.size_px * config.supersample,
            field_mm=field_mm,
            centre_mm=(place, float(along)),
        )
        for view, place in zip(views, places, strict=True)
    )


def cut(views: tuple[View, ...], threat: PlacedItem, rng: np.random.Generator) -> tuple[View, ...]:
    """Move the views so that the nearest border of the first one cuts a threat.

    Along the belt all views move; across it only the first.
    """
    first = views[0]
    low_x, low_y, high_x, high_y = _extent(first, [threat])
    extents = ((low_x, high_x), (low_y, high_y))
    at = rng.uniform(*CUT)
    moves = []
    for axis, (low, high) in enumerate(extents):
        border = low + at * (high - low)
        for side in (-1, 1):
            centre = border - side * first.field_mm / 2
            moves.append((abs(centre - first.centre_mm[axis]), axis, float(centre)))
    _, axis, centre = min(moves)
    return tuple(
        replace(
            view,
            centre_mm=(centre, view.centre_mm[1]) if axis == 0 else (view.centre_mm[0], centre),
        )
        if axis == 1 or view is first
        else view
        for view in views
    )


def _extent(view: View, items: Sequence[PlacedItem]) -> Float[np.ndarray, 4]:
    """Return x_low, y_low, x_high, y_high in mm of what items cover in the middle plane."""
    spans = np.concatenate([placed.outer_spans(view) for placed in items], axis=1)
    lowest = float(spans[..., 2].min())
    if view.source_mm and lowest < -0.9 * view.source_mm:
        raise SettingsError(
            f"source_mm is {view.source_mm:g}, but the bag reaches {-lowest:.0f} mm towards the "
            "source; move it further away, or set it to 0 for parallel rays."
        )
    boxes = view.shadow_mm(spans)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
