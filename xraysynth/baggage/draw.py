"""What was chosen for one scan: bag, items, poses. Chance ends here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from xraysynth.baggage.catalogue import Item, build, weight
from xraysynth.baggage.config import ANY_PALETTE, SimulationConfig
from xraysynth.baggage.items import carried
from xraysynth.baggage.packing import Space
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanner.colour import palettes
from xraysynth.scanner.projection import Part, View, turn

FREE_ATTEMPTS, ATTEMPTS = 1, 4
"""How often an item is dropped at any angle, and how often in all, before it is left out."""
TILTED_MM = 60.0
"""Items that reach further from their middle tilt less, in proportion."""
MARGIN = 1.05
"""Field of view over the extent of the bag."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlacedItem:
    """An item as it lies in the tunnel."""

    item: Item
    rotation_deg: float
    """Rotation in the picture, anticlockwise as seen, in [0, 360)."""
    at: tuple[float, float, float]
    """Centre in mm from the middle of the tunnel."""
    parts: tuple[Part, ...]
    """The item's parts, turned and moved."""
    spans: Float[np.ndarray, "2 part 3"]
    """Lowest and highest coordinates of each part, in mm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanDraw:
    """Everything that was chosen for one scan: enough to make it again without chance."""

    scan_id: str
    seed: int
    index: int
    bag: PlacedItem
    items: tuple[PlacedItem, ...]
    """Threats first, then clutter, in the order of packing."""
    palette: str
    view: View
    noise_seed: int


def place(item: Item, angles_deg: tuple[float, float, float], at: np.ndarray) -> PlacedItem:
    """Return the item turned (yaw, pitch, roll) about its origin and moved to `at`."""
    rotation = turn(*angles_deg)
    return PlacedItem(
        item=item,
        rotation_deg=float(-angles_deg[0] % 360),
        at=(float(at[0]), float(at[1]), float(at[2])),
        parts=carried(item.parts, rotation, at),
        spans=item.spans(rotation) + at.astype(np.float32),
    )


def draw_scan(config: SimulationConfig, seed: int, index: int) -> ScanDraw:
    """Choose the contents and poses of one scan.

    Parameters
    ----------
    config : ranges to choose from
    seed : int
        The run's seed.
    index : int
        Number of the scan, from 0; scan `index` does not depend on any other.

    Returns
    -------
    ScanDraw
        Deterministic in (config, seed, index). Fewer items than drawn lie in the bag if they do
        not fit without intersecting each other.

    Examples
    --------
    >>> draw = draw_scan(SimulationConfig(threats=(1, 1)), seed=0, index=7)
    >>> draw.items[0].item.class_name in ("gun", "knife", "wrench", "scissors")
    True
    """
    rng = stream(seed, "simulate", index)
    bag_yaw = float(rng.normal(0, 6) + rng.choice([0, 180]))
    bag = place(build(_one(rng, config.bag_kinds), rng), (bag_yaw, 0.0, 0.0), np.zeros(3))
    contents = _threats(config, rng) + _clutter(config, rng)
    space = Space.of_bag(bag.parts[0])
    placed: list[PlacedItem] = []
    for item in contents:
        lain = _drop(item, space, config.tilt_deg, rng)
        if lain is not None:
            placed.append(lain)
    palette = _one(rng, tuple(palettes())) if config.palette == ANY_PALETTE else config.palette
    view = View(
        size_px=config.size_px * config.supersample,
        field_mm=2 * MARGIN * bag.item.reach_mm(turn(bag_yaw)),
        source_mm=config.source_mm,
    )
    return ScanDraw(
        scan_id=f"sim-{seed}-{index:08d}",
        seed=seed,
        index=index,
        bag=bag,
        items=tuple(placed),
        palette=palette,
        view=view,
        noise_seed=stream_seed(seed, "noise", index),
    )


def _one(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    """Return one of the names."""
    return names[int(rng.integers(len(names)))]


def _threats(config: SimulationConfig, rng: np.random.Generator) -> list[Item]:
    """Return the threats, each of another class."""
    count = int(rng.integers(config.threats[0], config.threats[1] + 1))
    order = rng.permutation(len(config.threat_classes))[:count]
    return [build(config.threat_classes[int(index)], rng) for index in order]


def _clutter(config: SimulationConfig, rng: np.random.Generator) -> list[Item]:
    """Return the harmless items."""
    count = int(rng.integers(config.clutter[0], config.clutter[1] + 1))
    weights = np.array([weight(kind) for kind in config.clutter_kinds])
    chosen = rng.choice(len(weights), count, p=weights / weights.sum()) if count else np.zeros(0)
    return [build(config.clutter_kinds[int(index)], rng) for index in chosen]


def _drop(item: Item, space: Space, tilt_deg: float, rng: np.random.Generator) -> PlacedItem | None:
    """Drop an item into the bag, flat and square if it does not fit tilted; None if not at all."""
    # Long things lie flatter than short ones.
    spread_deg = tilt_deg * min(1.0, TILTED_MM / item.reach_mm(turn()))
    for attempt in range(ATTEMPTS):
        free = attempt < FREE_ATTEMPTS
        yaw = rng.uniform(0, 360) if free else 90 * rng.integers(4) + rng.normal(0, 5)
        pitch, roll = np.clip(rng.normal(0, spread_deg / 3**attempt if free else 0.0, 2), -40, 40)
        angles = (float(yaw), float(pitch), float(roll + 180 * rng.integers(2)))
        at = space.find(item, turn(*angles), rng)
        if at is not None:
            return place(item, angles, at)
    return None
