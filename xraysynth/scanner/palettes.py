"""Palettes: how makers of scanners colour atomic number and attenuation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import yaml
from jaxtyping import Float, UInt8

from xraysynth.errors import InputError
from xraysynth.scanner.atomic_number import Z_STEPS

FAMILIES = ("organic", "mixed", "metal")
TONE_MAX = 6.0
N_TONES = 256
N_Z = 256
AIR_LOG = 0.025
"""-ln T up to which a display shows air, as real ones do: a sheet of paper leaves no trace."""


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours over effective atomic number and attenuation."""

    name: str
    background: tuple[int, int, int]
    """Red, green, blue of air, 0 to 255."""
    z_eff: tuple[tuple[float, float], ...]
    """For each family the first and last atomic number that has its colours; mixed between."""
    tones: tuple[float, ...]
    """-ln T, mean of both channels, at which colours are listed."""
    colours: Float[np.ndarray, "family tone 3"]
    """Red, green, blue, 0 to 255."""
    sharpen: float
    """Strength of the display's edge enhancement: share of the fine detail that is added."""


@lru_cache(maxsize=1)
def palettes() -> dict[str, Palette]:
    """Return the palettes of `scanner/data/palettes.yaml` by name.

    Examples
    --------
    >>> palettes()["standard"].background
    (255, 255, 255)
    """
    text = resources.files("xraysynth.scanner.data").joinpath("palettes.yaml").read_text("utf-8")
    return {
        name: Palette(
            name=name,
            background=tuple(entry["background"]),
            z_eff=tuple(tuple(entry["z_eff"][family]) for family in FAMILIES),
            tones=tuple(entry["tones"]),
            colours=np.array([entry[family] for family in FAMILIES], dtype=np.float32),
            sharpen=entry["sharpen"],
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


def tone_index(log_mean: Float[np.ndarray, "row col"]) -> np.ndarray:
    """Return the row of `colour_table` for -ln T: rows are even in its root."""
    root = np.sqrt(np.clip(log_mean, 0, TONE_MAX))
    return np.asarray(root * np.float32((N_TONES - 1) / TONE_MAX**0.5) + np.float32(0.5))


@lru_cache(maxsize=16)
def colour_table(name: str) -> UInt8[np.ndarray, "tone_and_z 4"]:
    """Return red, green, blue, 255 over `tone_index` and `z_index`, flattened."""
    chosen = palette(name)
    log_mean = np.linspace(0, TONE_MAX**0.5, N_TONES) ** 2
    air = np.broadcast_to(np.array(chosen.background, dtype=float), (len(FAMILIES), 2, 3))
    stops = np.concatenate([air, chosen.colours], axis=1)
    at = [0.0, AIR_LOG, *chosen.tones]
    ramps = np.array(
        [[np.interp(log_mean, at, family[:, c]) for c in range(3)] for family in stops]
    )
    first, each = Z_STEPS
    z_eff = first + np.arange(N_Z) / each
    edges = np.array(chosen.z_eff).ravel()
    share = np.array([np.interp(z_eff, edges, np.repeat(row, 2)) for row in np.eye(len(FAMILIES))])
    table = np.full((N_TONES, N_Z, 4), 255, dtype=np.uint8)
    table[..., :3] = np.rint(np.einsum("fz,fct->tzc", share, ramps)).clip(0, 255)
    return table.reshape(-1, 4)
