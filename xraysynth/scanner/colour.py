"""Effective atomic number and the operator's pseudo-colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import yaml
from jaxtyping import Float, UInt8

from xraysynth.errors import InputError
from xraysynth.scanner.detector import mean_of_three, transmission

WEDGES = {
    "polyethylene": 5.4,
    "pmma": 6.5,
    "water": 7.4,
    "magnesium": 12.0,
    "aluminium": 13.0,
    "silicon": 14.0,
    "sulphur": 16.0,
    "calcium": 20.0,
    "titanium": 22.0,
    "steel": 26.0,
    "copper": 29.0,
}
"""Wedges of known (effective) atomic number, in rising order."""
LOG_HIGH_MAX = 5.0
RATIO_RANGE = (1.0, 3.0)
TABLE_SHAPE = (128, 256)
DENSE_LOG = 4.6
"""-ln T beyond which the picture is black: 1 % of the beam."""


@dataclass(frozen=True, kw_only=True)
class Palette:
    """How a maker of scanners colours effective atomic numbers."""

    name: str
    z_eff: tuple[float, ...]
    hues: tuple[tuple[float, ...], ...]
    strength: float
    dark: float


@lru_cache(maxsize=1)
def palettes() -> dict[str, Palette]:
    """Return the palettes of `scanner/data/palettes.yaml` by name."""
    text = resources.files("xraysynth.scanner.data").joinpath("palettes.yaml").read_text("utf-8")
    return {
        name: Palette(
            name=name,
            z_eff=tuple(stop[0] for stop in entry["stops"]),
            hues=tuple(tuple(stop[1]) for stop in entry["stops"]),
            strength=entry["strength"],
            dark=entry["dark"],
        )
        for name, entry in yaml.safe_load(text).items()
    }


def palette(name: str) -> Palette:
    """Return one palette.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    known = palettes()
    if name not in known:
        raise InputError(f"{name!r} is not a palette; want one of {', '.join(known)}.")
    return known[name]


@lru_cache(maxsize=2)
def _z_table(voltage_kvp: int = 160) -> Float[np.ndarray, "log ratio"]:
    """Return effective Z over (-ln T_high, R), from simulated wedges of known Z."""
    log_high = np.linspace(0.02, LOG_HIGH_MAX, TABLE_SHAPE[0])
    ratio = np.linspace(*RATIO_RANGE, TABLE_SHAPE[1])
    measured = np.stack([_wedge_ratio(name, log_high, voltage_kvp) for name in WEDGES])
    measured = np.maximum.accumulate(measured, axis=0)
    z_known = np.array(list(WEDGES.values()))
    rows = [np.interp(ratio, measured[:, row], z_known) for row in range(len(log_high))]
    return np.array(rows, dtype=np.float32)


def _wedge_ratio(name: str, log_high: np.ndarray, voltage_kvp: int) -> np.ndarray:
    """Return R = ln T_low / ln T_high of a wedge where its -ln T_high has the given values."""
    thickness_mm = np.geomspace(1e-3, 1e4, 400, dtype=np.float32)
    low, high = -np.log(np.maximum(transmission(thickness_mm[None], [name], voltage_kvp), 1e-12))
    usable = high > 1e-4
    return np.interp(log_high, high[usable], low[usable] / high[usable])


def effective_z(
    low: Float[np.ndarray, "row col"], high: Float[np.ndarray, "row col"]
) -> Float[np.ndarray, "row col"]:
    """Return the effective atomic number of what the two channels saw.

    Parameters
    ----------
    low, high : (row, col)
        Transmission in [0, 1]. Values under 1e-4 count as 1e-4.

    Returns
    -------
    (row, col)
        Effective atomic number between 5.4 (polyethylene) and 29 (copper).

    Notes
    -----
    R drifts with thickness as the beam hardens, hence a table over both. Materials with a K edge
    in the range (lead, tin) misread. Where less than 2 % is absorbed the value means little.

    Examples
    --------
    >>> low, high = transmission(np.array([[50.0]]), ["water"])
    >>> bool(abs(effective_z(low[None], high[None]) - 7.4)[0, 0] < 0.3)
    True
    """
    log_low = -np.log(np.maximum(low, 1e-4))
    log_high = -np.log(np.maximum(high, 1e-4))
    ratio = log_low / np.maximum(log_high, 1e-3)
    rows, cols = TABLE_SHAPE
    row = (log_high - 0.02) * ((rows - 1) / (LOG_HIGH_MAX - 0.02))
    col = (ratio - RATIO_RANGE[0]) * ((cols - 1) / (RATIO_RANGE[1] - RATIO_RANGE[0]))
    row_index = np.clip(np.rint(row), 0, rows - 1).astype(np.intp)
    col_index = np.clip(np.rint(col), 0, cols - 1).astype(np.intp)
    # Where hardly any low quanta come through, only dense metal can be in the way.
    dense = np.clip((log_low - DENSE_LOG) / 0.8, 0, 1)
    z_eff = _z_table()[row_index, col_index]
    return np.asarray(z_eff + dense * np.maximum(26.0 - z_eff, 0))


@lru_cache(maxsize=8)
def _hue_table(name: str) -> Float[np.ndarray, "z 3"]:
    """Return hues from 0 to 1 for effective Z = 5, 5.1, ... 30."""
    chosen = palette(name)
    z_eff = np.arange(5.0, 30.05, 0.1)
    hues = np.array(chosen.hues) / 255
    columns = [np.interp(z_eff, chosen.z_eff, hues[:, channel]) for channel in range(3)]
    return np.stack(columns, axis=1).astype(np.float32)


def pseudo_colour(
    low: Float[np.ndarray, "row col"],
    high: Float[np.ndarray, "row col"],
    palette_name: str = "standard",
) -> UInt8[np.ndarray, "row col 3"]:
    """Return the operator's picture: hue tells the atomic number, darkness the attenuation.

    Parameters
    ----------
    low, high : (row, col)
        Transmission in [0, 1].
    palette_name : str
        A palette of `scanner/data/palettes.yaml`.

    Raises
    ------
    InputError
        If the palette is unknown.

    Examples
    --------
    >>> air = np.ones((1, 1))
    >>> pseudo_colour(air, air).tolist()
    [[[255, 255, 255]]]
    """
    chosen = palette(palette_name)
    log_mean = -0.5 * np.log(np.maximum(low, 1e-4)) - 0.5 * np.log(np.maximum(high, 1e-4))
    # Thin things need averaging against noise; dense ones would bleed into their surroundings.
    raw = np.clip(log_mean / 0.3 - 1, 0, 1)
    both = np.stack([low, high])
    smooth = raw * both + (1 - raw) * mean_of_three(mean_of_three(both, 1), 2)
    z_eff = effective_z(smooth[0], smooth[1])
    hue = _hue_table(palette_name)[np.clip((z_eff - 5) * 10, 0, 250).astype(np.intp)]
    colourful = 1 - np.exp(-log_mean / chosen.strength)
    # Where almost nothing is absorbed the ratio is noise: fade its hue out.
    colourful = np.where(
        log_mean < 0.1, colourful * np.clip(log_mean / 0.1, 0, 1) ** 0.5, colourful
    )
    log_high = -np.log(np.maximum(high, 1e-4))
    bright = np.exp(-log_mean / chosen.dark) * np.clip((DENSE_LOG + 0.5 - log_high) / 1.5, 0, 1)
    picture = (1 - colourful[..., None] * (1 - hue)) * bright[..., None]
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
