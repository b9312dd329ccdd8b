"""The exact truth of one view: label map, overlaps, a row and a mask for every item and part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt32

from xraysynth import runlength, schema
from xraysynth.baggage.canvas import PRESENT_MM, PartShadow, Shadow
from xraysynth.baggage.draw import ScanDraw
from xraysynth.runlength import Encoded

BAG_WEIGHT = 0.5
"""What lies in a bag is the label unless the bag attenuates twice as much."""
BOX = ("x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is where in one picture."""

    label_map: UInt8[np.ndarray, "row col"]
    """Class that attenuates most in each pixel."""
    overlaps: UInt32[np.ndarray, "row col"]
    """Bit c is set where class c is crossed."""
    items: np.ndarray
    """(item,) compound, data set `items` of the schema: containers first."""
    parts: np.ndarray
    """(part,) compound, data set `parts` of the schema."""
    mask_runs: UInt32[np.ndarray, " run"]
    """Run lengths that `items` and `parts` point into."""


def truth_of(
    draw: ScanDraw, view_id: int, shadows: Sequence[Shadow], size_px: int, *, part_masks: bool
) -> Truth:
    """Return the truth of one view from the shadows of its containers and items."""
    label_map, overlaps, total = _maps(shadows, size_px)
    encoded = _encoded(shadows, size_px, part_masks)
    rows = _item_rows(draw, view_id, shadows, encoded)
    rows["touches_border"] = [_touches_border(shadow, size_px) for shadow in shadows]
    rows["visibility"] = [_visibility(shadow, total) for shadow in shadows]
    rows["occlusion"] = _occlusion(shadows, size_px)
    parts = _part_rows(rows, shadows, encoded, len(shadows)) if part_masks else _no_parts()
    return Truth(
        label_map=label_map, overlaps=overlaps, items=rows, parts=parts, mask_runs=encoded.runs
    )


def _maps(
    shadows: Sequence[Shadow], size_px: int
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, "row col"]]:
    """Return the label map, the overlaps and the whole -ln T of all items."""
    ids = {name: info.id for name, info in schema.classes().items()}
    overlaps = np.zeros((size_px, size_px), dtype=np.uint32)
    total = np.zeros((size_px, size_px), dtype=np.float32)
    length: dict[int, np.ndarray] = {}
    log_share: dict[int, np.ndarray] = {}
    for shadow in shadows:
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


def _encoded(shadows: Sequence[Shadow], size_px: int, part_masks: bool) -> Encoded:
    """Return the masks of all items, then those of all their parts, as run lengths."""
    every: list[Shadow | PartShadow] = [*shadows]
    every += [part for shadow in shadows for part in shadow.parts if part_masks]
    return runlength.encode(
        [one.mask for one in every],
        [(one.window[0].start, one.window[1].start) for one in every],
        (size_px, size_px),
    )


def _item_rows(
    draw: ScanDraw, view_id: int, shadows: Sequence[Shadow], encoded: Encoded
) -> np.ndarray:
    """Return the rows of the items, without what depends on other items."""
    ids, rows = schema.classes(), np.zeros(len(shadows), dtype=schema.table_dtype("items"))
    placed = [shadow.placed for shadow in shadows]
    rows["scan_id"], rows["view_id"] = draw.scan_id, view_id
    rows["item_id"] = np.arange(len(shadows))
    rows["class_id"] = [ids[one.item.class_name].id for one in placed]
    rows["name"] = [one.item.name for one in placed]
    rows["material"] = [one.item.material for one in placed]
    rows["case"] = [one.case for one in placed]
    rows["thickness_mm"] = [shadow.length_mm.max(initial=0.0) for shadow in shadows]
    rows["rotation_deg"] = [one.rotation_deg for one in placed]
    rows["pitch_deg"] = [one.angles_deg[1] for one in placed]
    rows["roll_deg"] = [one.angles_deg[2] for one in placed]
    at = np.array([one.at for one in placed]).reshape(-1, 3)
    half = draw.view.field_mm / 2
    rows["centre_x_mm"] = at[:, 0] - draw.view.centre_mm[0] + half
    rows["centre_y_mm"] = at[:, 1] - draw.view.centre_mm[1] + half
    rows["centre_z_mm"] = at[:, 2]
    _set_masks(rows, encoded, slice(0, len(shadows)))
    return rows


def _part_rows(
    items: np.ndarray, shadows: Sequence[Shadow], encoded: Encoded, first: int
) -> np.ndarray:
    """Return the rows of the parts, whose masks begin with number `first`."""
    n_parts = [len(shadow.parts) for shadow in shadows]
    rows = np.zeros(sum(n_parts), dtype=schema.table_dtype("parts"))
    for name in ("scan_id", "view_id", "item_id"):
        rows[name] = np.repeat(items[name], n_parts)
    rows["part_id"] = np.concatenate([np.arange(count) for count in n_parts])
    parts = [part for shadow in shadows for part in shadow.placed.item.parts]
    rows["material"] = [part.material for part in parts]
    rows["replaces"] = [part.replaces or "" for part in parts]
    rows["thickness_mm"] = [part.thickness_mm for shadow in shadows for part in shadow.parts]
    _set_masks(rows, encoded, slice(first, None))
    return rows


def _no_parts() -> np.ndarray:
    """Return no rows."""
    return np.zeros(0, dtype=schema.table_dtype("parts"))


def _set_masks(rows: np.ndarray, encoded: Encoded, some: slice) -> None:
    """Fill the columns that follow from the masks."""
    rows["runs_start"], rows["runs_count"] = encoded.starts[some], encoded.n_runs[some]
    rows["area_px"] = encoded.area_px[some]
    for column, name in enumerate(BOX):
        rows[name] = encoded.boxes[some, column]


def _touches_border(shadow: Shadow, size_px: int) -> bool:
    """Return whether a pixel of an item lies on the border of the picture."""
    rows, cols = shadow.window
    mask = shadow.mask
    return bool(
        (rows.start == 0 and mask[:1].any())
        or (cols.start == 0 and mask[:, :1].any())
        or (rows.stop == size_px and mask[-1:].any())
        or (cols.stop == size_px and mask[:, -1:].any())
    )


def _visibility(shadow: Shadow, total: Float[np.ndarray, "row col"]) -> float:
    """Return the share of -ln T inside an item's mask that is its own."""
    whole = total[shadow.window][shadow.mask].sum()
    return min(float(shadow.log_share[shadow.mask].sum() / max(whole, 1e-12)), 1.0)


def _occlusion(shadows: Sequence[Shadow], size_px: int) -> list[float]:
    """Return the share of each item's pixels that other items cross too, containers left out."""
    n_crossed: Int[np.ndarray, "row col"] = np.zeros((size_px, size_px), dtype=np.int16)
    is_inside = [shadow.placed.case != "container" for shadow in shadows]
    for shadow, inside in zip(shadows, is_inside, strict=True):
        if inside:
            n_crossed[shadow.window] += shadow.mask
    return [
        float((n_crossed[shadow.window][shadow.mask] > inside).mean()) if shadow.mask.any() else 0.0
        for shadow, inside in zip(shadows, is_inside, strict=True)
    ]
