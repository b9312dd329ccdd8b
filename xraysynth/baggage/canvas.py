"""Thickness of every material in one view, filled item by item, and the shadow of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from xraysynth.baggage.placing import PlacedItem
from xraysynth.scanner.detector import attenuation_per_mm, response
from xraysynth.scanner.projection import Part, View, Window

PRESENT_MM = 0.05
"""A part, item or class is in a pixel where rays run at least this far inside it, on average."""
NOWHERE = (slice(0, 0), slice(0, 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class PartShadow:
    """Where rays cross one part, in pixels of the finished picture."""

    window: Window
    """Empty if the part is out of view."""
    mask: Bool[np.ndarray, "row col"]
    thickness_mm: float
    """Largest path length."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shadow:
    """What one item does to the rays of its window, in pixels of the finished picture."""

    placed: PlacedItem
    window: Window
    """Empty if the item is out of view."""
    length_mm: Float[np.ndarray, "row col"]
    log_share: Float[np.ndarray, "row col"]
    """Own -ln T at the mean attenuation of its materials."""
    mask: Bool[np.ndarray, "row col"]
    parts: tuple[PartShadow, ...]


class Canvas:
    """Path length in each material for every ray of a view.

    `factor` is the number of rays per side of a pixel; `view` counts rays, not pixels.
    """

    def __init__(
        self, view: View, factor: int, materials: Iterable[str], voltage_kvp: int = 160
    ) -> None:
        self.view, self.factor, self.voltage_kvp = view, factor, voltage_kvp
        self.names = sorted(set(materials) - {"air"})
        self.row = {name: index for index, name in enumerate(self.names)}
        size = view.size_px
        self.thickness_mm = np.zeros((len(self.names), size, size), dtype=np.float32)
        self.touched = [[size, 0], [size, 0]]
        weights = response(voltage_kvp).weights.mean(axis=0)
        means = (attenuation_per_mm(self.names, voltage_kvp) @ weights).tolist()
        self.mean_per_mm = dict(zip(self.names, means, strict=True))

    def add(self, placed: PlacedItem) -> Shadow:
        """Add an item's parts and return its shadow."""
        parts, spans = placed.seen(self.view)
        windows = self.view.windows(spans, self.factor)
        in_view = np.all(windows[:, :2] < windows[:, 2:], axis=1)
        if not in_view.any():
            return _no_shadow(placed)
        top, left = windows[in_view, :2].min(axis=0).tolist()
        bottom, right = windows[in_view, 2:].max(axis=0).tolist()
        for span, first, last in zip(self.touched, (top, left), (bottom, right), strict=True):
            span[:] = min(span[0], first), max(span[1], last)
        length = np.zeros((bottom - top, right - left), dtype=np.float32)
        log_share = np.zeros_like(length)
        shadows = []
        for part, edges, seen in zip(parts, windows.tolist(), in_view.tolist(), strict=True):
            if not seen:
                shadows.append(_NO_PART)
                continue
            window = (slice(edges[0], edges[2]), slice(edges[1], edges[3]))
            local = (slice(edges[0] - top, edges[2] - top), slice(edges[1] - left, edges[3] - left))
            chord = self.view.chord(part, window)
            self._add_part(part, window, chord, (length[local], log_share[local]))
            shadows.append(self._part_shadow(window, chord))
        short = reduce(length, self.factor)
        return Shadow(
            placed=placed,
            window=self._small((slice(top, bottom), slice(left, right))),
            length_mm=short,
            log_share=np.maximum(reduce(log_share, self.factor), 0),
            mask=short > PRESENT_MM,
            parts=tuple(shadows),
        )

    def window(self) -> Window:
        """Return the rows and columns that anything was added to."""
        (top, bottom), (left, right) = self.touched
        return slice(top, max(bottom, top)), slice(left, max(right, left))

    def _add_part(
        self, part: Part, window: Window, chord: np.ndarray, sums: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Add one part to the materials, and to its item's length and -ln T."""
        length, log_share = sums
        gained, lost = self.row.get(part.material), self.row.get(part.replaces or "air")
        mean = 0.0
        if gained is not None:
            self.thickness_mm[gained][window] += chord
            mean += self.mean_per_mm[part.material]
        if lost is not None:
            self.thickness_mm[lost][window] -= chord
            mean -= self.mean_per_mm[part.replaces or "air"]
        log_share += np.float32(mean) * chord
        if gained is not None and lost is None:
            length += chord
        elif gained is None and lost is not None:
            length -= chord

    def _part_shadow(self, window: Window, chord: np.ndarray) -> PartShadow:
        """Return where a part is."""
        return PartShadow(
            window=self._small(window),
            mask=reduce(chord, self.factor) > PRESENT_MM,
            thickness_mm=float(chord.max()),
        )

    def _small(self, window: Window) -> Window:
        """Return a window of rays in pixels of the finished picture."""
        if self.factor == 1:
            return window
        rows, cols = (slice(e.start // self.factor, e.stop // self.factor) for e in window)
        return rows, cols


_NOTHING = np.zeros((0, 0), dtype=np.float32)
_NO_PART = PartShadow(window=NOWHERE, mask=_NOTHING > 0, thickness_mm=0.0)


def _no_shadow(placed: PlacedItem) -> Shadow:
    """Return the shadow of an item that is out of view."""
    return Shadow(
        placed=placed,
        window=NOWHERE,
        length_mm=_NOTHING,
        log_share=_NOTHING,
        mask=_NOTHING > 0,
        parts=(_NO_PART,) * len(placed.item.parts),
    )


def reduce(array: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of rays into one pixel, over the last two axes.

    Examples
    --------
    >>> reduce(np.array([[0.0, 1.0], [2.0, 5.0]], dtype=np.float32), 2).tolist()
    [[2.0]]
    """
    if factor == 1:
        return array
    total = array[..., 0::factor, 0::factor].astype(np.float32)
    for step in range(1, factor * factor):
        total += array[..., step // factor :: factor, step % factor :: factor]
    total *= np.float32(1 / factor**2)
    return total
