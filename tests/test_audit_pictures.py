import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xraysynth.audit.panels import class_colours, heat_picture, pair, strip
from xraysynth.audit.pictures import contours, display, enlarge, fit, grid, overlay, png_bytes
from xraysynth.audit.plates import plate
from xraysynth.errors import InputError


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(np.full((2, 3, 1), 7, np.uint8), [7, 7, 7], id="grey-8"),
        pytest.param(np.full((2, 3), 7, np.uint8), [7, 7, 7], id="grey-without-axis"),
        pytest.param(np.full((2, 3, 1), 0x8080, np.uint16), [0x80] * 3, id="grey-16"),
        pytest.param(np.full((2, 3, 3), [1, 2, 3], np.uint8), [1, 2, 3], id="rgb-8"),
        pytest.param(np.full((2, 3, 3), 65535, np.uint16), [255] * 3, id="rgb-16"),
        pytest.param(np.full((2, 3, 2), 65535, np.uint16), [255] * 3, id="dual-air-is-white"),
    ],
)
def test_scans_are_shown_on_their_absolute_scale(image: np.ndarray, expected: list[int]) -> None:
    shown = display(image)
    assert shown.shape == (2, 3, 3)
    assert shown.dtype == np.uint8
    assert shown[0, 0].tolist() == expected


def test_steel_in_a_dual_energy_scan_is_shown_bluer_than_plastic() -> None:
    # Transmissions at low and high energy: steel hardens the beam far more than plastic.
    steel, plastic = (np.full((4, 4, 2), pair, np.float64) for pair in ((0.08, 0.30), (0.50, 0.56)))
    red_blue = [
        display(np.rint(scan * 65535).astype(np.uint16))[2, 2, [0, 2]].astype(int)
        for scan in (steel, plastic)
    ]
    assert red_blue[0][1] > red_blue[0][0]
    assert red_blue[1][1] < red_blue[1][0]


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.float32), np.zeros(4, np.uint8)],
    ids=["four-channels", "float", "one-axis"],
)
def test_what_is_no_scan_is_named(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="want \\(height, width, 1 to 3 channels\\)"):
        display(image)


@given(st.integers(0, 3), st.integers(0, 255))
def test_background_is_never_painted(class_id: int, level: int) -> None:
    mask = np.array([[0, class_id]])
    colours = class_colours(["background", "gun", "knife", "wrench"])
    painted = overlay(np.full((1, 2, 1), level, np.uint8), mask, colours, opacity=1.0)
    assert painted[0, 0].tolist() == [level] * 3
    expected = colours[class_id].tolist() if class_id else [level] * 3
    assert painted[0, 1].tolist() == expected


def test_overlay_leaves_its_input_alone() -> None:
    image = np.full((4, 4, 3), 200, np.uint8)
    before = image.copy()
    contours(image, np.eye(4, dtype=np.uint8), class_colours(["background", "gun"]))
    overlay(image, np.eye(4, dtype=np.uint8), class_colours(["background", "gun"]))
    assert (image == before).all()


def test_contours_run_inside_the_region_and_leave_its_middle() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[2:8, 2:8] = 1
    colours = class_colours(["background", "gun"])
    drawn = contours(np.full((10, 10, 3), 255, np.uint8), mask, colours, scale=3)
    red = (drawn == colours[1]).all(axis=2)
    assert drawn.shape == (30, 30, 3)
    assert red[6, 6:24].all()
    assert not red[:6].any()
    assert not red[12:18, 12:18].any()


def test_palette_knows_our_classes_and_makes_up_the_others() -> None:
    colours = class_colours(["background", "gun", "samovar", "lamp"])
    assert colours[1].tolist() == [213, 0, 0]
    assert len({tuple(colour) for colour in colours.tolist()}) == 4
    assert (class_colours(["background", "gun", "samovar", "lamp"]) == colours).all()


def test_grid_fills_rows_and_leaves_gaps_in_the_background() -> None:
    laid = grid([np.zeros((4, 6, 1), np.uint8)] * 3, columns=2, gap_px=1, background=9)
    assert laid.shape == (9, 13, 3)
    assert (laid[4] == 9).all()
    assert (laid[5:, 7:] == 9).all()
    assert (laid[5:, :6] == 0).all()


@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9))
def test_grid_holds_every_picture(count: int, height: int, width: int) -> None:
    laid = grid([np.zeros((height, width), np.uint8)] * count, gap_px=1, background=255)
    assert (laid == 0).all(axis=2).sum() == count * height * width


@pytest.mark.parametrize("images", [[], [np.zeros((2, 2)), np.zeros((3, 2))]])
def test_grid_wants_pictures_of_one_size(images: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="at least one, all of one size"):
        grid([image.astype(np.uint8) for image in images])


def test_small_scans_are_enlarged_crisply_and_large_ones_shrunk() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    small, scale = fit(image, 12)
    assert scale == 3
    assert set(map(tuple, enlarge(small, scale).reshape(-1, 3).tolist())) == set(
        map(tuple, image.reshape(-1, 3).tolist())
    )
    shrunk, scale = fit(np.zeros((100, 300, 3), np.uint8), 60)
    assert (shrunk.shape, scale) == ((20, 60, 3), 1)


def test_shrunk_label_maps_hold_no_class_that_was_not_there() -> None:
    mask = np.where(np.arange(900).reshape(30, 30) % 7 < 3, 9, 0).astype(np.uint8)
    assert set(np.unique(fit(mask, 11)[0]).tolist()) <= {0, 9}


def test_png_reads_back_exactly_and_has_no_metadata() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    content = png_bytes(picture)
    with Image.open(io.BytesIO(content)) as opened:
        assert (np.asarray(opened) == picture).all()
        assert not opened.info
    assert content == png_bytes(picture)


def test_strip_shows_the_scan_untouched_on_the_left_and_numbers_on_the_right() -> None:
    image = np.full((32, 48, 3), 255, np.uint8)
    mask = np.zeros((32, 48), np.uint8)
    mask[8:24, 10:20] = 1
    shown = strip(image, mask, ["background", "gun"], 192)
    assert shown.shape == (128, 3 * 192 + 4, 3)
    assert (shown[:, :192] == 255).all()
    black = (shown[:, 2 * 194 :] == 0).all(axis=2)
    assert black.sum() == (plate(1, np.array([213, 0, 0]), size=1) == 0).all(axis=2).sum()


def test_strips_bear_scans_smaller_than_a_number() -> None:
    mask = np.ones((2, 2), np.uint8)
    shown = strip(np.zeros((2, 2, 1), np.uint8), mask, ["background", "gun"], 64)
    assert shown.shape[0] == 64


def test_pairs_may_differ_in_size_and_type() -> None:
    shown = pair(np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64, 1), np.uint16), 128)
    assert shown.shape == (128, 258, 3)


def test_heat_map_has_most_ink_at_the_most_frequent_place() -> None:
    drawn = heat_picture(np.array([[0.0, 0.1], [0.2, 0.05]]), 0.2, 2)
    assert drawn[..., 3].tolist() == [[0, 128], [255, 64]]
    assert (heat_picture(np.zeros((2, 2)), 0.0, 2)[..., 3] == 0).all()
