"""Effective atomic number from what the two channels of the detector saw."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8

from xraysynth.scanner.detector import transmission

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
LOWEST = 1e-4
"""Transmission below this counts as this."""
LOG_HIGH_MAX = 5.0
RATIO_RANGE = (1.0, 3.8)
TABLE_SHAPE = (192, 384)
DENSE_LOG = (4.0, 4.4)
"""-ln T_low between which a ray counts more and more as dense metal, whatever its ratio says:
as much as 200 mm of water or 0.9 mm of lead, whose K edge makes it look organic."""
DENSE_Z = 26.0
Z_STEPS = (5.0, 10)
"""Atomic number of index 0 in `z_index`, and indices for each unit."""


@lru_cache(maxsize=2)
def z_table(voltage_kvp: int = 160) -> Float[np.ndarray, "log ratio"]:
    """Return effective Z over the root of -ln T_high and over R, from simulated wedges."""
    log_high = np.linspace(0.0, LOG_HIGH_MAX**0.5, TABLE_SHAPE[0]) ** 2
    ratio = np.linspace(*RATIO_RANGE, TABLE_SHAPE[1])
    measured = np.stack([_wedge_ratio(name, log_high, voltage_kvp) for name in WEDGES])
    measured = np.maximum.accumulate(measured, axis=0)
    z_known = np.array(list(WEDGES.values()))
    rows = np.array([np.interp(ratio, column, z_known) for column in measured.T])
    weak, strong = DENSE_LOG
    dense = np.clip((log_high[:, None] * ratio - weak) / (strong - weak), 0, 1)
    return np.asarray(rows + dense * np.maximum(DENSE_Z - rows, 0), dtype=np.float32)


def _wedge_ratio(name: str, log_high: np.ndarray, voltage_kvp: int) -> np.ndarray:
    """Return R = ln T_low / ln T_high of a wedge where its -ln T_high has the given values."""
    thickness_mm = np.geomspace(1e-3, 1e4, 400, dtype=np.float32)
    low, high = -np.log(np.maximum(transmission(thickness_mm[None], [name], voltage_kvp), 1e-12))
    usable = high > 1e-3
    return np.interp(log_high, high[usable], low[usable] / high[usable])


@lru_cache(maxsize=1)
def _z_index_table() -> UInt8[np.ndarray, " cell"]:
    """Return the table as indices, flat."""
    first, each = Z_STEPS
    return np.rint((z_table() - first) * each).clip(0, 255).astype(np.uint8).ravel()


def _cells(
    log_low: Float[np.ndarray, "*shape"], log_high: Float[np.ndarray, "*shape"], prior: float
) -> np.ndarray:
    """Return the cell of the table for each pair of -ln T."""
    rows, cols = TABLE_SHAPE
    row = np.sqrt(np.maximum(log_high, 0)) * np.float32((rows - 1) / LOG_HIGH_MAX**0.5)
    row = np.minimum(row + np.float32(0.5), np.float32(rows - 1)).astype(np.int32)
    scale = np.float32((cols - 1) / (RATIO_RANGE[1] - RATIO_RANGE[0]))
    ratio = (log_low + np.float32(1.2 * prior)) / np.maximum(log_high + np.float32(prior), 1e-3)
    col = (ratio - np.float32(RATIO_RANGE[0])) * scale + np.float32(0.5)
    row *= cols
    row += np.clip(col, 0, cols - 1).astype(np.int32)
    return row


def z_index(
    log_low: Float[np.ndarray, "*shape"], log_high: Float[np.ndarray, "*shape"], prior: float
) -> UInt8[np.ndarray, "*shape"]:
    """Return effective Z in steps of 0.1 from 5, for colours.

    `prior` is an -ln T of matter with R = 1.2 that is added: where there is less than that, noise
    decides the ratio, and what thin things there are in bags is organic.
    """
    return _z_index_table()[_cells(log_low, log_high, prior)]


def effective_z(
    low: Float[np.ndarray, "*shape"], high: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """Return the effective atomic number of what the two channels saw.

    Parameters
    ----------
    low, high : any shape, the same for both
        Transmission in [0, 1]. Values under 1e-4 count as 1e-4.

    Returns
    -------
    the same shape
        Effective atomic number between 5.4 (polyethylene) and 29 (copper).

    Notes
    -----
    R drifts with thickness as the beam hardens, hence a table over both. Materials with a K edge
    in the range (lead, tin) misread: under 0.9 mm lead looks like a light material, above it is
    forced to be dense, as all is that lets through less than 1 to 2 % of the low channel.
    Where less than 2 % is absorbed the value means little: average the transmission of many
    pixels first.

    Examples
    --------
    >>> low, high = transmission(np.array([[50.0]]), ["water"])
    >>> bool(abs(effective_z(low, high) - 7.4)[0] < 0.3)
    True
    """
    log_low, log_high = (
        -np.log(np.clip(np.asarray(channel, dtype=np.float32), LOWEST, 1))
        for channel in (low, high)
    )
    return np.asarray(z_table().ravel()[_cells(log_low, log_high, 0.0)])
