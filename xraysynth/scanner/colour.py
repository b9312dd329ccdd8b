"""The operator's picture: hue tells the atomic number, darkness the attenuation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from xraysynth.errors import InputError
from xraysynth.scanner.atomic_number import LOWEST, WEDGES, Z_STEPS, effective_z, z_index
from xraysynth.scanner.detector import mean_of_three
from xraysynth.scanner.palettes import (
    N_Z,
    Palette,
    colour_table,
    palette,
    palettes,
    tone_index,
)

__all__ = [
    "WEDGES",
    "Look",
    "Palette",
    "colour_batch",
    "effective_z",
    "palette",
    "palettes",
    "pseudo_colour",
]
THIN_LOG = 0.3
"""-ln T of a pixel up to which its ratio is averaged with its neighbours'; twice it, not at all."""
BLEED_LOG = 0.08
"""Neighbours that attenuate this much more are another thing: they are kept out."""
SAME_LOG = (0.03, 0.04)
"""Neighbours that differ by less than this, and that share of -ln T, are the same thing."""
PRIOR_LOG = 0.01
"""-ln T of organic matter that is added where hues are formed: less than it is noise."""


@dataclass(frozen=True)
class Look:
    """How an operator and a service engineer have set a display."""

    contrast: float = 1.0
    """Factor on -ln T before it is shown."""
    z_shift: float = 0.0
    """Error of the calibration: added to the effective atomic number before it is shown."""


PLAIN_LOOK = Look()


def pseudo_colour(
    low: Float[np.ndarray, "row col"],
    high: Float[np.ndarray, "row col"],
    palette_name: str = "standard",
    look: Look = PLAIN_LOOK,
) -> UInt8[np.ndarray, "row col 3"]:
    """Return the operator's picture: hue tells the atomic number, darkness the attenuation.

    Parameters
    ----------
    low, high : (row, col)
        Transmission in [0, 1].
    palette_name : str
        A palette of `scanner/data/palettes.yaml`.
    look : Look
        How the display is set.

    Raises
    ------
    InputError
        If the palette is unknown.

    Notes
    -----
    A display at one size: edge enhancement is by pixels of the picture, and there is no JPEG.

    Examples
    --------
    >>> air = np.ones((1, 1))
    >>> pseudo_colour(air, air).tolist()
    [[[255, 255, 255]]]
    """
    chosen = palette(palette_name)
    both = np.empty((2, *np.shape(low)), dtype=np.float32)
    both[0], both[1] = low, high
    np.clip(both, LOWEST, 1, out=both)
    np.log(both, out=both)
    np.negative(both, out=both)
    around = mean_of_three(mean_of_three(both, 1), 2)
    own, near = (0.5 * (pair[0] + pair[1]) for pair in (both, around))
    tone = own - np.float32(chosen.sharpen) * (near - own)
    # Ratios need averaging against noise; a dense thing would bleed into its surroundings, and
    # a wire take their ratio, unless they are air.
    near -= own
    averaged = np.clip(2 - own / np.float32(THIN_LOG), 0, 1)
    averaged *= near < np.float32(BLEED_LOG)
    np.maximum(averaged, np.abs(near) < SAME_LOG[0] + np.float32(SAME_LOG[1]) * own, out=averaged)
    around -= both
    around *= averaged
    both += around
    tone *= np.float32(look.contrast)
    place = tone_index(tone).astype(np.int32)
    place *= N_Z
    place += _hue_index(both, look)
    packed = colour_table(palette_name).view(np.uint32)[:, 0]
    picture = packed[place].view(np.uint8).reshape(*place.shape, 4)
    return np.ascontiguousarray(picture[..., :3])


def _hue_index(both: Float[np.ndarray, "2 row col"], look: Look) -> np.ndarray:
    """Return the column of the colour table for -ln T of both channels."""
    found = z_index(both[0], both[1], PRIOR_LOG)
    if look.z_shift == 0:
        return found
    shift = round(look.z_shift * Z_STEPS[1])
    return np.clip(np.arange(N_Z) + shift, 0, N_Z - 1)[found]


def colour_batch(
    images: Shaped[np.ndarray, ...], palette_name: str = "standard"
) -> UInt8[np.ndarray, "n row col 3"]:
    """Colour dual-energy scans, such as a generator's or those of a `scans.h5`.

    Parameters
    ----------
    images : (n, row, col, 2)
        Low and high transmission: uint16 where 65535 is open air, or floats where 1 is.
        Floats outside [0, 1] count as its ends.
    palette_name : str
        A palette of `scanner/data/palettes.yaml`.

    Returns
    -------
    (n, row, col, 3)
        uint8.

    Raises
    ------
    InputError
        If the palette is unknown, the array has another shape or type, or holds NaN.

    Examples
    --------
    >>> colour_batch(np.full((1, 4, 4, 2), 65535, dtype=np.uint16))[0, 0, 0].tolist()
    [255, 255, 255]
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] != 2:
        raise InputError(
            f"the scans have shape {images.shape}; want (n, rows, columns, 2): low and high."
        )
    if images.dtype != np.uint16 and not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"the scans are {images.dtype}; want uint16 (65535 is air) or floats (1 is air)."
        )
    if images.dtype != np.uint16 and np.isnan(images).any():
        raise InputError("the scans hold values that are not a number; want transmissions.")
    full = np.float32(65535 if images.dtype == np.uint16 else 1)
    pictures = np.empty((*images.shape[:3], 3), dtype=np.uint8)
    for image, picture in zip(images, pictures, strict=True):
        scaled = image.astype(np.float32) / full
        picture[...] = pseudo_colour(scaled[..., 0], scaled[..., 1], palette_name)
    return pictures
