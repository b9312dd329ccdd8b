import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xraysynth.audit.statistics import (
    ConfidenceStatistics,
    MaskStatistics,
    OverlapStatistics,
    ValueCounts,
)

NAMES = ["background", "bag", "gun", "samovar"]


@given(st.lists(st.integers(0, 500), min_size=1), st.sampled_from([0.05, 0.25, 0.5, 0.75, 0.95]))
def test_counted_quantiles_are_those_of_all_values(values: list[int], share: float) -> None:
    counts = ValueCounts()
    for start in range(0, len(values), 7):
        counts.add(np.array(values[start : start + 7]))
    # Independent definition: numpy's inverted CDF over the values themselves.
    assert counts.quantile(share) == np.quantile(values, share, method="inverted_cdf")
    assert counts.mean == pytest.approx(np.mean(values))
    assert counts.total == len(values)


def test_no_values_have_no_quantile() -> None:
    counts = ValueCounts()
    assert np.isnan(counts.quantile(0.5))
    assert np.isnan(counts.mean)


def test_known_masks_give_known_figures() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, :2, :2] = 2
    masks[0, 3, 3] = 2
    masks[1] = 1
    masks[1, 0, :] = 3
    statistics = MaskStatistics(NAMES, (4, 4), min_object_px=2)
    counts = statistics.add(masks)
    assert counts.areas.tolist() == [[11, 0, 5, 0], [0, 12, 0, 4]]
    assert counts.n_objects.tolist() == [1, 1]
    assert counts.n_specks.tolist() == [1, 0]
    assert statistics.n_objects.tolist() == [0, 0, 1, 1]
    assert statistics.images.tolist() == [1, 1, 1, 1]
    assert statistics.together[1, 3] == 1
    assert statistics.together[2, 3] == 0
    assert statistics.share_of_pixels()[2] == 5 / 32
    assert statistics.heat_share()[3].tolist() == [[0.5] * 4, *[[0.0] * 4] * 3]
    assert statistics.areas[2].quantile(0.5) == 5


@given(arrays(np.uint8, (5, 6, 9), elements=st.integers(0, 3)), st.integers(1, 4))
def test_statistics_do_not_depend_on_the_batches(masks: np.ndarray, size: int) -> None:
    whole, parts = MaskStatistics(NAMES, (6, 9)), MaskStatistics(NAMES, (6, 9))
    whole.add(masks)
    for start in range(0, len(masks), size):
        parts.add(masks[start : start + size])
    for name in ("pixels", "images", "together", "heat", "n_objects"):
        assert (getattr(whole, name) == getattr(parts, name)).all()
    assert [areas.counts for areas in whole.areas] == [areas.counts for areas in parts.areas]
    assert whole.pixels.sum() == masks.size
    assert (np.diag(whole.together) == whole.images).all()


def test_heat_maps_of_large_scans_are_shares_of_cells() -> None:
    statistics = MaskStatistics(NAMES, (100, 250))
    mask = np.zeros((1, 100, 250), np.uint8)
    mask[:, :50] = 2
    statistics.add(mask)
    heat = statistics.heat_share()
    assert heat.shape == (4, 48, 48)
    assert heat.sum(axis=0) == pytest.approx(np.ones((48, 48)))
    assert (heat[2, :24] == 1).all()


def test_confidence_is_kept_by_class() -> None:
    statistics = ConfidenceStatistics(3)
    masks = np.array([[[0, 1, 1, 1]]], np.uint8)
    statistics.add(masks, np.array([[[255, 0, 51, 102]]], np.uint8))
    assert statistics.mean(0) == 1.0
    assert statistics.mean(1) == pytest.approx(0.2)
    assert statistics.quantile(1, 0.5) == pytest.approx(0.2)
    assert statistics.mean_labelled() == pytest.approx(0.2)
    assert np.isnan(statistics.mean(2))
    assert np.isnan(statistics.quantile(2, 0.5))


def test_overlaps_count_pairs_and_leave_background_out() -> None:
    statistics = OverlapStatistics(4)
    bits = np.array([[[0b0001, 0b0011, 0b0110, 0b1110]]], np.uint32)
    share = statistics.add(bits)
    assert share.tolist() == [0.5]
    assert statistics.pixels[1, 2] == 2
    assert statistics.pixels[2, 3] == 1
    assert statistics.pixels[0].sum() == 0
