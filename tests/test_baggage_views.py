"""Two views, cases, fill and field: that each does to the pictures what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xraysynth.baggage import (
    CaseShares,
    PlacedItem,
    ScanDraw,
    SimulationConfig,
    apply_scan,
    draw_scan,
    simulate_scan,
)
from xraysynth.baggage.density import dense, hiding
from xraysynth.errors import SettingsError
from xraysynth.scanner.projection import View

PLAIN = CaseShares(plain=1, conceal=0, partly_out_of_view=0)
HIDDEN = CaseShares(plain=0, conceal=1, partly_out_of_view=0)
CUT = CaseShares(plain=0, conceal=0, partly_out_of_view=1)


def quick(**settings: Any) -> SimulationConfig:
    """Return settings for small pictures without noise or masks of parts."""
    return SimulationConfig.model_validate(
        {"size_px": 64, "noise": False, "part_masks": False, **settings}
    )


def test_a_box_seen_from_the_side_is_as_deep_as_it_is_wide_from_above() -> None:
    view = View(size_px=100, field_mm=100.0, angle_deg=90.0)
    corner = view.frame @ np.array([10.0, 20.0, 30.0])
    np.testing.assert_allclose(corner, [30.0, 20.0, -10.0], atol=1e-5)


def _placed(draw: ScanDraw) -> tuple[PlacedItem, ...]:
    """Return the containers and the items, in the order of the table."""
    return (*draw.bags, *draw.items)


def test_views_share_the_belt_axis_and_the_poses() -> None:
    config = SimulationConfig(size_px=128, noise=False, views=2, clutter=(6, 6), cases=PLAIN)
    for index in range(4):
        draw = draw_scan(config, 1, index)
        first, second = (apply_scan(config, draw, view_id).items for view_id in (0, 1))
        large = np.minimum(first["area_px"], second["area_px"]) > 60
        # From the side, the dented outline of what is soft is evened out.
        large &= [placed in draw.items and not placed.item.soft for placed in _placed(draw)]
        for edge in ("y_min", "y_max"):
            # Rows are the same; a tip thinner than a pixel may be missed in one of the views.
            assert np.abs(first[edge] - second[edge])[large].max() <= 3
        for column in ("item_id", "name", "rotation_deg", "centre_x_mm", "centre_z_mm", "case"):
            np.testing.assert_array_equal(first[column], second[column])
        assert (first["view_id"] == 0).all()
        assert (second["view_id"] == 1).all()


def test_views_have_their_own_noise_but_are_seen_through_the_same_bag() -> None:
    config = SimulationConfig(size_px=32, views=2)
    draw = draw_scan(config, 0, 0)
    assert len(set(draw.noise_seeds)) == 2
    both = [apply_scan(config, draw, view_id) for view_id in (0, 1)]
    assert (both[0].image != both[1].image).any()
    # Whatever the direction, the same mass is in the way: mean -ln T is alike for low attenuation.
    totals = [float(-np.log(np.maximum(scan.transmission[1], 1e-3)).sum()) for scan in both]
    assert totals[0] == pytest.approx(totals[1], rel=0.4)


def test_first_view_does_not_depend_on_the_second() -> None:
    one, two = (SimulationConfig(size_px=32, views=views) for views in (1, 2))
    first, second = simulate_scan(one, 0, 3), simulate_scan(two, 0, 3)
    np.testing.assert_array_equal(first.items["name"], second.items["name"])


def test_concealed_threats_are_harder_to_see_than_plain_ones() -> None:
    def threats(cases: CaseShares) -> np.ndarray:
        config = quick(threats=(1, 1), clutter=(3, 3), cases=cases, two_bags=0)
        return np.concatenate([simulate_scan(config, 0, index).items[1:2] for index in range(24)])

    plain, hidden = threats(PLAIN), threats(HIDDEN)
    assert set(plain["case"]) == {b"plain"}
    assert (hidden["case"] == b"conceal").mean() > 0.9
    # A steel threat attenuates more than anything over it: what others add is what tells.
    assert 1 - hidden["visibility"].mean() > 1.3 * (1 - plain["visibility"].mean())
    assert hidden["occlusion"].mean() > plain["occlusion"].mean() + 0.1


def test_nothing_to_conceal_with_leaves_a_plain_case() -> None:
    config = quick(threats=(1, 1), clutter=(0, 0), cases=HIDDEN)
    assert {placed.case for placed in draw_scan(config, 0, 0).items} == {"plain"}


def test_dense_kinds_are_a_third_and_hide_most() -> None:
    kinds = SimulationConfig().clutter_kinds
    chosen = dense(kinds)
    assert len(chosen) == len(kinds) // 3
    assert min(map(hiding, chosen)) >= max(hiding(kind) for kind in kinds if kind not in chosen)


def test_a_threat_partly_out_of_view_is_cut_by_the_border() -> None:
    config = quick(threats=(2, 2), clutter=(2, 2), cases=CUT)
    for index in range(16):
        draw = draw_scan(config, 0, index)
        scan = apply_scan(config, draw)
        whole = apply_scan(config, draw_scan(config.model_copy(update={"cases": PLAIN}), 0, index))
        number = int(np.flatnonzero(scan.items["case"] == b"partly_out_of_view")[0])
        row, mask = scan.items[number], scan.mask(scan.items[number])
        assert row["touches_border"] == 1
        assert 0 < row["area_px"] < 0.9 * whole.items[number]["area_px"]
        assert row["area_px"] == mask.sum()
        rows, cols = np.nonzero(mask)
        box = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
        assert tuple(row[name] for name in ("x_min", "y_min", "x_max", "y_max")) == box
        assert min(box) == 0 or max(box) == 64


def test_fuller_bags_hold_more() -> None:
    def placed(fill: float) -> float:
        config = SimulationConfig(threats=(0, 0), clutter=(25, 25), fill=(fill, fill), two_bags=0)
        draws = [draw_scan(config, 0, index) for index in range(8)]
        assert all(len(draw.items) + draw.n_left_out == 25 for draw in draws)
        return float(np.mean([len(draw.items) for draw in draws]))

    assert placed(0.0) == 0
    assert 0 < placed(0.3) < 0.8 * placed(1.0)


def test_clutter_follows_the_volume_of_the_bag() -> None:
    config = SimulationConfig(clutter_per_litre=(0.5, 0.5), threats=(0, 0), two_bags=0)
    draws = [draw_scan(config, 0, index) for index in range(6)]
    asked = [len(draw.items) + draw.n_left_out for draw in draws]
    litres = [np.prod(2 * np.array(draw.bag.parts[0].shape.bounds)) * 1e-6 for draw in draws]
    assert all(
        0.3 * volume < count <= 0.5 * volume for count, volume in zip(asked, litres, strict=True)
    )


def test_two_bags_stand_apart_and_both_have_rows() -> None:
    config = quick(two_bags=1.0)
    for index in range(3):
        scan = simulate_scan(config, 0, index)
        bags = scan.items[scan.items["case"] == b"container"]
        assert bags["item_id"].tolist() == [0, 1]
        first, second = sorted(bags, key=lambda row: row["y_min"])
        assert first["y_max"] <= second["y_min"] + 4


@pytest.mark.parametrize("field_mm", [40.0, 4000.0])
def test_bags_larger_or_much_smaller_than_the_picture_are_no_trouble(field_mm: float) -> None:
    scan = simulate_scan(quick(field_mm=field_mm), 0, 0)
    bag = scan.items[0]
    assert (bag["x_max"] - bag["x_min"] == 64) == (field_mm < 100)
    assert all(scan.mask(row).sum() == row["area_px"] for row in scan.items)


def test_items_that_fit_nowhere_are_left_out_and_counted() -> None:
    config = quick(clutter=(60, 60), clutter_kinds=("shoe",), cases=PLAIN)
    draw = draw_scan(config, 0, 0)
    assert draw.n_left_out > 20
    assert len(draw.items) > 0


def test_a_source_inside_the_bag_is_refused() -> None:
    config = SimulationConfig().model_copy(update={"source_mm": 20.0})
    with pytest.raises(SettingsError, match="source_mm is 20, but the bag reaches"):
        draw_scan(config, 0, 0)


def test_parts_make_up_their_item_and_overlap() -> None:
    scan = simulate_scan(SimulationConfig(size_px=64, threats=(1, 1), clutter=(3, 3)), 0, 1)
    for item in scan.items:
        parts = scan.parts[scan.parts["item_id"] == item["item_id"]]
        assert parts["part_id"].tolist() == list(range(len(parts)))
        masks = [scan.mask(part) for part in parts]
        union = np.logical_or.reduce(masks)
        mask = scan.mask(item)
        # Slivers of many parts may reach the threshold of an item together only.
        assert (union | ~mask).mean() > 0.995
        solid = [m for m, part in zip(masks, parts, strict=True) if part["replaces"] == b""]
        assert (np.logical_or.reduce(solid) & mask).sum() >= 0.98 * mask.sum()
    assert sum(scan.parts["area_px"]) > sum(scan.items["area_px"])


def test_a_lone_item_is_hidden_by_nothing() -> None:
    config = quick(threats=(1, 1), clutter=(0, 0), cases=PLAIN, two_bags=0)
    scan = simulate_scan(config, 0, 0)
    assert scan.items[1]["occlusion"] == 0
    share = scan.items[1]["area_px"] / scan.items[0]["area_px"]
    assert scan.items[0]["occlusion"] == pytest.approx(share, abs=0.02)
