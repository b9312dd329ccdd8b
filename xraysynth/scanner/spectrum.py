"""The beam: spectra of a tungsten tube behind 3 mm of aluminium."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from jaxtyping import Float

from xraysynth.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Photons per energy."""

    energy_kev: Float[np.ndarray, " energy"]
    """Centres of 1 keV bins."""
    photons: Float[np.ndarray, " energy"]
    """Share of the photons in each bin; the sum is 1."""

    @property
    def mean_kev(self) -> float:
        """Mean photon energy in keV."""
        return float(self.energy_kev @ self.photons)


@lru_cache(maxsize=4)
def tungsten(voltage_kvp: int = 160) -> Spectrum:
    """Return the spectrum of a tungsten anode at 20 degrees, filtered by 3 mm of aluminium.

    Raises
    ------
    SettingsError
        If there is no table for the voltage.

    References
    ----------
    .. [1] G. Poludniowski et al., Med. Phys. 48 (2021) 3630: SpekPy, which made the table
       (`tools/make_spectra.py`).

    Examples
    --------
    >>> round(tungsten(160).mean_kev, 1)
    62.9
    """
    table = resources.files("xraysynth.scanner.data").joinpath("tungsten_spectra.csv")
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    column = f"photons_{voltage_kvp}kvp"
    if column not in rows[0]:
        known = ", ".join(name[8:-3] for name in rows[0] if name.startswith("photons_"))
        raise SettingsError(f"no spectrum for {voltage_kvp} kVp; there are tables for {known} kVp.")
    photons = np.array([float(row[column]) for row in rows])
    energy_kev = np.array([float(row["energy_kev"]) for row in rows])
    return Spectrum(energy_kev=energy_kev, photons=photons / photons.sum())
