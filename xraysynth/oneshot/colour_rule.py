"""Material classes read from the pseudo-colour of real scans.

Dual-energy machines show effective atomic number as hue: orange for organic, green for mixed, blue
for metal, nearly black where nothing comes through, and pale for the thin layers of the bag itself,
whose hue is mostly noise. The rule below is that convention with its thresholds as settings. It
tells materials, not items.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from xraysynth.errors import InputError
from xraysynth.settings import Settings

CLASS_NAMES = ("background", "bag", "organic", "mixed", "metal", "dense")


class ColourRule(Settings):
    """Thresholds of the rule; hue in degrees, saturation and value in [0, 1]."""

    background_value: float = Field(0.92, ge=0, le=1)
    """At least this bright and ..."""
    background_saturation: float = Field(0.06, ge=0, le=1)
    """... at most this coloured is background."""
    bag_value: float = Field(0.78, ge=0, le=1)
    """Of the rest, at least this bright and ..."""
    bag_saturation: float = Field(0.22, ge=0, le=1)
    """... at most this coloured is the bag."""
    dense_value: float = Field(0.25, ge=0, le=1)
    """At most this bright is dense, whatever the hue."""
    organic_below_deg: float = Field(65.0, ge=0, le=360)
    """Hues from red up to here are organic."""
    mixed_below_deg: float = Field(150.0, ge=0, le=360)
    """Hues from there up to here are mixed; the rest, up to violet, is metal."""
    metal_below_deg: float = Field(300.0, ge=0, le=360)
    """Above this, hues are red again: organic."""


def colour_classes(images: np.ndarray, rule: ColourRule) -> np.ndarray:
    """Return the material class (n, H, W) uint8 of each pixel of RGB scans (n, H, W, 3) uint8.

    Ids index `CLASS_NAMES`.

    Raises
    ------
    InputError
        If the scans are not pseudo-coloured.

    Examples
    --------
    >>> pixels = np.array([[[[255, 255, 255], [230, 140, 30], [40, 70, 200]]]], dtype=np.uint8)
    >>> [CLASS_NAMES[i] for i in colour_classes(pixels, ColourRule())[0, 0]]
    ['background', 'organic', 'metal']
    """
    if images.shape[-1] != 3:
        raise InputError(
            f"the scans have {images.shape[-1]} channels; the labeller `colour` reads "
            "pseudo-coloured (3-channel) ones. Give an exemplar of your own instead."
        )
    hue, saturation, value = _hue_saturation_value(images)
    classes = np.full(hue.shape, CLASS_NAMES.index("metal"), dtype=np.uint8)
    classes[hue < rule.mixed_below_deg] = CLASS_NAMES.index("mixed")
    organic = (hue < rule.organic_below_deg) | (hue >= rule.metal_below_deg)
    classes[organic] = CLASS_NAMES.index("organic")
    pale = (value >= rule.bag_value) & (saturation <= rule.bag_saturation)
    classes[pale] = CLASS_NAMES.index("bag")
    bright = (value >= rule.background_value) & (saturation <= rule.background_saturation)
    classes[bright] = CLASS_NAMES.index("background")
    classes[value <= rule.dense_value] = CLASS_NAMES.index("dense")
    return classes


def colour_probabilities(images: np.ndarray, rule: ColourRule) -> np.ndarray:
    """Return class shares (n, class, H, W) float32 in the 3x3 neighbourhood of each pixel.

    The most frequent class around a pixel is its label, and its share how sure the rule is.
    """
    one_hot = np.eye(len(CLASS_NAMES), dtype=np.float32)[colour_classes(images, rule)]
    padded = np.pad(one_hot, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = one_hot.shape[1:3]
    total = np.zeros_like(one_hot)
    for row in range(3):
        for col in range(3):
            total += padded[:, row : row + height, col : col + width]
    return np.ascontiguousarray((total / 9).transpose(0, 3, 1, 2))


def _hue_saturation_value(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hue in degrees [0, 360), saturation and value in [0, 1], each (n, H, W)."""
    largest = float(np.iinfo(images.dtype).max)
    rgb = images.astype(np.float32) / largest
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    value = rgb.max(-1)
    spread = value - rgb.min(-1)
    safe = np.where(spread > 0, spread, 1)
    sector = np.select(
        [value == red, value == green],
        [((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    saturation = spread / np.maximum(value, 1e-6)
    return np.where(spread > 0, 60 * sector, 0), saturation, value
