"""Distances between sets of features and of pictures, against values known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, stats

from xraysynth.errors import InputError
from xraysynth.evaluate.frechet import frechet_distance
from xraysynth.evaluate.histograms import (
    apparent_transmission,
    colour_histogram,
    divergence,
    earth_mover,
    hue_value_histogram,
    raw_histogram,
    transmission_histogram,
)
from xraysynth.evaluate.kernel_distance import kernel_distance
from xraysynth.evaluate.power_spectrum import band_power, spectrum_distance
from xraysynth.evaluate.precision_recall import precision_recall
from xraysynth.evaluate.sliced_wasserstein import laplacian_pyramid, sliced_wasserstein
from xraysynth.randomness import stream


def gaussian(name: str, count: int, width: int = 4) -> np.ndarray:
    return stream(0, name).normal(size=(count, width))


def noise(name: str, count: int, deviation: float, side: int = 32) -> np.ndarray:
    values = stream(0, name).normal(128, deviation, (count, side, side, 1))
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("count", [6, 60])
def test_frechet_equals_the_textbook_form_with_a_matrix_root(count: int) -> None:
    mix = stream(1, "mix").normal(size=(8, 8))
    first, second = gaussian("a", count, 8), gaussian("b", count + 9, 8) @ mix + 0.5
    covariances = np.cov(first.T), np.cov(second.T)
    root = linalg.sqrtm(
        linalg.sqrtm(covariances[0]) @ covariances[1] @ linalg.sqrtm(covariances[0])
    )
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    expected = shift + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * root.trace().real
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-5)


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 4))
def test_frechet_of_a_shifted_scaled_set_is_closed_form(shift: float, scale: float) -> None:
    points = gaussian("points", 50, 3)
    moved = (points - points.mean(0)) * scale + points.mean(0) + shift
    expected = 3 * shift**2 + (1 - scale) ** 2 * np.trace(np.cov(points.T))
    assert frechet_distance(points, moved) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert frechet_distance(moved, points) == pytest.approx(frechet_distance(points, moved))


def test_kernel_distance_equals_the_sum_over_pairs() -> None:
    first, second = gaussian("a", 5), gaussian("b", 7) + 1

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 4 + 1) ** 3)

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(part) for j, y in enumerate(part) if i != j])
        for part in (first, second)
    ]
    across = np.mean([kernel(x, y) for x in first for y in second])
    assert kernel_distance(first, second) == pytest.approx(sum(within) - 2 * across)


def test_kernel_distance_has_no_bias() -> None:
    drawn = [
        kernel_distance(gaussian(f"a{i}", 20, 2), gaussian(f"b{i}", 20, 2)) for i in range(200)
    ]
    assert abs(np.mean(drawn)) < 3 * np.std(drawn) / np.sqrt(200)
    assert min(drawn) < 0


def test_chunks_change_nothing() -> None:
    long = gaussian("long", 1100, 2)
    halves = kernel_distance(long[:600], long[500:])
    whole = (long[:600] @ long[500:].T / 2 + 1) ** 3
    ones, twos = (long[:600] @ long[:600].T / 2 + 1) ** 3, (long[500:] @ long[500:].T / 2 + 1) ** 3
    inside = [(k.sum() - k.trace()) / (600 * 599) for k in (ones, twos)]
    assert halves == pytest.approx(sum(inside) - 2 * whole.mean())
    nearest = precision_recall(long[:600], long[500:])
    assert (nearest.precision, nearest.recall) > (0.9, 0.9)


def test_a_collapsed_set_is_precise_and_recalls_little() -> None:
    real = gaussian("real", 300, 2)
    made = real[:1] + gaussian("made", 300, 2) * 0.01
    found = precision_recall(real, made)
    assert found.precision == 1
    assert found.recall < 0.05


def test_a_far_set_has_neither_and_the_same_set_both() -> None:
    real = gaussian("real", 40)
    assert precision_recall(real, real + 100) == (0, 0)
    assert precision_recall(real, real.copy()) == (1, 1)


def test_jensen_shannon_equals_scipy_whatever_the_counts() -> None:
    first, second = np.array([[1.0, 2.0, 3.0]]), np.array([[30.0, 10.0, 0.0]])
    expected = stats.entropy([1 / 6, 2 / 6, 3 / 6], [11 / 24, 7 / 24, 1 / 4], base=2) / 2
    expected += stats.entropy([3 / 4, 1 / 4, 0], [11 / 24, 7 / 24, 1 / 4], base=2) / 2
    assert divergence(first, second) == pytest.approx(expected)


def test_earth_mover_equals_scipy() -> None:
    one, two = np.array([0.2, 0.5, 0.3, 0.0]), np.array([0.0, 0.1, 0.1, 0.8])
    centres = (np.arange(4) + 0.5) / 4
    expected = stats.wasserstein_distance(centres, centres, one, two)
    assert earth_mover(one[None], two[None]) == pytest.approx(expected)


def test_histograms_count_what_is_there() -> None:
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[0, 0] = 255
    assert colour_histogram(picture, 2)[0].tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0.5]
    assert transmission_histogram(picture, 2)[0].tolist() == [0.5, 0.5]
    picture[0, :, :] = (255, 128, 0)
    places = np.flatnonzero(hue_value_histogram(picture)[0])
    assert places.tolist() == [2 * 16 + 15]
    assert hue_value_histogram(np.full((1, 4, 4, 3), 90, np.uint8)).sum() == 0


def test_grey_air_and_white_air_are_both_air() -> None:
    white = np.full((1, 32, 32, 3), 250, np.uint8)
    white[:, 8:24, 8:24] = 100
    grey = np.rint(white * 0.8).astype(np.uint8)
    assert np.abs(apparent_transmission(white) - apparent_transmission(grey)).max() < 0.005


def test_steel_and_water_lie_apart_in_raw_values() -> None:
    high = np.full((1, 4, 4), np.exp(-1.0))
    water, steel = (np.stack([high**ratio, high], -1) for ratio in (1.25, 2.27))
    assert divergence(raw_histogram(water), raw_histogram(steel)) == 1
    assert raw_histogram(np.ones((1, 4, 4, 2))).sum() == 0


def test_power_of_noise_is_its_variance_in_every_band() -> None:
    power = band_power(noise("noise", 60, 20)).mean(0)
    assert power == pytest.approx((20 / 255) ** 2, rel=0.15)
    assert spectrum_distance(band_power(noise("a", 60, 5)), band_power(noise("b", 60, 10))) == (
        pytest.approx(20 * np.log10(2), abs=0.3)
    )


def test_pyramid_adds_up_to_the_picture() -> None:
    picture = noise("pyramid", 1, 40)[0]
    flat = np.full((32, 32, 1), 77, np.uint8)
    fine, rest = laplacian_pyramid(flat, 2)
    assert np.abs(fine).max() < 1e-4
    assert rest == pytest.approx(77, abs=1e-4)
    assert laplacian_pyramid(picture, 2)[0].std() > 20


def test_a_coarser_grain_shows_in_the_finest_level() -> None:
    sharp, other = noise("sharp", 24, 30), noise("other", 24, 30)
    coarse = np.repeat(np.repeat(noise("coarse", 24, 30, 16), 2, 1), 2, 2)
    alike = sliced_wasserstein(sharp, other, stream(0, "draw"), patches=200)
    blurred = sliced_wasserstein(sharp, coarse, stream(0, "draw"), patches=200)
    assert list(alike) == [32, 16]
    assert blurred[32] > 3 * alike[32]


def test_slices_are_the_same_for_the_same_stream() -> None:
    one, two = noise("one", 6, 30), noise("two", 6, 10)
    drawn = [sliced_wasserstein(one, two, stream(4, "draw")) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0][32] > 100


@pytest.mark.parametrize(
    ("first", "second", "fragment"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "as many features in both"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "holds 1 samples"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), "not finite"),
    ],
)
def test_sets_that_cannot_be_compared_are_named(
    first: np.ndarray, second: np.ndarray, fragment: str
) -> None:
    for measure in (frechet_distance, kernel_distance, precision_recall):
        with pytest.raises(InputError, match=fragment):
            measure(first, second)


def test_pictures_of_other_sizes_are_named() -> None:
    with pytest.raises(InputError, match="alike in both"):
        sliced_wasserstein(noise("a", 2, 1), noise("b", 3, 1), stream(0, "draw"))
    with pytest.raises(InputError, match="at least 16 px"):
        sliced_wasserstein(*(np.zeros((2, 8, 8, 1), np.uint8),) * 2, stream(0, "draw"))
    with pytest.raises(InputError, match="8 bit"):
        transmission_histogram(np.zeros((2, 8, 8, 1), np.uint16))
    with pytest.raises(InputError, match="side, side"):
        band_power(np.zeros((2, 8, 9, 1), np.uint8))
