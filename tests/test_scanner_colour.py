"""Pseudo-colour: hue by atomic number, darkness by attenuation, white air, black lead."""

from __future__ import annotations

import time

import numpy as np
import pytest

from xraysynth.errors import InputError
from xraysynth.scanner import atomic_number, colour
from xraysynth.scanner.detector import mean_of_three, transmission


def shown(name: str, thickness_mm: float, palette: str = "standard") -> tuple[int, int, int]:
    """Return the colour of a wide slab."""
    signal = transmission(np.full((1, 25), thickness_mm), [name]).reshape(2, 5, 5)
    red, green, blue = colour.pseudo_colour(signal[0], signal[1], palette)[2, 2].tolist()
    return red, green, blue


@pytest.mark.parametrize("palette", sorted(colour.palettes()))
@pytest.mark.parametrize("name", ["polyethylene", "water", "nylon", "paper"])
def test_organic_matter_is_orange(name: str, palette: str) -> None:
    red, green, blue = shown(name, 40.0, palette)
    assert red > green > blue


@pytest.mark.parametrize("palette", sorted(colour.palettes()))
def test_aluminium_is_green(palette: str) -> None:
    red, green, blue = shown("aluminium", 8.0, palette)
    assert green > max(red, blue)


@pytest.mark.parametrize("palette", sorted(colour.palettes()))
@pytest.mark.parametrize("name", ["steel", "copper", "brass"])
def test_metal_is_blue(name: str, palette: str) -> None:
    red, green, blue = shown(name, 2.0, palette)
    assert blue > max(red, green)


def test_air_is_white_and_lead_black() -> None:
    assert shown("water", 0.0) == (255, 255, 255)
    assert max(shown("lead", 15.0)) < 20


def test_more_of_a_material_is_never_brighter() -> None:
    for name in ("water", "aluminium", "steel"):
        brightness = [sum(shown(name, float(mm))) for mm in (0, 1, 3, 10, 30, 100)]
        assert brightness == sorted(brightness, reverse=True)


def test_atomic_number_rises_in_the_order_of_the_wedges() -> None:
    found = []
    for name in colour.WEDGES:
        low, high = transmission(np.array([[2.0]]), [name])
        found.append(float(colour.effective_z(low[None], high[None])[0, 0]))
    assert found == sorted(found)


def test_table_is_made_in_under_two_seconds() -> None:
    atomic_number.z_table.cache_clear()
    start = time.process_time()
    atomic_number.z_table()
    assert time.process_time() - start < 2


def test_mean_of_three_keeps_constants_and_borders() -> None:
    picture = np.zeros((1, 3, 4), dtype=np.float32)
    picture[0, :, 0] = 3.0
    np.testing.assert_allclose(mean_of_three(picture, 2)[0, 0], [2.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(mean_of_three(picture, 1), picture)


def test_unknown_palette_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'neon' is not a palette; want one of standard, vivid"):
        shown("water", 1.0, "neon")
