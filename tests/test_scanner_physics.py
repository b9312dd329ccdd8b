"""Attenuation, spectrum and detector against published or independent values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraysynth.errors import InputError, SettingsError
from xraysynth.scanner.colour import effective_z
from xraysynth.scanner.detector import COLUMN_GAIN, expose, response, transmission
from xraysynth.scanner.materials import attenuation_per_cm, materials
from xraysynth.scanner.spectrum import tungsten

ENERGIES_KEV = np.array([30.0, 50.0, 70.0, 100.0, 140.0])
THICKNESS_MM = st.floats(0.0, 300.0)


# NIST XCOM values as xraydb has them, three digits (steel here is iron of 7.85 g/cm3, not 7.874).
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("water", [0.376, 0.227, 0.193, 0.171, 0.154], id="water"),
        pytest.param("pmma", [0.358, 0.245, 0.215, 0.194, 0.176], id="pmma"),
        pytest.param("rdx", [0.529, 0.331, 0.284, 0.252, 0.227], id="rdx"),
        pytest.param("aluminium", [3.05, 0.994, 0.621, 0.460, 0.384], id="aluminium"),
        pytest.param("steel", [64.2, 15.4, 6.41, 2.92, 1.68], id="steel"),
        pytest.param("lead", [344, 91.2, 38.4, 62.9, 27.1], id="lead"),
    ],
)
def test_attenuation_matches_the_published_table(name: str, expected: list[float]) -> None:
    found = attenuation_per_cm(name, ENERGIES_KEV)
    np.testing.assert_allclose(found, expected, rtol=0.005)


def test_spectrum_has_the_published_mean() -> None:
    assert tungsten(160).mean_kev == pytest.approx(62.9, abs=0.1)


def test_half_value_layer_of_the_beam_is_5_7_mm_of_aluminium() -> None:
    # A half-value layer halves air kerma: photons x energy x mu_en / rho of air (NIST table 4).
    table_kev = [10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200]
    table = [4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496]
    beam = tungsten(160)
    log_air = np.interp(np.log(beam.energy_kev), np.log(table_kev), np.log([*table, 0.02672]))
    kerma = beam.photons * beam.energy_kev * np.exp(log_air)
    aluminium = attenuation_per_cm("aluminium", beam.energy_kev) / 10
    thickness_mm = np.linspace(4, 7, 301)
    left = np.exp(-np.outer(thickness_mm, aluminium)) @ kerma / kerma.sum()
    half_value_mm = np.interp(-0.5, -left, thickness_mm)
    assert half_value_mm == pytest.approx(5.7, rel=0.03)


def test_detector_layers_see_the_published_mean_energies() -> None:
    tube = response(160)
    np.testing.assert_allclose(tube.detected @ tube.energy_kev, [63.7, 97.0], atol=0.1)


def test_thirty_millimetres_of_steel_leave_a_few_quanta() -> None:
    left = transmission(np.array([[30.0]]), ["steel"])[:, 0] * [38_000, 13_000]
    np.testing.assert_allclose(left, [7, 16], atol=1)


def test_quantile_bins_stay_within_half_a_percent_of_all_energies() -> None:
    tube = response(160)
    for name, thickness_mm in (("water", 100.0), ("aluminium", 20.0), ("steel", 5.0)):
        attenuation = attenuation_per_cm(name, tube.energy_kev) / 10
        exact = tube.detected @ np.exp(-attenuation * thickness_mm)
        found = transmission(np.array([[thickness_mm]]), [name])[:, 0]
        np.testing.assert_allclose(found, exact, rtol=0.005)


@pytest.mark.parametrize(
    ("name", "z_true", "tolerance"),
    [
        ("polyethylene", 5.4, 0.4), ("pmma", 6.5, 0.4), ("water", 7.4, 0.4), ("rdx", 7.2, 0.4),
        ("aluminium", 13.0, 0.5), ("steel", 26.0, 1.0),
    ],
)  # fmt: skip
def test_effective_atomic_number_of_known_materials(
    name: str, z_true: float, tolerance: float
) -> None:
    low, high = transmission(np.array([[3.0, 5.0, 10.0, 20.0]]), [name])
    np.testing.assert_allclose(effective_z(low[None], high[None])[0], z_true, atol=tolerance)


def test_water_gets_harder_with_thickness() -> None:
    low, high = -np.log(transmission(np.array([[1.0, 200.0]]), ["water"]))
    np.testing.assert_allclose(low / high, [1.27, 1.18], atol=0.02)


@settings(deadline=None, max_examples=40)
@given(first_mm=THICKNESS_MM, more_mm=THICKNESS_MM, name=st.sampled_from(sorted(materials())))
def test_transmission_is_a_share_and_falls_with_thickness(
    first_mm: float, more_mm: float, name: str
) -> None:
    signal = transmission(np.array([[first_mm, first_mm + more_mm]]), [name])
    assert ((signal >= 0) & (signal <= 1)).all()
    assert (signal[:, 1] <= signal[:, 0]).all()


@settings(deadline=None, max_examples=40)
@given(first_mm=THICKNESS_MM, second_mm=THICKNESS_MM)
def test_stacked_slabs_multiply_within_each_energy(first_mm: float, second_mm: float) -> None:
    mu = attenuation_per_cm("water", ENERGIES_KEV) / 10
    stacked = np.exp(-mu * (first_mm + second_mm))
    np.testing.assert_allclose(stacked, np.exp(-mu * first_mm) * np.exp(-mu * second_mm), rtol=1e-9)
    both = transmission(np.array([[first_mm], [second_mm]]), ["water", "water"])
    one = transmission(np.array([[first_mm + second_mm]]), ["water"])
    np.testing.assert_allclose(both, one, rtol=1e-4, atol=1e-7)


def test_open_air_stays_open_but_for_quantum_noise() -> None:
    clean = np.ones((2, 64, 64), dtype=np.float32)
    noisy = expose(clean, 1.5, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(1.0, abs=0.01)
    assert noisy[0].std() < 0.02
    assert (noisy <= 1).all()


def test_noise_grows_as_quanta_get_fewer() -> None:
    clean = np.full((2, 64, 64), 0.3, dtype=np.float32)
    coarse, fine = (expose(clean, pitch, np.random.default_rng(0)) for pitch in (3.0, 0.75))
    assert fine[0].std() > 3 * coarse[0].std() - 2 * COLUMN_GAIN


def test_unknown_material_names_the_nearest() -> None:
    with pytest.raises(InputError, match="'stel' is not a material; did you mean steel"):
        attenuation_per_cm("stel", ENERGIES_KEV)


def test_missing_voltage_names_those_with_a_table() -> None:
    with pytest.raises(SettingsError, match="there are tables for 140, 160 kVp"):
        tungsten(90)
