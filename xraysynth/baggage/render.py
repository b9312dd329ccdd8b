"""From a draw to pixels and their exact truth; no chance: the noise's seeds are in the draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt32

from xraysynth import runlength
from xraysynth.baggage.canvas import Canvas, reduce
from xraysynth.baggage.config import SimulationConfig
from xraysynth.baggage.draw import ScanDraw, draw_scan
from xraysynth.baggage.truth import truth_of
from xraysynth.randomness import stream
from xraysynth.scanner.colour import pseudo_colour
from xraysynth.scanner.detector import expose, transmission


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedScan:
    """One view of a scan and its exact truth."""

    image: np.ndarray
    """(H, W, 3) uint8 pseudo-colour, or (H, W, 2) uint16 low and high transmission."""
    transmission: Float[np.ndarray, "2 row col"]
    """Low and high transmission in [0, 1] as the detector reads them."""
    label_map: UInt8[np.ndarray, "row col"]
    """Class that attenuates most in each pixel."""
    overlaps: UInt32[np.ndarray, "row col"]
    """Bit c is set where class c is crossed."""
    items: np.ndarray
    """(item,) compound, data set `items` of the schema: containers first."""
    parts: np.ndarray
    """(part,) compound, data set `parts` of the schema; empty without `part_masks`."""
    mask_runs: UInt32[np.ndarray, " run"]
    """Run lengths that rows of `items` and `parts` point into."""

    def mask(self, row: np.void) -> Bool[np.ndarray, "row col"]:
        """Return the exact mask of a row of `items` or of `parts`.

        Examples
        --------
        >>> scan = simulate_scan(SimulationConfig(size_px=32), seed=0, index=0)
        >>> all(scan.mask(row).sum() == row["area_px"] for row in scan.items)
        True
        """
        start, count = int(row["runs_start"]), int(row["runs_count"])
        shape = (self.label_map.shape[0], self.label_map.shape[1])
        return runlength.decode(self.mask_runs[start : start + count], shape)


def apply_scan(config: SimulationConfig, draw: ScanDraw, view_id: int = 0) -> SimulatedScan:
    """Make the picture and the truth of one view of a draw. Deterministic: same draw, same bytes.

    Parameters
    ----------
    config : the settings that the draw was made with
    draw : what was chosen
    view_id : int
        0, or 1 where `config.views` is 2.

    Examples
    --------
    Two views of one bag: it lies at the same place along the belt (the rows) in both.

    >>> config = SimulationConfig(size_px=32, views=2)
    >>> draw = draw_scan(config, seed=0, index=0)
    >>> first, second = (apply_scan(config, draw, view_id) for view_id in range(2))
    >>> bool(abs(first.items["y_min"][0] - second.items["y_min"][0]) <= 1)
    True
    """
    view = draw.views[view_id]
    everything = (*draw.bags, *draw.items)
    materials = {part.material for placed in everything for part in placed.item.parts}
    replaced = {part.replaces or "air" for placed in everything for part in placed.item.parts}
    canvas = Canvas(view, config.supersample, materials | replaced, config.voltage_kvp)
    shadows = [canvas.add(placed) for placed in everything]
    signal = _detect(canvas, draw.noise_seeds[view_id] if config.noise else None)
    truth = truth_of(draw, view_id, shadows, config.size_px, part_masks=config.part_masks)
    if config.channels == "dual":
        image = np.rint(np.moveaxis(signal, 0, -1) * 65535).astype(np.uint16)
    else:
        image = pseudo_colour(signal[0], signal[1], draw.palette, draw.look)
    return SimulatedScan(
        image=np.ascontiguousarray(image),
        transmission=signal,
        label_map=truth.label_map,
        overlaps=truth.overlaps,
        items=truth.items,
        parts=truth.parts,
        mask_runs=truth.mask_runs,
    )


def simulate_scan(
    config: SimulationConfig, seed: int, index: int, view_id: int = 0
) -> SimulatedScan:
    """Draw a scan and make one view of it."""
    return apply_scan(config, draw_scan(config, seed, index), view_id)


def _detect(canvas: Canvas, noise_seed: int | None) -> Float[np.ndarray, "2 row col"]:
    """Return what the detector reads: each of its pixels gathers `factor` rays a side."""
    size = canvas.view.size_px
    picture = np.ones((2, size, size), dtype=np.float32)
    rows, cols = canvas.window()
    thickness = np.maximum(canvas.thickness_mm[:, rows, cols], 0)
    flat = thickness.reshape(len(thickness), -1)
    passed = transmission(flat, canvas.names, canvas.voltage_kvp)
    picture[:, rows, cols] = passed.reshape(2, *thickness.shape[1:])
    clean = reduce(picture, canvas.factor)
    if noise_seed is None:
        return clean
    pitch_mm = canvas.view.pitch_mm * canvas.factor
    return expose(clean, pitch_mm, stream(noise_seed, "detector")).astype(np.float32, copy=False)
