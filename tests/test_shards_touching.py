"""Objects of a mask: touching ones told apart with caution, divided ones joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from xraysynth.randomness import stream
from xraysynth.shards.regions import find_regions
from xraysynth.shards.samples import DescribeConfig
from xraysynth.shards.touching import SplitConfig, split_touching

CONFIG = SplitConfig()
Y, X = np.mgrid[:64, :96]


def bar(x: float, y: float, size: tuple[float, float], turn_deg: float = 0) -> np.ndarray:
    """A box of a length and a width about a point."""
    angle = np.deg2rad(turn_deg)
    along = (X - x) * np.cos(angle) + (Y - y) * np.sin(angle)
    across = (Y - y) * np.cos(angle) - (X - x) * np.sin(angle)
    return np.asarray((np.abs(along) <= size[0] / 2) & (np.abs(across) <= size[1] / 2))


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.asarray(np.hypot(X - x, Y - y) <= radius)


def pistol() -> np.ndarray:
    """Slide and grip at a right angle, with a trigger guard."""
    guard = disc(45, 29, 7) & ~disc(45, 29, 4)
    return np.asarray(bar(48, 20, (56, 12)) | bar(30, 37, (13, 32), 8) | guard)


SINGLES = {
    "pistol": pistol(),
    "knife": bar(30, 32, (36, 8)) | bar(62, 32, (34, 5)),
    "spanner": bar(48, 32, (50, 6)) | disc(20, 32, 8) | (disc(76, 32, 9) & ~bar(84, 32, (10, 6))),
    "hammer": bar(52, 32, (60, 6)) | bar(20, 32, (12, 30)),
    "scissors": bar(55, 32, (60, 4), 12)
    | bar(55, 32, (60, 4), -12)
    | (disc(22, 22, 9) & ~disc(22, 22, 5))
    | (disc(22, 42, 9) & ~disc(22, 42, 5)),
    "disc": disc(40, 30, 14),
    "ring": disc(40, 30, 20) & ~disc(40, 30, 12),
}


@pytest.mark.parametrize("name", SINGLES)
@pytest.mark.parametrize("turns", [0, 1])
def test_one_item_stays_one(name: str, turns: int) -> None:
    item = np.rot90(SINGLES[name], turns)
    assert ndimage.label(item, np.ones((3, 3)))[1] == 1
    assert split_touching(item, CONFIG).max() == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(bar(30, 12, (50, 8)), bar(54, 40, (8, 48)), id="bars-in-a-corner"),
        pytest.param(bar(46, 15, (60, 9)), bar(50, 42, (10, 45), 20), id="bars-in-a-t"),
        pytest.param(pistol(), bar(84, 41, (8, 40), 20), id="pistol-and-bar"),
    ],
)
def test_two_items_that_touch_are_two(first: np.ndarray, second: np.ndarray) -> None:
    parts = split_touching(first | second, CONFIG)
    assert parts.max() == 2
    truth = np.where(first, 1, np.where(second, 2, 0))
    same = max((parts == truth).mean(), (parts == np.array([0, 2, 1])[truth]).mean())
    assert same > 0.98


@given(st.integers(0, 2**32 - 1))
def test_parts_fill_the_region_and_each_hangs_together(seed: int) -> None:
    rng = stream(seed, "blobs")
    blobs = ndimage.gaussian_filter(rng.standard_normal((24, 24)), 1.5) > 0.05
    numbered, count = ndimage.label(blobs, np.ones((3, 3)))
    if not count:
        return
    inside = numbered == np.bincount(numbered[blobs]).argmax()
    loose = SplitConfig(neck=1, part=0.05, solidity_gain=0)
    parts = split_touching(inside, loose)
    assert ((parts > 0) == inside).all()
    firsts = [int((parts == number).argmax()) for number in range(1, parts.max() + 1)]
    assert firsts == sorted(firsts)
    for number in range(1, parts.max() + 1):
        assert ndimage.label(parts == number, np.ones((3, 3)))[1] == 1
    assert (split_touching(inside, SplitConfig(neck=0)) == inside).all()


def test_an_item_under_another_is_one_object_with_the_pixels_that_show() -> None:
    mask = np.zeros((64, 96), np.uint8)
    below, above = bar(48, 32, (70, 10)), bar(48, 32, (8, 50))
    mask[below], mask[above] = 7, 9
    overlaps = below.astype(np.uint32) << 7 | above.astype(np.uint32) << 9
    found = find_regions(mask, [7, 9], DescribeConfig(), overlaps)
    assert [region.class_id for region in found] == [9, 7]
    assert found[1].inside.sum() == (below & ~above).sum()
    assert (found[1].columns.start, found[1].columns.stop) == (13, 84)
    apart = find_regions(mask, [7, 9], DescribeConfig(join_divided=False), overlaps)
    assert [region.class_id for region in apart] == [9, 7, 7]


def test_what_only_bag_or_air_lies_between_is_not_joined() -> None:
    mask = np.zeros((8, 12), np.uint8)
    mask[2:6, 1:4], mask[2:6, 4:8], mask[2:6, 8:11] = 7, 1, 7
    overlaps = np.full((8, 12), 1 << 7, np.uint32)
    assert len(find_regions(mask, [7], DescribeConfig(), overlaps)) == 2
