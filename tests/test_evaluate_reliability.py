"""Reliability curves and their error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.evaluate.reliability import BINS, Reliability
from xraysynth.randomness import stream


def figures(confidence: list[float], right: list[float]) -> dict[str, object]:
    counts = Reliability()
    counts.add(np.array(confidence), np.array(right))
    return counts.figures()


def test_the_error_of_a_table_counted_by_hand() -> None:
    # Three bins of 1/15: 0.98 twice, one right; 0.5 four times, all right; 0 once, wrong.
    found = figures([0.98, 0.98, 0.5, 0.5, 0.5, 0.5, 0.0], [1, 0, 1, 1, 1, 1, 0])
    assert found["expected_calibration_error"] == pytest.approx(
        (2 * 0.48 + 4 * 0.5 + 0) / 7, abs=1e-6
    )
    assert found["share_right"] == pytest.approx(5 / 7, abs=1e-6)
    assert [point["answers"] for point in found["curve"]] == [1, 4, 2]  # type: ignore[attr-defined]


def test_answers_as_right_as_they_say_have_hardly_any_error() -> None:
    rng = stream(0, "honest")
    said = rng.random(100_000)
    counts = Reliability()
    counts.add(said, rng.random(100_000) < said)
    assert counts.figures()["expected_calibration_error"] < 0.01


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_the_error_does_not_depend_on_the_order_or_the_parts(
    answers: list[tuple[float, bool]],
) -> None:
    said, right = np.array([a for a, _ in answers]), np.array([b for _, b in answers])
    whole, parts = Reliability(), Reliability()
    whole.add(said, right)
    for part in (slice(1, None), slice(0, 1)):
        parts.add(said[part], right[part])
    one, other = whole.figures(), parts.figures()
    assert one["answers"] == other["answers"] == len(answers)
    assert one["expected_calibration_error"] == pytest.approx(
        other["expected_calibration_error"], abs=2e-6
    )
    assert 0 <= one["expected_calibration_error"] <= 1
    assert len(one["curve"]) <= BINS


def test_nothing_added_has_no_error() -> None:
    found = Reliability().figures()
    assert found == {"answers": 0, "expected_calibration_error": None, "curve": []}
