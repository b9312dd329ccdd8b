"""Threat image projection: a threat's raw scan inserted into a bag's, by adding line integrals.

What a ray loses in the threat and what it loses in the bag multiply: T = T_bag T_threat in each
channel. Exact for one photon energy; over a spectrum the beam behind one is harder for the other,
and that is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pydantic
from jaxtyping import Bool, Float
from pydantic import Field
from scipy import ndimage, signal

from xraysynth.errors import InputError
from xraysynth.randomness import stream, stream_seed
from xraysynth.scanner.raw import LOWEST, RawScan, clean_logs, noise_level
from xraysynth.settings import Settings

MASK_LOG = 0.02
"""A pixel belongs to the threat where the mean -ln T of its channels is at least this."""
BAG_LOG = 0.03
"""A pixel belongs to the bag where its mean -ln T is at least this, or where it is enclosed."""
COARSE_PX = 192
"""Places are sought on pictures whose longer side is about this."""
POSES = 8
"""So many rotations are tried before a threat counts as too large."""


class InsertionConfig(Settings):
    """Ranges that `draw_insertion` chooses from."""

    rotation_deg: tuple[float, float] = (-180.0, 180.0)
    """Range of the rotation, anticlockwise."""
    flip: bool = True
    """Whether half of the threats are mirrored."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the size relative to the threat's own scan; thickness stays as it is."""
    inside: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Least share of the threat's pixels that lie within the bag's outline."""
    noise: bool = True
    """Whether the quanta that the threat takes away raise the noise."""

    @pydantic.model_validator(mode="after")
    def _check_ranges(self) -> InsertionConfig:
        for name, (least, most) in (("rotation_deg", self.rotation_deg), ("scale", self.scale)):
            if least > most:
                raise ValueError(f"{name} should be a range (least, most) with least <= most")
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale should lie between 0.1 and 10")
        return self


@dataclass(frozen=True, kw_only=True)
class InsertionDraw:
    """What was chosen for one insertion."""

    row_px: int = 0
    """Row of the bag's picture on which the first row of the turned threat's picture comes to lie;
    below 0 where only air lies outside."""
    col_px: int = 0
    """The same for columns."""
    rotation_deg: float = 0.0
    """Anticlockwise, after the flip."""
    flip: bool = False
    scale: float = 1.0
    noise_seed: int | None = None
    """Seed of the noise; None for an insertion without noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Insertion:
    """A bag with a threat in it, and the truth."""

    low: Float[np.ndarray, "row col"]
    high: Float[np.ndarray, "row col"]
    mask: Bool[np.ndarray, "row col"]
    box: tuple[int, int, int, int]
    """Left, top, right, bottom of the mask; right and bottom are outside it."""
    visibility: float
    """The threat's share of -ln T, over its mask."""


def turned_logs(threat: RawScan, draw: InsertionDraw) -> Float[np.ndarray, "2 row col"]:
    """Return the threat's own -ln T: cleaned, mirrored, scaled, turned; air is 0."""
    return _turn(clean_logs(threat), draw)


def _turn(logs: np.ndarray, draw: InsertionDraw) -> np.ndarray:
    """Mirror, scale and turn line integrals; the picture grows to hold its corners."""
    if draw.flip:
        logs = logs[:, :, ::-1]
    if draw.scale != 1:
        logs = ndimage.zoom(logs, (1, draw.scale, draw.scale), order=1, mode="nearest")
    quarters, rest_deg = divmod(draw.rotation_deg, 90.0)
    logs = np.rot90(logs, int(quarters) % 4, axes=(1, 2))
    if rest_deg:
        turned = ndimage.rotate(logs, rest_deg, axes=(2, 1), order=1, mode="constant")
        logs = np.maximum(turned, 0)
    return np.ascontiguousarray(logs)


def _shown(logs: np.ndarray) -> tuple[slice, slice] | None:
    """Return the rows and columns that are not air, one more on each side; None if all is air."""
    solid = logs.mean(axis=0) >= MASK_LOG
    if not solid.any():
        return None
    rows, cols = ndimage.find_objects(solid.astype(np.uint8))[0]
    # One pixel more keeps the soft edge.
    return (
        slice(max(rows.start - 1, 0), min(rows.stop + 1, solid.shape[0])),
        slice(max(cols.start - 1, 0), min(cols.stop + 1, solid.shape[1])),
    )


