"""Pseudo-colour: hue by atomic number, darkness by attenuation, air in the display's own grey."""

from __future__ import annotations

import colorsys
import time

import numpy as np
import pytest

from xraysynth.errors import InputError
from xraysynth.scanner import atomic_number, colour
from xraysynth.scanner.detector import expose, mean_of_three, transmission

EVERY = sorted(colour.palettes())
MEASURED = {
    "sixray_white": {"organic": 38, "mixed": 97, "metal": 208},
    "sixray_grey": {"organic": 34, "mixed": 103, "metal": 203},
    "sixray_rust": {"organic": 25, "mixed": 106, "metal": 226},
}
"""Median hue in degrees, at middling luminance, of flat areas of the public set that look organic,
mixed and metal."""


def shown(palette: str = "standard", **thickness_mm: float) -> tuple[int, int, int]:
    """Return the colour of wide slabs on top of each other."""
    layers = np.array([[mm] * 25 for mm in thickness_mm.values()])
    signal = transmission(layers, list(thickness_mm)).reshape(2, 5, 5)
    red, green, blue = colour.pseudo_colour(signal[0], signal[1], palette)[2, 2].tolist()
    return red, green, blue


def hue_deg(rgb: tuple[int, int, int]) -> float:
    """Return the hue."""
    return 360 * colorsys.rgb_to_hsv(*(value / 255 for value in rgb))[0]


def test_at_least_four_palettes_two_of_them_measured() -> None:
    assert len(EVERY) >= 4
    assert set(MEASURED) <= set(EVERY)


@pytest.mark.parametrize("palette", EVERY)
@pytest.mark.parametrize("name", ["polyethylene", "water", "nylon", "paper", "rdx"])
@pytest.mark.parametrize("thickness_mm", [10.0, 40.0, 100.0])
def test_organic_matter_is_orange(name: str, palette: str, thickness_mm: float) -> None:
    red, green, blue = shown(palette, **{name: thickness_mm})
    assert red > green > blue


@pytest.mark.parametrize("palette", EVERY)
@pytest.mark.parametrize("thickness_mm", [1.0, 3.0, 8.0, 20.0])
def test_aluminium_is_green(palette: str, thickness_mm: float) -> None:
    red, green, blue = shown(palette, aluminium=thickness_mm)
    assert green > max(red, blue)


@pytest.mark.parametrize("palette", EVERY)
@pytest.mark.parametrize("name", ["steel", "copper", "brass"])
@pytest.mark.parametrize("thickness_mm", [0.1, 0.3, 1.0, 2.0, 4.0])
def test_metal_is_blue_however_thin(name: str, palette: str, thickness_mm: float) -> None:
    red, green, blue = shown(palette, **{name: thickness_mm})
    assert blue > green > red


@pytest.mark.parametrize("palette", EVERY)
def test_blade_behind_clothes_stays_blue_and_bright(palette: str) -> None:
    red, green, blue = shown(palette, steel=1.5, cotton=60.0)
    assert blue > max(red, green)
    assert blue > 130


@pytest.mark.parametrize("palette", EVERY)
def test_thin_cloth_is_pale(palette: str) -> None:
    air, cloth = (np.array(shown(palette, cotton=mm)) for mm in (0.0, 8.0))
    assert 0 < np.abs(air - cloth).max() < 45


@pytest.mark.parametrize("palette", EVERY)
def test_air_is_the_background_and_stays_so_with_noise(palette: str) -> None:
    background = colour.palette(palette).background
    assert shown(palette, water=0.0) == background
    air = expose(np.ones((2, 64, 64), dtype=np.float32), 2.7, np.random.default_rng(0))
    picture = colour.pseudo_colour(air[0], air[1], palette)
    assert (picture == background).all(axis=-1).mean() > 0.95


@pytest.mark.parametrize("palette", sorted(set(EVERY) - set(MEASURED)))
def test_lead_is_black(palette: str) -> None:
    assert max(shown(palette, lead=15.0)) < 20


@pytest.mark.parametrize("palette", sorted(MEASURED))
def test_measured_displays_keep_a_hue_however_dense_a_thing_is(palette: str) -> None:
    red, green, blue = shown(palette, lead=15.0)
    assert blue > max(red, green)
    assert blue > 45


