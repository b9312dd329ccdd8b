"""Run lengths against COCO's definition, written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.runlength import decode, encode


def coco_counts(mask: np.ndarray) -> list[int]:
    """Return COCO's counts, pixel by pixel, from their description."""
    counts, value = [0], False
    for pixel in mask.flatten(order="F").tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


@st.composite
def windows(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a window of random pixels inside a picture of 6 x 5, and its corner."""
    rows, cols = draw(st.integers(0, 6)), draw(st.integers(0, 5))
    pixels = draw(st.lists(st.booleans(), min_size=rows * cols, max_size=rows * cols))
    corner = draw(st.integers(0, 6 - rows)), draw(st.integers(0, 5 - cols))
    return np.array(pixels, dtype=bool).reshape(rows, cols), corner


def whole(window: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Return the picture that a window lies in."""
    picture = np.zeros((6, 5), dtype=bool)
    picture[corner[0] :, corner[1] :][: window.shape[0], : window.shape[1]] = window
    return picture


def test_the_example_of_the_public_description() -> None:
    # cocodataset.org, "data format": M = [0 0 1 1 1 0 1] is [2 3 1 1], M = [1 1 1 1 1 1 0] [0 6 1].
    first = np.array([[0, 0, 1, 1, 1, 0, 1]], dtype=bool).T
    second = np.array([[1, 1, 1, 1, 1, 1, 0]], dtype=bool).T
    assert encode([first], [(0, 0)], (7, 1)).runs.tolist() == [2, 3, 1, 1]
    assert encode([second], [(0, 0)], (7, 1)).runs.tolist() == [0, 6, 1]


@given(st.lists(windows(), max_size=5))
def test_many_at_once_are_what_the_definition_says(
    masks: list[tuple[np.ndarray, tuple[int, int]]],
) -> None:
    pictures = [whole(*mask) for mask in masks]
    found = encode([mask for mask, _ in masks], [corner for _, corner in masks], (6, 5))
    assert found.runs.dtype == np.uint32
    assert len(found.n_runs) == len(masks)
    for number, picture in enumerate(pictures):
        runs = found.runs[found.starts[number] :][: found.n_runs[number]]
        assert runs.tolist() == coco_counts(picture)
        np.testing.assert_array_equal(decode(runs, (6, 5)), picture)
        assert found.area_px[number] == picture.sum()
        rows, cols = np.nonzero(picture)
        box = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1] if len(rows) else [0] * 4
        assert found.boxes[number].tolist() == box


def test_runs_of_another_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="fill 30 pixels; want 6 x 6, the whole picture"):
        decode(np.array([10, 20]), (6, 6))
