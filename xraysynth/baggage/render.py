"""From a draw to pixels and their exact truth; no chance: the noise's seed is in the draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8, UInt32

from xraysynth import schema
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.draw import PlacedItem, ScanDraw, draw_scan
from xraysynth.randomness import stream
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.scanner.detector import attenuation_per_mm, expose, response, transmission
from xraysynth.scanner.projection import Part, Window

BAG_WEIGHT = 0.5
"""What lies in a bag is the label unless the bag attenuates twice as much."""
PRESENT_MM = 0.05
"""A class is in a pixel where rays run at least this far inside it, on average."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedScan:
    """A scan and its exact truth."""

    image: np.ndarray
    """(H, W, 3) uint8 pseudo-colour, or (H, W, 2) uint16 low and high transmission."""
    transmission: Float[np.ndarray, "2 row col"]
    """Low and high transmission in [0, 1] as the detector reads them."""
    label_map: UInt8[np.ndarray, "row col"]
    """Class that attenuates most in each pixel."""
    overlaps: UInt32[np.ndarray, "row col"]
    """Bit c is set where class c is crossed."""
    items: np.ndarray
    """(item,) compound, data set `items` of the schema."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shadow:
    """What one item does to the rays of its window, in pixels of the finished picture."""

    placed: PlacedItem
    window: tuple[slice, slice]
    length_mm: Float[np.ndarray, "row col"]
    log_share: Float[np.ndarray, "row col"]
    """Own -ln T at the mean attenuation of its materials."""


class _Canvas:
    """Thickness of every material, filled item by item."""

    def __init__(self, draw: ScanDraw, config: SimulationConfig) -> None:
        self.view, self.factor = draw.view, config.supersample
        every = {part.material for placed in (draw.bag, *draw.items) for part in placed.parts}
        self.names = sorted(every - {"air"})
        self.row = {name: index for index, name in enumerate(self.names)}
        size = draw.view.size_px
        self.thickness_mm = np.zeros((len(self.names), size, size), dtype=np.float32)
        self.touched = [[size, 0], [size, 0]]
        tube = response(config.voltage_kvp)
        attenuation = attenuation_per_mm(self.names, config.voltage_kvp)
        self.mean_per_mm = attenuation @ tube.weights.mean(axis=0)

    def add(self, placed: PlacedItem) -> _Shadow | None:
        """Add an item's parts; return its shadow, or None if it is out of view."""
        low, high = placed.spans
        window = self.view.window((low.min(axis=0), high.max(axis=0)))
        if window is None:
            return None
        small = _whole_pixels(window, self.factor)
        rows, cols = _detector_pixels(small, self.factor)
        for span, edge in zip(self.touched, (rows, cols), strict=True):
            span[:] = min(span[0], edge.start), max(span[1], edge.stop)
        length = np.zeros((rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        log_share = np.zeros_like(length)
        for part, low, high in zip(placed.parts, *placed.spans, strict=True):
            inner = self.view.window((low, high))
            if inner is not None:
                local = _within(inner, (rows, cols))
                self._add_part(part, inner, (length[local], log_share[local]))
        return _Shadow(
            placed=placed,
            window=small,
            length_mm=_reduce(length, self.factor),
            log_share=np.maximum(_reduce(log_share, self.factor), 0),
        )

    def window(self) -> Window:
        """Return the rows and columns that anything was added to."""
        (top, bottom), (left, right) = self.touched
        return slice(top, bottom), slice(left, right)

    def _add_part(self, part: Part, window: Window, sums: tuple[np.ndarray, np.ndarray]) -> None:
        """Add one part to the materials, and to its item's length and -ln T."""
        chord, (length, log_share) = self.view.chord(part, window), sums
        gained, lost = self.row.get(part.material), self.row.get(part.replaces or "air")
        mean = 0.0
        if gained is not None:
            self.thickness_mm[gained][window] += chord
            mean += self.mean_per_mm[gained]
        if lost is not None:
            self.thickness_mm[lost][window] -= chord
            mean -= self.mean_per_mm[lost]
        log_share += mean * chord
        if (gained is None) != (lost is None):
            (np.add if lost is None else np.subtract)(length, chord, out=length)


def _whole_pixels(window: Window, factor: int) -> Window:
    """Return a window of the detector in pixels of the finished picture, as wide as needed."""
    rows, cols = (slice(edge.start // factor, -(-edge.stop // factor)) for edge in window)
    return rows, cols


def _detector_pixels(window: Window, factor: int) -> Window:
    """Return a window of the finished picture in pixels of the detector."""
    rows, cols = (slice(edge.start * factor, edge.stop * factor) for edge in window)
    return rows, cols


def _within(inner: Window, outer: Window) -> Window:
    """Return the inner window as seen from the outer one's corner."""
    rows, cols = (
        slice(small.start - large.start, small.stop - large.start)
        for small, large in zip(inner, outer, strict=True)
    )
    return rows, cols


def _reduce(array: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of detector pixels into one pixel of the picture, over the last two axes."""
    if factor == 1:
        return array
    *lead, rows, cols = array.shape
    blocks = array.reshape(*lead, rows // factor, factor, cols // factor, factor)
    return np.asarray(blocks.mean(axis=(-3, -1), dtype=np.float32))


def apply_scan(config: SimulationConfig, draw: ScanDraw) -> SimulatedScan:
    """Make the picture and the truth of a draw. Deterministic: same draw, same bytes.

    Examples
    --------
    >>> scan = simulate_scan(SimulationConfig(size_px=32), seed=0, index=0)
    >>> scan.image.shape, scan.label_map.dtype.name
    ((32, 32, 3), 'uint8')
    """
    canvas = _Canvas(draw, config)
    shadows = [canvas.add(placed) for placed in (draw.bag, *draw.items)]
    signal = _detect(canvas, draw, config)
    label_map, overlaps, total = _truth(shadows, config.size_px)
    reduced = np.clip(_reduce(signal, config.supersample), 0, 1)
    if config.channels == "dual":
        image = np.rint(np.moveaxis(reduced, 0, -1) * 65535).astype(np.uint16)
    else:
        colour = pseudo_colour(signal[0], signal[1], draw.palette)
        small = _reduce(np.moveaxis(colour.astype(np.float32), -1, 0), config.supersample)
        image = np.rint(np.moveaxis(small, 0, -1)).astype(np.uint8)
    rows = [_row(draw, number, shadow, total) for number, shadow in enumerate(shadows[1:])]
    items = np.array(rows, dtype=schema.table_dtype("items"))
    return SimulatedScan(
        image=np.ascontiguousarray(image),
        transmission=reduced.astype(np.float32),
        label_map=label_map,
        overlaps=overlaps,
        items=items,
    )


def simulate_scan(config: SimulationConfig, seed: int, index: int) -> SimulatedScan:
    """Draw and make one scan."""
    return apply_scan(config, draw_scan(config, seed, index))


def _detect(canvas: _Canvas, draw: ScanDraw, config: SimulationConfig) -> np.ndarray:
    """Return the transmission that the detector reads, at its own pixels."""
    size = draw.view.size_px
    picture = np.ones((2, size, size), dtype=np.float32)
    rows, cols = canvas.window()
    thickness = np.maximum(canvas.thickness_mm[:, rows, cols], 0)
    passed = transmission(thickness.reshape(len(thickness), -1), canvas.names, config.voltage_kvp)
    picture[:, rows, cols] = passed.reshape(2, *thickness.shape[1:])
    if not config.noise:
        return picture
    return expose(picture, draw.view.pitch_mm, stream(draw.noise_seed, "detector"))


def _truth(
    shadows: list[_Shadow | None], size_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the label map, the overlaps and the whole -ln T of all items."""
    ids = {name: info.id for name, info in schema.classes().items()}
    overlaps = np.zeros((size_px, size_px), dtype=np.uint32)
    total = np.zeros((size_px, size_px), dtype=np.float32)
    length: dict[int, np.ndarray] = {}
    log_share: dict[int, np.ndarray] = {}
    for shadow in shadows:
        if shadow is not None:
            class_id = ids[shadow.placed.item.class_name]
            for sums, own in ((length, shadow.length_mm), (log_share, shadow.log_share)):
                sums.setdefault(class_id, np.zeros_like(total))[shadow.window] += own
            total[shadow.window] += shadow.log_share
    label_map = np.zeros((size_px, size_px), dtype=np.uint8)
    most = np.zeros_like(total)
    # Rising ids: threats come last and win ties.
    for class_id in sorted(length):
        present = length[class_id] > PRESENT_MM
        overlaps[present] |= np.uint32(1 << class_id)
        weight = BAG_WEIGHT if class_id == ids["bag"] else 1.0
        strength = weight * log_share[class_id]
        wins = present & (strength >= most)
        label_map[wins] = class_id
        most[wins] = strength[wins]
    return label_map, overlaps, total


def _row(
    draw: ScanDraw, number: int, shadow: _Shadow | None, total: np.ndarray
) -> tuple[object, ...]:
    """Return one item's row of the table `items`."""
    placed = draw.items[number]
    area, box, visibility, thickness = 0, (0.0, 0.0, 0.0, 0.0), 0.0, 0.0
    if shadow is not None:
        mask = shadow.length_mm > PRESENT_MM
        area, thickness = int(mask.sum()), float(shadow.length_mm.max(initial=0.0))
        if area:
            rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            top, left = shadow.window[0].start, shadow.window[1].start
            box = (left + cols[0], top + rows[0], left + cols[-1] + 1.0, top + rows[-1] + 1.0)
            own, whole = shadow.log_share[mask].sum(), total[shadow.window][mask].sum()
            visibility = min(float(own / max(whole, 1e-12)), 1.0)
    item, half = placed.item, draw.view.field_mm / 2
    class_id = schema.classes()[item.class_name].id
    return (
        draw.scan_id,
        number,
        class_id,
        item.name,
        item.material,
        *box,
        area,
        visibility,
        thickness,
        placed.rotation_deg,
        placed.at[0] + half,
        placed.at[1] + half,
    )
