"""What was chosen for one scan: bags, items, poses, views. Chance ends here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xraysynth.baggage.catalogue import Item, build, weight
from xraysynth.baggage.config import ANY_PALETTE, SimulationConfig
from xraysynth.baggage.density import dense
from xraysynth.baggage.framing import cut, frame
from xraysynth.baggage.placing import PlacedItem, Room
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanner.colour import Look, palettes
from xraysynth.scanner.projection import View, turn

LEVEL_DEG = 6.0
"""Spread (standard deviation) of a bag about the direction that it lies in."""
DIRECTIONS = {"along": 0.4, "across": 0.15, "askew": 0.45}
"""How bags lie on the belt, where they may lie any way."""
GAP_MM = (5.0, 60.0)
"""Between two bags on the belt."""
Z_SPREAD = 4.0
"""Error of a display's atomic number over the spread of its log contrast."""
TASTE = 1.3
"""How unlike bags are: spread (standard deviation) of the log of each kind's weight."""
COVERS = (2, 3)
"""Fewest and most dense items that are put over a concealed threat."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanDraw:
    """Everything that was chosen for one scan: enough to make it again without chance."""

    scan_id: str
    seed: int
    index: int
    bags: tuple[PlacedItem, ...]
    """One or two containers."""
    items: tuple[PlacedItem, ...]
    """Threats first, then clutter, in the order of packing."""
    n_left_out: int
    """Items that were drawn but fit into no bag."""
    palette: str
    look: Look
    """How the display is set."""
    views: tuple[View, ...]
    noise_seeds: tuple[int, ...]
    """One a view."""

    @property
    def bag(self) -> PlacedItem:
        """The first container."""
        return self.bags[0]

    @property
    def view(self) -> View:
        """The first view."""
        return self.views[0]


def draw_scan(config: SimulationConfig, seed: int, index: int) -> ScanDraw:
    """Choose the contents, poses and views of one scan.

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
        Deterministic in (config, seed, index). Items that do not fit without intersecting others
        are left out and counted. A case that cannot be arranged (no threat, nothing dense to put
        over it) becomes plain: the case of each item says what was done, not what was wanted.

    Examples
    --------
    >>> draw = draw_scan(SimulationConfig(threats=(1, 1)), seed=0, index=7)
    >>> draw.items[0].item.class_name in SimulationConfig().threat_classes
    True
    """
    rng = stream(seed, "simulate", index)
    case = _chosen(rng, config.cases.model_dump())
    rooms = [Room.of_bag(bag, rng.uniform(*config.fill)) for bag in _bags(config, rng)]
    bags = tuple(room.bag for room in rooms)
    threats, clutter, n_asked = _pack(config, rooms, case, rng)
    views = frame(config, bags, rng)
    if case == "partly_out_of_view" and threats:
        number = int(rng.integers(len(threats)))
        threats[number] = replace(threats[number], case=case)
        views = cut(views, threats[number], rng)
    return ScanDraw(
        scan_id=f"sim-{seed}-{index:08d}",
        seed=seed,
        index=index,
        bags=bags,
        items=(*threats, *clutter),
        n_left_out=n_asked - len(threats) - len(clutter),
        palette=_palette(config.palette, rng),
        look=_look(config.display_spread, rng),
        views=views,
        noise_seeds=tuple(
            stream_seed(seed, "noise", index, view_id) for view_id in range(len(views))
        ),
    )


def _palette(wanted: str | dict[str, float], rng: np.random.Generator) -> str:
    """Return the name of one palette."""
    if isinstance(wanted, str):
        return _one(rng, tuple(palettes())) if wanted == ANY_PALETTE else wanted
    return _chosen(rng, wanted)


def _look(spread: float, rng: np.random.Generator) -> Look:
    """Return how a display is set."""
    contrast, shift = rng.normal(0, spread, 2)
    return Look(float(np.exp(contrast)), float(Z_SPREAD * shift))


def _one(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    """Return one of the names."""
    return names[int(rng.integers(len(names)))]


def _chosen(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """Return one of the names, each as likely as its share."""
    chances = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(shares), p=chances / chances.sum()))]


def _bags(config: SimulationConfig, rng: np.random.Generator) -> list[PlacedItem]:
    """Return one bag in the middle of the tunnel, or two behind each other on the belt."""
    count = 2 if rng.random() < config.two_bags else 1
    bags = []
    for _ in range(count):
        way = "along" if config.bag_turn == "level" else _chosen(rng, DIRECTIONS)
        askew = float(rng.uniform(0, 360))
        square = 90.0 * (way == "across") + 180.0 * int(rng.integers(2)) + rng.normal(0, LEVEL_DEG)
        angles = (askew if way == "askew" else float(square), 0.0, 0.0)
        shares = {kind: weight(kind) for kind in config.bag_kinds}
        item = build(_chosen(rng, shares), rng)
        bags.append(PlacedItem(item=item, angles_deg=angles, at=(0.0, 0.0, 0.0), case="container"))
    if count == 1:
        return bags
    (low, high), (next_low, next_high) = ((bag.spans[0, :, 1], bag.spans[1, :, 1]) for bag in bags)
    gap = rng.uniform(*GAP_MM)
    apart = float(high.max() + gap - next_low.min())
    middle = float(low.min() + apart + next_high.max()) / 2
    return [
        replace(bag, at=(float(rng.uniform(-90, 90)), y - middle, 0.0))
        for bag, y in zip(bags, (0.0, apart), strict=True)
    ]


def _pack(
    config: SimulationConfig, rooms: Sequence[Room], case: str, rng: np.random.Generator
) -> tuple[list[PlacedItem], list[PlacedItem], int]:
    """Return the threats and the clutter that found room, and how many were to be packed."""
    threats = _threats(config, rng)
    counts = [_clutter_count(config, room, rng) for room in rooms]
    n_asked = len(threats) + sum(counts)
    laid: list[PlacedItem | None] = []
    clutter: list[PlacedItem | None] = []
    if case == "conceal" and threats and counts[0]:
        hidden, covers = _conceal(config, threats.pop(0), (rooms[0], counts[0]), rng)
        laid.append(hidden)
        clutter += covers
        counts[0] -= len(covers)
    for item in threats:
        room = rooms[int(rng.integers(len(rooms)))]
        laid.append(room.drop(item, config.tilt_deg, rng))
    for room, count in zip(rooms, counts, strict=True):
        clutter += [room.drop(item, config.tilt_deg, rng) for item in _clutter(config, count, rng)]
    return _found(laid), _found(clutter), n_asked


def _found(placed: Sequence[PlacedItem | None]) -> list[PlacedItem]:
    """Return those that found room."""
    return [item for item in placed if item is not None]


def _threats(config: SimulationConfig, rng: np.random.Generator) -> list[Item]:
    """Return the threats, each of another class."""
    count = int(rng.integers(config.threats[0], config.threats[1] + 1))
    order = rng.permutation(len(config.threat_classes))[:count]
    return [build(config.threat_classes[int(index)], rng) for index in order]


def _clutter_count(config: SimulationConfig, room: Room, rng: np.random.Generator) -> int:
    """Return how many harmless items a bag is to hold."""
    if config.clutter_per_litre is not None:
        return round(room.litres * rng.uniform(*config.clutter_per_litre))
    # As many bags between 4 and 8 items as between 8 and 16: real ones are as unlike.
    low, high = np.log(np.array(config.clutter) + 0.5)
    count = round(float(np.exp(rng.uniform(low, high))) - 0.5)
    return int(np.clip(count, *config.clutter))


def _clutter(config: SimulationConfig, count: int, rng: np.random.Generator) -> list[Item]:
    """Return harmless items, the smallest first: what is large leaves holes below it."""
    if not count:
        return []
    # One packs clothes, another a toolbox.
    taste = np.exp(rng.normal(0, TASTE, len(config.clutter_kinds)))
    weights = taste * [weight(kind) for kind in config.clutter_kinds]
    chosen = rng.choice(len(weights), count, p=weights / weights.sum())
    items = [build(config.clutter_kinds[int(index)], rng) for index in chosen]
    return sorted(items, key=_volume)


def _volume(item: Item) -> float:
    """Return the volume of the box around an item, in mm3."""
    low, high = item.spans(turn())[:, item.outer]
    return float(np.prod(high.max(axis=0) - low.min(axis=0)))


def _conceal(
    config: SimulationConfig, threat: Item, place: tuple[Room, int], rng: np.random.Generator
) -> tuple[PlacedItem | None, list[PlacedItem]]:
    """Lay a threat on the bag's floor and the densest clutter over it."""
    room, at_most = place
    hidden = room.drop(threat, config.tilt_deg, rng)
    covers: list[PlacedItem] = []
    if hidden is None:
        return None, covers
    wanted = min(int(rng.integers(COVERS[0], COVERS[1] + 1)), at_most)
    kinds = dense(config.clutter_kinds)
    for _ in range(2 * wanted):
        if len(covers) < wanted:
            cover = room.drop(build(_one(rng, kinds), rng), config.tilt_deg, rng, over=hidden)
            covers += [] if cover is None else [cover]
    return (replace(hidden, case="conceal") if covers else hidden), covers
