"""Scores against values counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xraysynth.errors import InputError
from xraysynth.evaluate.metrics import (
    Confusion,
    iou_per_class,
    mean_iou,
    merge_group,
    merged,
    scores,
    weighted_iou,
)

NAMES = ("background", "bag", "gun", "knife")
GROUPS = {"background": "background", "bag": "bag", "gun": "threat", "knife": "threat"}

# By hand: 12 pixels; background 4 of 5 right, bag 3 of 4, gun 1 of 3, knife in neither.
TRUTH = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
MASK = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 1, 0])


def counted() -> Confusion:
    confusion = Confusion(NAMES)
    confusion.add(TRUTH, MASK)
    return confusion


def test_iou_is_intersection_over_union_and_absent_classes_have_none() -> None:
    iou = iou_per_class(counted().matrix)
    assert iou[:3].tolist() == pytest.approx([4 / 6, 3 / 6, 1 / 4])
    assert np.isnan(iou[3])


def test_means_leave_out_what_they_say() -> None:
    matrix = counted().matrix
    assert mean_iou(matrix) == pytest.approx((4 / 6 + 3 / 6 + 1 / 4) / 3)
    assert mean_iou(matrix, without=(0,)) == pytest.approx((3 / 6 + 1 / 4) / 2)
    assert weighted_iou(matrix) == pytest.approx(4 / 7 * 3 / 6 + 3 / 7 * 1 / 4)


def test_a_class_only_predicted_counts_as_zero_in_the_mean() -> None:
    confusion = Confusion(NAMES)
    confusion.add(np.array([0, 0, 1]), np.array([0, 3, 1]))
    assert iou_per_class(confusion.matrix)[3] == 0
    assert mean_iou(confusion.matrix) == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_merged_threats_forgive_a_gun_called_knife() -> None:
    confusion = Confusion(NAMES)
    confusion.add(np.array([0, 1, 2, 3, 2]), np.array([0, 1, 3, 2, 0]))
    names, ids = merge_group(NAMES, GROUPS, "threat")
    matrix = merged(confusion.matrix, ids)
    assert names == ("background", "bag", "threat")
    assert iou_per_class(matrix).tolist() == pytest.approx([1 / 2, 1, 2 / 3])


def test_counts_add_up_over_batches() -> None:
    streamed = Confusion(NAMES)
    for start in range(0, 12, 5):
        streamed.add(TRUTH[start : start + 5], MASK[start : start + 5])
    assert (streamed.matrix == counted().matrix).all()


def test_scores_are_json_with_null_where_nothing_is() -> None:
    report = scores(counted(), GROUPS)
    assert report["iou"]["knife"] is None
    assert report["weighted_iou_foreground"] == pytest.approx(11 / 28, abs=1e-6)
    assert report["threats_merged"]["iou"]["threat"] == 0.25
    assert report["pixel_accuracy"] == pytest.approx(8 / 12, abs=1e-6)
    empty = scores(Confusion(NAMES), GROUPS)
    assert empty["mean_iou"] is None


labels = hnp.arrays(np.uint8, (3, 7), elements=st.integers(0, 3))


@given(truth=labels, predicted=labels)
def test_scores_lie_between_nothing_and_perfect(truth: np.ndarray, predicted: np.ndarray) -> None:
    confusion, perfect = Confusion(NAMES), Confusion(NAMES)
    confusion.add(truth, predicted)
    perfect.add(truth, truth)
    assert confusion.matrix.sum() == truth.size
    assert 0 <= mean_iou(confusion.matrix) <= 1 == mean_iou(perfect.matrix)
    foreground = bool((truth > 0).any())
    assert np.isnan(weighted_iou(confusion.matrix)) == (not foreground)
    if foreground:
        assert weighted_iou(perfect.matrix) == pytest.approx(1)


def test_wrong_shapes_and_ids_are_named() -> None:
    with pytest.raises(InputError, match="want them alike"):
        counted().add(TRUTH, MASK[:3])
    with pytest.raises(InputError, match="class id 4; want at most 3"):
        counted().add(TRUTH, MASK + 2)