def test_contrast_darkens_and_a_shifted_calibration_turns_hues() -> None:
    signal = transmission(np.full((1, 25), 60.0), ["water"]).reshape(2, 5, 5)
    plain, dark, greener = (
        colour.pseudo_colour(signal[0], signal[1], "standard", look)[2, 2].astype(int)
        for look in (colour.Look(), colour.Look(contrast=1.3), colour.Look(z_shift=4.0))
    )
    assert (dark < plain).all()
    assert plain.argmax() == 0
    assert greener.argmax() == 1


def test_what_is_dense_is_pure_blue_on_the_grey_display() -> None:
    red, green, blue = shown("sixray_grey", steel=15.0)
    assert blue > 150
    assert max(red, green) < 20


@pytest.mark.parametrize("palette", EVERY)
@pytest.mark.parametrize("name", ["water", "aluminium", "steel"])
def test_more_of_a_material_is_never_brighter(name: str, palette: str) -> None:
    luma = [
        np.array(shown(palette, **{name: float(mm)})) @ [0.299, 0.587, 0.114]
        for mm in (0, 1, 3, 10, 30, 100)
    ]
    assert (np.diff(luma) < 3).all()


@pytest.mark.parametrize("palette", sorted(MEASURED))
def test_measured_palettes_have_the_hues_of_the_public_set(palette: str) -> None:
    things = {"organic": {"water": 60.0}, "mixed": {"aluminium": 10.0}, "metal": {"steel": 1.2}}
    for family, thickness_mm in things.items():
        found = hue_deg(shown(palette, **thickness_mm))
        assert found == pytest.approx(MEASURED[palette][family], abs=15)


@pytest.mark.parametrize("palette", EVERY)
def test_noise_does_not_speckle_thin_organic_matter(palette: str) -> None:
    clean = transmission(np.full((1, 64 * 64), 6.0), ["polypropylene"]).reshape(2, 64, 64)
    noisy = expose(clean, 2.7, np.random.default_rng(1))
    picture = colour.pseudo_colour(noisy[0], noisy[1], palette).astype(int)
    orange = (picture[..., 0] >= picture[..., 1]) & (picture[..., 1] >= picture[..., 2])
    assert orange.mean() > 0.9


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


def test_batch_colours_each_scan_as_the_single_function_does() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 65536, (3, 16, 20, 2), dtype=np.uint16)
    found = colour.colour_batch(images, "sixray_white")
    for image, picture in zip(images, found, strict=True):
        low, high = np.moveaxis(image.astype(np.float32) / 65535, -1, 0)
        np.testing.assert_array_equal(picture, colour.pseudo_colour(low, high, "sixray_white"))
    floats = images.astype(np.float32) / 65535
    np.testing.assert_array_equal(colour.colour_batch(floats, "sixray_white"), found)


def test_batch_clips_what_a_generator_overshoots() -> None:
    beyond = np.array([-0.5, 1.5], dtype=np.float32).reshape(1, 1, 1, 2).repeat(4, 1).repeat(4, 2)
    within = beyond.clip(0, 1)
    np.testing.assert_array_equal(colour.colour_batch(beyond), colour.colour_batch(within))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.ones((1, 4, 4, 3)), r"shape \(1, 4, 4, 3\); want \(n, rows, columns, 2\)"),
        (np.ones((4, 4, 2)), "want"),
        (np.ones((1, 4, 4, 2), dtype=np.uint8), "are uint8; want uint16"),
        (np.full((1, 4, 4, 2), np.nan), "not a number"),
    ],
)
def test_batch_of_another_kind_is_refused(images: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        colour.colour_batch(images)


def test_mean_of_three_keeps_constants_and_borders() -> None:
    picture = np.zeros((1, 3, 4), dtype=np.float32)
    picture[0, :, 0] = 3.0
    np.testing.assert_allclose(mean_of_three(picture, 2)[0, 0], [2.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(mean_of_three(picture, 1), picture, rtol=1e-6)


def test_unknown_palette_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'neon' is not a palette; want one of standard, vivid"):
        shown("neon", water=1.0)
