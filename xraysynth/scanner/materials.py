"""Materials by name: formula, density, linear attenuation."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import xraydb
import yaml
from jaxtyping import Float

from xraysynth.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a material is made of."""

    name: str
    formula: str
    """Sum formula, atom counts may be fractions."""
    density_g_per_cm3: float


@lru_cache(maxsize=1)
def materials() -> dict[str, Material]:
    """Return every material of `scanner/data/materials.yaml` by name."""
    text = resources.files("xraysynth.scanner.data").joinpath("materials.yaml").read_text("utf-8")
    return {
        name: Material(name=name, formula=entry["formula"], density_g_per_cm3=entry["density"])
        for name, entry in yaml.safe_load(text).items()
    }


def material(name: str) -> Material:
    """Return one material.

    Raises
    ------
    InputError
        If the name is unknown; the message offers the nearest one.
    """
    known = materials()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"want one of {', '.join(sorted(known))}."
        raise InputError(f"{name!r} is not a material; {hint}")
    return known[name]


def attenuation_per_cm(
    name: str, energy_kev: Float[np.ndarray, " energy"]
) -> Float[np.ndarray, " energy"]:
    """Return the linear attenuation coefficient mu of a material.

    Parameters
    ----------
    name : str
        A material of `scanner/data/materials.yaml`.
    energy_kev : (energy,)
        Photon energies in keV, between 1 and 800.

    Returns
    -------
    (energy,)
        Total attenuation in 1/cm, coherent scatter included.

    Raises
    ------
    InputError
        If the name is unknown.

    References
    ----------
    .. [1] W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63 (2002) 121: the tables
       that xraydb reads.

    Examples
    --------
    >>> float(attenuation_per_cm("water", np.array([100.0])).round(3)[0])
    0.171
    """
    energies = tuple(float(energy) for energy in np.asarray(energy_kev))
    return _attenuation_per_cm(name, energies).copy()


@lru_cache(maxsize=512)
def _attenuation_per_cm(name: str, energy_kev: tuple[float, ...]) -> Float[np.ndarray, " energy"]:
    """Look the material up once for each set of energies."""
    entry = material(name)
    if entry.density_g_per_cm3 == 0:
        return np.zeros(len(energy_kev))
    energy_ev = 1000.0 * np.asarray(energy_kev)
    return np.asarray(
        xraydb.material_mu(entry.formula, energy_ev, density=entry.density_g_per_cm3), dtype=float
    )
