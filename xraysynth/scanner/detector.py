"""The sandwich detector: what each layer sees, and the noise it adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xraydb
from jaxtyping import Float

from xraysynth.scanner.materials import attenuation_per_cm
from xraysynth.scanner.spectrum import tungsten

LOW_LAYER = ("Gd2O2S", 7.34 * 0.6, 0.03)
"""Front scintillator, packed to 60 %: formula, density in g/cm3, thickness in cm."""
FILTER = ("Cu", 8.96, 0.06)
"""Between the layers: hardens what reaches the rear one."""
HIGH_LAYER = ("CsI", 4.51, 0.4)
"""Rear scintillator."""
OPEN_QUANTA = (38_000.0, 13_000.0)
"""Detected quanta per open pixel of 1.5 mm, low and high channel."""
PIXEL_MM = 1.5
EXCESS_FACTOR = 1.25
"""Variance over mean of the detected signal: light yield fluctuates on top of Poisson."""
ELECTRONIC_QUANTA = 6.0
COLUMN_GAIN = 0.002
BLUR_PX = 0.45
SCATTER_SHARE = 0.04
N_BINS = 24


@dataclass(frozen=True, kw_only=True)
class Response:
    """How the two channels weigh photon energies, in a few bins."""

    energy_kev: Float[np.ndarray, " energy"]
    """All 1 keV bins of the tube."""
    detected: Float[np.ndarray, "2 energy"]
    """Signal share of each 1 keV bin, low and high; each row sums to 1."""
    edges: tuple[int, ...]
    """Starts of the quantile bins in `energy_kev`, and the end."""
    weights: Float[np.ndarray, "2 bin"]
    """Signal share of each quantile bin; each row sums to 1."""


def _absorbed(layer: tuple[str, float, float], energy_kev: np.ndarray) -> np.ndarray:
    """Return the share of photons that interact in a layer."""
    formula, density, thickness_cm = layer
    return 1 - np.exp(
        -xraydb.material_mu(formula, energy_kev * 1e3, density=density) * thickness_cm
    )


@lru_cache(maxsize=4)
def response(voltage_kvp: int = 160, n_bins: int = N_BINS) -> Response:
    """Return the response of the sandwich detector to the tube's beam.

    Scintillators give light in proportion to the energy that they absorb; the rear layer sees
    what the front one and the copper filter let through.

    Notes
    -----
    Escape of characteristic photons and light spread between pixels are left out.

    Examples
    --------
    >>> tube = response(160)
    >>> [round(float(mean)) for mean in tube.detected @ tube.energy_kev]
    [64, 97]
    """
    beam = tungsten(voltage_kvp)
    in_low = _absorbed(LOW_LAYER, beam.energy_kev)
    behind = (1 - in_low) * (1 - _absorbed(FILTER, beam.energy_kev))
    light = beam.photons * beam.energy_kev
    detected = np.stack([light * in_low, light * behind * _absorbed(HIGH_LAYER, beam.energy_kev)])
    detected /= detected.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(detected.mean(axis=0))
    inner = np.searchsorted(cumulative, np.arange(1, n_bins) / n_bins)
    # Quantiles that fall into the same 1 keV bin (the characteristic lines) would be empty.
    edges = np.unique(np.concatenate([[0], inner, [len(cumulative)]]))
    weights = np.add.reduceat(detected, edges[:-1], axis=1).astype(np.float32)
    return Response(
        energy_kev=beam.energy_kev,
        detected=detected,
        edges=tuple(int(edge) for edge in edges),
        weights=weights,
    )


@lru_cache(maxsize=256)
def _attenuation_per_mm(name: str, voltage_kvp: int) -> Float[np.ndarray, " bin"]:
    """Return mu of one material in each quantile bin, averaged with the detected signal."""
    tube = response(voltage_kvp)
    share, starts = tube.detected.sum(axis=0), tube.edges[:-1]
    attenuation = attenuation_per_cm(name, tube.energy_kev) / 10.0
    total = np.add.reduceat(attenuation * share, starts)
    return np.asarray(total / np.add.reduceat(share, starts), dtype=np.float32)


def attenuation_per_mm(
    names: Sequence[str], voltage_kvp: int = 160
) -> Float[np.ndarray, "material bin"]:
    """Return the linear attenuation in 1/mm of each material in each bin of `response`."""
    rows = [_attenuation_per_mm(name, voltage_kvp) for name in names]
    return np.array(rows, dtype=np.float32).reshape(len(rows), -1)


def transmission(
    thickness_mm: Float[np.ndarray, "material pixel"],
    names: Sequence[str],
    voltage_kvp: int = 160,
) -> Float[np.ndarray, "2 pixel"]:
    """Return the noise-free transmission of both channels.

    Parameters
    ----------
    thickness_mm : (material, pixel)
        Path length through each material, in mm. Never negative.
    names : names of the materials

    Returns
    -------
    (2, pixel)
        Low and high transmission in [0, 1]: 1 is open air.

    Notes
    -----
    Narrow beam: scatter is added by `expose`.

    Examples
    --------
    >>> low, high = transmission(np.array([[10.0]]), ["water"])
    >>> bool(low[0] < high[0] < 1)
    True
    """
    tube = response(voltage_kvp)
    line_integral = attenuation_per_mm(names, voltage_kvp).T @ thickness_mm.astype(
        np.float32, copy=False
    )
    np.negative(line_integral, out=line_integral)
    np.exp(line_integral, out=line_integral)
    return np.minimum(tube.weights @ line_integral, 1.0)


def expose(
    clean: Float[np.ndarray, "2 row col"], pitch_mm: float, rng: np.random.Generator
) -> Float[np.ndarray, "2 row col"]:
    """Return what the detector reads: blur, scatter, quantum and electronic noise, column gain.

    Parameters
    ----------
    clean : (2, row, col)
        Noise-free transmission.
    pitch_mm : float
        Side of one pixel of the picture in mm; wider pixels gather more quanta.
    rng : numpy generator
        All chance comes from here.

    Returns
    -------
    (2, row, col)
        Transmission in [0, 1], normalised to open air as a scanner does.
    """
    # Three weights with the second moment of the blur.
    side = BLUR_PX**2 / (2 * (1 - BLUR_PX**2))
    blurred = mean_of_three(mean_of_three(clean, 1, side), 2, side)
    share = SCATTER_SHARE * (1 - blurred.mean(axis=(1, 2), keepdims=True))
    quanta = np.array(OPEN_QUANTA, dtype=np.float32)[:, None, None] * (pitch_mm / PIXEL_MM) ** 2
    expected = quanta * (blurred + share * _veil(blurred)) / (1 + share)
    spread = np.sqrt(EXCESS_FACTOR * expected + ELECTRONIC_QUANTA**2)
    counts = expected + spread * rng.standard_normal(expected.shape, dtype=np.float32)
    gain = 1 + COLUMN_GAIN * rng.standard_normal((2, 1, clean.shape[2]), dtype=np.float32)
    return np.clip(counts * gain / quanta, 0.0, 1.0)


def mean_of_three(
    picture: Float[np.ndarray, "channel row col"], axis: int, side: float = 1.0
) -> Float[np.ndarray, "channel row col"]:
    """Return each pixel averaged with its two neighbours along an axis, which weigh `side`.

    At the border the pixel itself stands for the neighbour that is missing.
    """
    lines = np.moveaxis(picture, axis, 0)
    total = np.empty_like(lines)
    np.add(lines[:-2], lines[2:], out=total[1:-1])
    total[0], total[-1] = lines[0] + lines[min(1, len(lines) - 1)], lines[-1] + lines[-2:][0]
    total *= side / (1 + 2 * side)
    total += lines * (1 / (1 + 2 * side))
    return np.asarray(np.moveaxis(total, 0, axis))


def _veil(signal: np.ndarray) -> np.ndarray:
    """Return the low-frequency scatter: the picture seen through a very wide blur."""
    tall, wide = (_hats(size) for size in signal.shape[1:])
    knots = (tall / tall.sum(axis=0)).T @ signal @ (wide / wide.sum(axis=0))
    return np.asarray(tall @ knots @ wide.T)


@lru_cache(maxsize=8)
def _hats(size: int, n_knots: int = 8) -> Float[np.ndarray, "pixel knot"]:
    """Return the weights of linear interpolation between a few knots across the picture."""
    n_knots = min(n_knots, size)
    knots = np.linspace(0, size - 1, n_knots)
    columns = [np.interp(np.arange(size), knots, row) for row in np.eye(n_knots)]
    return np.stack(columns, axis=1).astype(np.float32)
