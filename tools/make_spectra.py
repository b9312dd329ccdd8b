"""Make `xraysynth/scanner/data/tungsten_spectra.csv` with SpekPy, a development tool.

Run in an environment of its own: `pip install spekpy`, then `python tools/make_spectra.py`.
The table holds photons per keV (sum 1) behind 3 mm of aluminium, tungsten anode at 20 degrees.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import spekpy

TABLE = Path(__file__).parents[1] / "xraysynth" / "scanner" / "data" / "tungsten_spectra.csv"
VOLTAGES_KVP = (140, 160)
ANODE_DEG = 20
ALUMINIUM_MM = 3.0


def photons_per_kev(voltage_kvp: int, energies_kev: np.ndarray) -> np.ndarray:
    """Return the filtered photon spectrum on 1 keV bins, zero outside the tube's range."""
    tube = spekpy.Spek(kvp=voltage_kvp, th=ANODE_DEG, dk=1.0, targ="W").filter("Al", ALUMINIUM_MM)
    energy, fluence = tube.get_spectrum()
    photons = np.interp(energies_kev, energy, fluence, left=0.0, right=0.0)
    return photons / photons.sum()


def main() -> None:
    """Write the table."""
    energies_kev = np.arange(10.5, 160.5, 1.0)
    columns = [photons_per_kev(voltage, energies_kev) for voltage in VOLTAGES_KVP]
    with TABLE.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["energy_kev", *(f"photons_{voltage}kvp" for voltage in VOLTAGES_KVP)])
        for energy, *values in zip(energies_kev, *columns, strict=True):
            rows.writerow([energy, *(f"{value:.6e}" for value in values)])


if __name__ == "__main__":
    main()
