"""Bags of known contents: config (ranges) -> draw (what was chosen) -> apply (pixels, truth)."""

from xraysynth.baggage.config import CaseShares, SimulationConfig
from xraysynth.baggage.draw import ScanDraw, draw_scan
from xraysynth.baggage.placing import PlacedItem
from xraysynth.baggage.render import SimulatedScan, apply_scan, simulate_scan
from xraysynth.baggage.simulate import simulate, simulate_batch

__all__ = [
    "CaseShares",
    "PlacedItem",
    "ScanDraw",
    "SimulatedScan",
    "SimulationConfig",
    "apply_scan",
    "draw_scan",
    "simulate",
    "simulate_batch",
    "simulate_scan",
]