def bag_outline(bag: RawScan) -> Bool[np.ndarray, "row col"]:
    """Return what lies within the bag: whatever is not air, with gaps and holes filled."""
    solid = ndimage.binary_opening(bag.logs().mean(axis=0) >= BAG_LOG)
    gap = max(min(solid.shape) // 64, 1)
    closed = ndimage.binary_closing(np.pad(solid, 2 * gap), np.ones((3, 3)), iterations=gap)
    filled = ndimage.binary_fill_holes(closed)
    return np.asarray(filled[2 * gap : -2 * gap, 2 * gap : -2 * gap])


def draw_insertion(
    config: InsertionConfig, bag: RawScan, threat: RawScan, seed: int
) -> InsertionDraw:
    """Choose how and where a threat goes into a bag.

    Places are those where the turned threat lies whole in the picture, and at least the share
    `config.inside` of it within the bag's outline; each is as likely as any other.

    Raises
    ------
    InputError
        If the threat fits nowhere, whichever way it was turned, or its scan shows only air.
    """
    outline, logs, best = bag_outline(bag), clean_logs(threat), 0.0
    for attempt in range(POSES):
        rng = stream(seed, "insertion", attempt)
        pose = InsertionDraw(
            rotation_deg=float(rng.uniform(*config.rotation_deg)),
            flip=bool(config.flip and rng.integers(2)),
            scale=float(rng.uniform(*config.scale)),
            noise_seed=stream_seed(seed, "noise") if config.noise else None,
        )
        turned = _turn(logs, pose)
        shown = _shown(turned)
        if shown is None:
            raise InputError(
                "the threat's scan shows nothing but air; check its air level or leave it out."
            )
        solid = turned.mean(axis=0)[shown] >= MASK_LOG
        place, share = _place(outline, solid, config.inside, rng)
        if place is not None:
            row_px, col_px = place[0] - shown[0].start, place[1] - shown[1].start
            return replace(pose, row_px=row_px, col_px=col_px)
        best = max(best, share)
    (rows, cols), (tall, wide) = solid.shape, bag.shape
    raise InputError(
        f"a threat of {cols} x {rows} pixels fits nowhere into a bag of {wide} x {tall}: at most "
        f"{best:.0%} of it would lie inside the bag, want {config.inside:.0%}. Lower inside or "
        "scale, or leave it out."
    )


def _place(
    outline: np.ndarray, solid: np.ndarray, inside: float, rng: np.random.Generator
) -> tuple[tuple[int, int] | None, float]:
    """Return a place for the threat's top left corner, if any, and the largest share inside."""
    room = [whole - part for whole, part in zip(outline.shape, solid.shape, strict=True)]
    if min(room) < 0:
        return None, 0.0
    step = max(math.ceil(max(outline.shape) / COARSE_PX), 1)
    kernel = _coarse(solid, step)
    field = _coarse(np.pad(outline, [(0, step)] * 2), step)
    shares = signal.fftconvolve(field, kernel[::-1, ::-1], mode="valid")
    shares = shares[: room[0] // step + 1, : room[1] // step + 1] / kernel.sum()
    places = np.argwhere(shares >= min(inside, 1 - 1e-6) - 0.02)
    best = float(np.clip(shares.max(initial=0.0), 0, 1))
    for row, col in places[rng.permutation(len(places))[:32]] * step:
        part = outline[row : row + solid.shape[0], col : col + solid.shape[1]]
        if (part & solid).sum() >= inside * solid.sum():
            return (int(row), int(col)), best
    return None, best


def _coarse(picture: np.ndarray, step: int) -> np.ndarray:
    """Return the means of square blocks, the last ones padded with nothing."""
    padding = [(0, -size % step) for size in picture.shape]
    padded = np.pad(picture.astype(np.float32), padding)
    rows, cols = (size // step for size in padded.shape)
    return np.asarray(padded.reshape(rows, step, cols, step).mean(axis=(1, 3)))


def insert(bag: RawScan, threat: RawScan, draw: InsertionDraw) -> Insertion:
    """Add a threat's line integrals to a bag's. Deterministic: same draw, same pixels.

    Parameters
    ----------
    bag, threat : raw scans
        The threat was scanned alone; whatever its scan shows as air is subtracted. Where its
        border is no air, nothing is.
    draw : InsertionDraw
        From `draw_insertion`, or made by hand. The default puts the threat's first row and column
        on the bag's.

    Raises
    ------
    InputError
        If a part of the threat lies outside the bag's picture.

    Notes
    -----
    A threat of nothing but air changes nothing: the mask is empty and the box is 0, 0, 0, 0.
    Quantum noise is not that of two exposures: the threat's own is taken away, and noise is added
    for the quanta that the threat takes out of the bag's: variance (1 / T_bag) (1 / T_threat - 1)
    times that of open air, in -ln T.

    Examples
    --------
    >>> plate = np.ones((20, 20))
    >>> plate[5:15, 5:15] = 0.5
    >>> bag = RawScan(np.full((40, 40), 0.5), np.full((40, 40), 0.6))
    >>> found = insert(bag, RawScan(plate, plate), InsertionDraw(row_px=10, col_px=10))
    >>> float(found.low[20, 20]), found.box, int(found.mask.sum())
    (0.25, (15, 15, 25, 25), 100)
    """
    both = np.stack([bag.low, bag.high]).astype(np.float32)
    mask = np.zeros(bag.shape, dtype=bool)
    logs = turned_logs(threat, draw)
    shown = _shown(logs)
    if shown is None:
        return Insertion(low=both[0], high=both[1], mask=mask, box=(0, 0, 0, 0), visibility=0.0)
    logs = logs[:, *shown]
    rows, cols = _target(draw, shown, bag.shape)
    behind = both[:, rows, cols].copy()
    added = _extra_noise(bag, behind, logs, draw.noise_seed)
    both[:, rows, cols] = np.clip(behind * np.exp(-logs) + added, 0, 1)
    own = logs.mean(axis=0)
    solid = own >= MASK_LOG
    mask[rows, cols] = solid
    inner_rows, inner_cols = ndimage.find_objects(mask.astype(np.uint8))[0]
    before = -np.log(np.clip(behind, LOWEST, 1)).mean(axis=0)
    return Insertion(
        low=both[0],
        high=both[1],
        mask=mask,
        box=(inner_cols.start, inner_rows.start, inner_cols.stop, inner_rows.stop),
        visibility=float(own[solid].sum() / (own + before)[solid].sum()),
    )


def _target(
    draw: InsertionDraw, shown: tuple[slice, slice], shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the rows and columns of the bag that what the threat shows comes to lie on."""
    rows, cols = (
        slice(first + inner.start, first + inner.stop)
        for first, inner in zip((draw.row_px, draw.col_px), shown, strict=True)
    )
    if min(rows.start, cols.start) < 0 or rows.stop > shape[0] or cols.stop > shape[1]:
        raise InputError(
            f"a threat of {cols.stop - cols.start} x {rows.stop - rows.start} pixels with its "
            f"corner at row {rows.start}, column {cols.start} leaves a bag of {shape[1]} x "
            f"{shape[0]}; move it inside."
        )
    return rows, cols


def _extra_noise(
    bag: RawScan, behind: np.ndarray, logs: np.ndarray, noise_seed: int | None
) -> np.ndarray | float:
    """Return the noise that the fewer quanta bring, in transmission."""
    if noise_seed is None:
        return 0.0
    levels = np.array(noise_level(bag), dtype=np.float32)[:, None, None]
    passed = np.exp(-logs)
    # Relative variance above times (T_bag T_threat)^2.
    spread = levels * np.sqrt(behind * passed * (1 - passed))
    rng = stream(noise_seed, "quanta")
    return np.asarray(spread * rng.standard_normal(logs.shape, dtype=np.float32))
