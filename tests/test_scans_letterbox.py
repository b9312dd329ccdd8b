"""Letterbox: aspect, mean and constants are kept, boxes and label maps move with the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_fixtures import compressed_runs
from skimage.transform import resize, resize_local_mean

from xraysynth.scans.boxes import into_letterbox, mend
from xraysynth.scans.letterbox import (
    Content,
    area_weights,
    background,
    content_of,
    letterbox,
    resample,
    to_integers,
)
from xraysynth.scans.masks import letterbox_labels
from xraysynth.scans.readers import Box
from xraysynth.scans.readers.runs import mask_of, runs_of

SIDES = st.integers(1, 300)
FRAMES = st.integers(8, 64)
CALM = settings(max_examples=50, deadline=None)


def test_area_average_agrees_with_scikit_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    wanted = resize_local_mean(image, (11, 17), channel_axis=-1, preserve_range=True)
    np.testing.assert_allclose(resample(image, 17, 11), wanted, atol=1e-9)


def test_enlarging_agrees_with_scikit_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 2), np.uint8)
    wanted = resize(image, (20, 31), order=1, mode="edge", preserve_range=True)
    np.testing.assert_allclose(resample(image, 31, 20), wanted, atol=1e-9)


@CALM
@given(width=SIDES, height=SIDES, out_width=FRAMES, out_height=FRAMES)
def test_content_keeps_the_aspect_to_within_a_pixel(
    width: int, height: int, out_width: int, out_height: int
) -> None:
    content = content_of(width, height, out_width, out_height)
    scale = min(out_width / width, out_height / height)
    assert abs(content.width - width * scale) <= 1
    assert abs(content.height - height * scale) <= 1
    assert content.width == out_width or content.height == out_height


@CALM
@given(width=SIDES, height=SIDES, out_width=FRAMES, out_height=FRAMES)
def test_content_lies_centred_inside_the_frame(
    width: int, height: int, out_width: int, out_height: int
) -> None:
    content = content_of(width, height, out_width, out_height)
    right = out_width - content.x - content.width
    below = out_height - content.y - content.height
    assert content.x >= 0
    assert content.y >= 0
    assert 0 <= right - content.x <= 1
    assert 0 <= below - content.y <= 1


@CALM
@given(width=SIDES, height=SIDES, value=st.integers(0, 65535), side=FRAMES)
def test_a_constant_scan_stays_constant(width: int, height: int, value: int, side: int) -> None:
    image = np.full((height, width, 2), value, np.uint16)
    framed, _ = letterbox(image, side, side)
    assert (to_integers(framed, 16, 16) == value).all()


@CALM
@given(n_old=st.integers(1, 500), n_new=st.integers(1, 100))
def test_area_weights_share_out_every_old_pixel(n_old: int, n_new: int) -> None:
    weights = area_weights(n_old, min(n_new, n_old)).toarray()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.sum(axis=0), min(n_new, n_old) / n_old)


def test_shrinking_keeps_the_mean() -> None:
    image = np.random.default_rng(1).integers(0, 65536, (91, 67, 1), np.uint16)
    assert resample(image, 13, 29).mean() == pytest.approx(image.mean(), abs=1e-6)


def test_padding_is_the_scans_own_grey_background() -> None:
    image = np.full((20, 60, 3), 217, np.uint8)
    image[5:15, 10:50] = 30
    framed, content = letterbox(image, 32, 32)
    assert content.y > 0
    assert (framed[: content.y] == 217).all()


def test_background_ignores_a_bag_that_touches_the_border() -> None:
    image = np.full((20, 60, 1), 250, np.uint8)
    image[:8, :20] = 10
    assert background(image).tolist() == [250.0]


@pytest.mark.parametrize(
    ("value", "from_bits", "to_bits", "wanted"),
    [(255, 8, 16, 65535), (65535, 16, 8, 255), (60000, 16, 16, 60000), (257 * 7, 16, 8, 7)],
)
def test_full_scale_stays_full_scale(value: int, from_bits: int, to_bits: int, wanted: int) -> None:
    assert to_integers(np.array([float(value)]), from_bits, to_bits).tolist() == [wanted]


@CALM
@given(
    x=st.tuples(st.floats(-50, 350), st.floats(-50, 350)),
    y=st.tuples(st.floats(-50, 250), st.floats(-50, 250)),
)
def test_mended_boxes_lie_inside_the_content(
    x: tuple[float, float], y: tuple[float, float]
) -> None:
    box = Box(name="Gun", x_min=x[0], x_max=x[1], y_min=y[0], y_max=y[1])
    mended = mend([box], 300, 200)
    assert len(mended.boxes) + mended.n_dropped == 1
    for kept in mended.boxes:
        assert mended.n_mended == (kept != box)
        moved = into_letterbox(kept, 300, 200, Content(0, 10, 60, 40))
        assert -1e-9 <= moved.x_min <= moved.x_max <= 60 + 1e-9
        assert 10 - 1e-9 <= moved.y_min <= moved.y_max <= 50 + 1e-9


def test_a_box_that_is_no_number_is_dropped() -> None:
    box = Box(name="Gun", x_min=float("nan"), y_min=0, x_max=5, y_max=5)
    assert mend([box], 10, 10).n_dropped == 1


def test_box_and_pixels_move_together() -> None:
    image = np.zeros((60, 120, 1), np.uint8)
    image[20:40, 30:90] = 200
    framed, content = letterbox(image, 24, 24)
    box = into_letterbox(Box(name="x", x_min=30, y_min=20, x_max=90, y_max=40), 120, 60, content)
    inside = framed[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)]
    assert (inside == 200).all()
    assert framed.sum() == pytest.approx(inside.sum())


def test_label_map_takes_the_class_that_covers_most() -> None:
    labels = np.zeros((4, 4), np.uint8)
    labels[:2, :3] = 7
    labels[0, 0] = 3
    assert letterbox_labels(labels, (2, 2), Content(0, 0, 2, 2)).tolist() == [[7, 7], [0, 0]]


@CALM
@given(st.integers(1, 12), st.integers(1, 9), st.data())
def test_run_lengths_round_trip_through_the_compressed_text(
    width: int, height: int, data: st.DataObject
) -> None:
    cells = data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    mask = np.array(cells).reshape(height, width)
    runs = _runs(mask)
    np.testing.assert_array_equal(mask_of(runs_of(compressed_runs(runs)), width, height), mask)
    np.testing.assert_array_equal(mask_of(runs_of(runs), width, height), mask)


def _runs(mask: np.ndarray) -> list[int]:
    """Return the runs of a mask by walking down its columns."""
    runs, current = [0], False
    for cell in mask.T.ravel().tolist():
        if cell != current:
            runs.append(0)
            current = cell
        runs[-1] += 1
    return runs
