"""The classifier against what a linear rule can and cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xraysynth.errors import InputError
from xraysynth.evaluate.classifier import (
    area_under_curve,
    fit_logistic,
    held_out,
    separation,
)
from xraysynth.randomness import stream


def points(name: str, count: int, shift: float = 0.0, width: int = 5) -> np.ndarray:
    values = stream(0, name).normal(size=(count, width))
    values[:, 0] += shift
    return values


def test_area_equals_the_rank_sum_test() -> None:
    first, second = points("a", 30)[:, 0], points("b", 41, 0.5)[:, 0]
    expected = stats.mannwhitneyu(first, second).statistic / (30 * 41)
    assert area_under_curve(first, second) == pytest.approx(expected)


def test_held_out_area_is_that_of_two_gaussians() -> None:
    found = held_out(points("a", 4000, 1.5), points("b", 4000), stream(0, "folds"))
    assert found.area == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2)), abs=0.012)
    assert found.separation == pytest.approx(1.5, abs=0.08)


def test_one_source_gives_a_half_even_with_more_features_than_samples() -> None:
    areas = [
        held_out(points(f"a{i}", 40, 0, 120), points(f"b{i}", 40, 0, 120), stream(i, "folds")).area
        for i in range(10)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_the_weight_lies_on_the_feature_that_tells() -> None:
    model = fit_logistic(points("a", 200, 2), points("b", 200))
    assert np.abs(model.weights).argmax() == 0
    assert model.weights[0] > 0


def test_optimum_has_no_slope() -> None:
    first, second = points("a", 50, 1), points("b", 80)
    model = fit_logistic(first, second, 0.1)
    miss = [1 / (1 + np.exp(sign * model.score(x))) for sign, x in ((1, first), (-1, second))]
    standard = [(part - model.mean) / model.deviation for part in (first, second)]
    pull = (standard[0].T @ miss[0] / len(first) - standard[1].T @ miss[1] / len(second)) / 2
    assert pull == pytest.approx(0.1 * model.weights, abs=1e-4)


def test_a_constant_feature_does_no_harm() -> None:
    first, second = points("a", 50, 2), points("b", 50)
    first[:, 3] = second[:, 3] = 7
    assert held_out(first, second, stream(0, "folds")).area > 0.85


def test_same_stream_same_area_and_the_global_state_is_left_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002 (only looked at)
    first, second = points("a", 40), points("b", 40)
    areas = {held_out(first, second, stream(3, "folds")) for _ in range(2)}
    assert len(areas) == 1
    assert str(np.random.get_state()) == before  # noqa: NPY002


def test_fewer_samples_than_folds_is_named() -> None:
    with pytest.raises(InputError, match="at least 10"):
        held_out(points("a", 9), points("b", 40), stream(0, "folds"))


def test_separation_grows_where_the_area_cannot() -> None:
    near, far = (
        held_out(points("a", 200, shift), points("b", 200), stream(0, "folds")) for shift in (8, 16)
    )
    assert near.area == far.area == 1
    assert far.separation > 1.5 * near.separation


def test_constant_scores_are_a_finite_distance_apart() -> None:
    assert np.isfinite(separation(np.ones(3), np.zeros(3)))
