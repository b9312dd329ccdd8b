"""Draws and the scans made of them: exact truth, same seed same bytes, clear refusals."""

from __future__ import annotations

import random  # noqa: TID251 (to see that nobody uses it)
from typing import Any

import numpy as np
import pydantic
import pytest

from xraysynth import schema
from xraysynth.baggage import (
    CaseShares,
    SimulatedScan,
    SimulationConfig,
    apply_scan,
    draw_scan,
    simulate_scan,
)
from xraysynth.baggage.canvas import PRESENT_MM
from xraysynth.baggage.catalogue import build, kinds
from xraysynth.errors import InputError, SettingsError
from xraysynth.randomness import stream
from xraysynth.scanner.colour import PLAIN_LOOK
from xraysynth.scanner.materials import materials
from xraysynth.scanner.projection import Part
from xraysynth.settings import settings_from_mapping

SMALL = SimulationConfig(size_px=48, clutter=(2, 8))
PLAIN = CaseShares(plain=1, conceal=0, partly_out_of_view=0)
FOUR = ("gun", "knife", "wrench", "scissors")


def arrays(scan: SimulatedScan) -> tuple[bytes, ...]:
    """Return every array of a scan as bytes."""
    every = (scan.image, scan.transmission, scan.label_map, scan.overlaps, scan.items)
    return tuple(array.tobytes() for array in every)


@pytest.mark.parametrize("channels", ["rgb", "dual"])
def test_same_seed_and_index_give_the_same_bytes(channels: str) -> None:
    config = settings_from_mapping(SimulationConfig, {"size_px": 48, "channels": channels})
    assert arrays(simulate_scan(config, 5, 3)) == arrays(simulate_scan(config, 5, 3))


def test_another_seed_or_index_gives_another_scan() -> None:
    first = arrays(simulate_scan(SMALL, 5, 3))
    assert first[0] != arrays(simulate_scan(SMALL, 6, 3))[0]
    assert first[0] != arrays(simulate_scan(SMALL, 5, 4))[0]


def test_global_random_state_is_untouched() -> None:
    def states() -> str:
        return f"{np.random.get_state()} {random.getstate()}"  # noqa: NPY002 (looked at only)

    before = states()
    simulate_scan(SMALL, 0, 0)
    assert states() == before


def test_one_draw_applied_twice_gives_the_same_bytes() -> None:
    draw = draw_scan(SMALL, 0, 11)
    assert arrays(apply_scan(SMALL, draw)) == arrays(apply_scan(SMALL, draw))


def test_arrays_have_their_announced_shapes_and_ranges() -> None:
    rgb = simulate_scan(SMALL, 0, 0)
    dual = simulate_scan(SimulationConfig(size_px=48, clutter=(2, 8), channels="dual"), 0, 0)
    for array, shape, dtype in (
        (rgb.image, (48, 48, 3), "uint8"),
        (dual.image, (48, 48, 2), "uint16"),
        (rgb.transmission, (2, 48, 48), "float32"),
        (rgb.label_map, (48, 48), "uint8"),
        (rgb.overlaps, (48, 48), "uint32"),
    ):
        assert (array.shape, array.dtype.name) == (shape, dtype)
    assert rgb.items.dtype == schema.table_dtype("items")
    assert 0 <= rgb.transmission.min() <= rgb.transmission.max() <= 1


@pytest.mark.parametrize("index", range(6))
def test_truth_agrees_with_itself(index: int) -> None:
    scan = simulate_scan(SMALL, 1, index)
    label_bit = (scan.overlaps >> scan.label_map) & 1
    crossed = scan.overlaps != 0
    assert (label_bit[crossed] == 1).all()
    assert (scan.label_map[~crossed] == 0).all()
    assert not (scan.overlaps & 1).any()
    schema.validate("items", scan.items)
    for row in scan.items:
        if row["area_px"]:
            rows, cols = np.nonzero(scan.overlaps & np.uint32(1 << int(row["class_id"])))
            assert rows.min() <= row["y_min"] < row["y_max"] <= rows.max() + 1
            assert cols.min() <= row["x_min"] < row["x_max"] <= cols.max() + 1
            assert row["thickness_mm"] > PRESENT_MM


def test_background_is_open_air() -> None:
    config = SimulationConfig(size_px=64, noise=False, cases=PLAIN, palette="standard")
    scan = simulate_scan(config, 0, 0)
    assert (scan.image[scan.label_map == 0] > 240).mean() > 0.95
    assert (scan.image[0] == 255).all()


def test_threats_of_a_bag_are_of_different_classes() -> None:
    config = SimulationConfig(
        threats=(4, 4), threat_classes=FOUR, clutter=(0, 0), fill=(1, 1), two_bags=0
    )
    for index in range(8):
        names = [placed.item.class_name for placed in draw_scan(config, 0, index).items]
        assert sorted(names) == sorted(FOUR)


def test_numbers_of_threats_are_uniform() -> None:
    config = SimulationConfig(clutter=(0, 0), threats=(0, 4), threat_classes=FOUR)
    found = [len(draw_scan(config, 0, index).items) for index in range(150)]
    shares = np.bincount(found, minlength=5) / len(found)
    np.testing.assert_allclose(shares, 0.2, atol=0.1)


def test_items_lie_inside_the_bag_without_intersecting() -> None:
    for index in range(10):
        draw = draw_scan(SimulationConfig(threats=(4, 4), clutter=(8, 8), two_bags=0), 2, index)
        frame = draw.bag.parts[0].rotation
        boxes = [
            np.array([_box(part, frame) for part in item.parts if part.replaces is None])
            for item in draw.items
        ]
        half = np.array(draw.bag.parts[0].shape.bounds)
        soft = [placed.item.soft for placed in draw.items]
        for number, box in enumerate(boxes):
            assert (np.abs(box) < half).all()
            # Cloth drapes around what is hard: it has no box of its own.
            for other in [box for n, box in enumerate(boxes[:number]) if not soft[n]] * (
                not soft[number]
            ):
                apart = (box[:, None, 0] > other[None, :, 1] - 1e-3) | (
                    box[:, None, 1] < other[None, :, 0] + 1e-3
                )
                assert apart.any(axis=-1).all()


def _box(part: Part, frame: np.ndarray) -> np.ndarray:
    """Return the box around a part in the bag's frame: lowest and highest corner."""
    reach = np.abs(frame.T @ part.rotation) @ np.array(part.shape.bounds)
    centre = frame.T @ np.array(part.at)
    return np.stack([centre - reach, centre + reach])


def test_thick_steel_dominates_whatever_lies_over_it() -> None:
    config = SimulationConfig(
        size_px=128, threats=(1, 1), clutter=(8, 8), threat_classes=("wrench",), noise=False
    )
    scan = simulate_scan(config, 0, 4)
    wrench = schema.classes()["wrench"].id
    mask = (scan.overlaps & np.uint32(1 << wrench)) != 0
    assert (scan.label_map[mask] == wrench).mean() > 0.7
    assert scan.items[1]["visibility"] > 0.5


def test_visibility_is_the_share_of_the_whole_attenuation() -> None:
    scans = [simulate_scan(SMALL, 3, index) for index in range(8)]
    visibility = np.concatenate([scan.items["visibility"] for scan in scans])
    assert ((visibility >= 0) & (visibility <= 1)).all()
    assert visibility.std() > 0.1


def test_dual_channels_show_the_same_scan_as_the_colours() -> None:
    dual = simulate_scan(SimulationConfig(size_px=48, clutter=(2, 8), channels="dual"), 0, 0)
    rgb = simulate_scan(SMALL, 0, 0)
    np.testing.assert_array_equal(dual.transmission, rgb.transmission)
    np.testing.assert_allclose(dual.image[..., 0] / 65535, dual.transmission[0], atol=1e-5)


def test_palettes_change_colours_but_not_the_truth() -> None:
    standard, vivid = (
        simulate_scan(SimulationConfig(size_px=48, clutter=(2, 8), palette=name), 0, 0)
        for name in ("standard", "vivid")
    )
    assert (standard.image != vivid.image).any()
    np.testing.assert_array_equal(standard.transmission, vivid.transmission)
    np.testing.assert_array_equal(standard.label_map, vivid.label_map)


def test_palettes_are_drawn_by_their_shares() -> None:
    config = SimulationConfig(palette={"muted": 3, "vivid": 1, "standard": 0}, clutter=(0, 0))
    found = [draw_scan(config, 0, index).palette for index in range(120)]
    assert found.count("standard") == 0
    assert found.count("muted") / len(found) == pytest.approx(0.75, abs=0.12)


def test_displays_are_set_unlike_but_only_as_far_as_asked() -> None:
    looks = [draw_scan(SimulationConfig(clutter=(0, 0)), 0, index).look for index in range(150)]
    contrast = np.log([look.contrast for look in looks])
    assert contrast.std() == pytest.approx(SimulationConfig().display_spread, rel=0.2)
    config = SimulationConfig(clutter=(0, 0), display_spread=0)
    assert draw_scan(config, 0, 0).look == PLAIN_LOOK


def test_as_many_bags_hold_few_things_as_many() -> None:
    config = SimulationConfig(clutter=(4, 64), bag_kinds=("tray",), fill=(0, 0), threats=(0, 0))
    asked = np.array([draw_scan(config, 1, index).n_left_out for index in range(150)])
    assert asked.min() >= 4 and asked.max() <= 2 * 64
    assert np.median(asked) == pytest.approx(16, rel=0.3)


def test_any_palette_is_drawn_for_each_scan() -> None:
    config = SimulationConfig(palette="any")
    assert len({draw_scan(config, 0, index).palette for index in range(20)}) >= 2


@pytest.mark.parametrize("kind", [*kinds("threat"), *kinds("clutter"), *kinds("bag")])
def test_every_kind_is_of_known_class_and_materials(kind: str) -> None:
    for number in range(3):
        item = build(kind, stream(0, "kind", kind, number))
        assert item.class_name in schema.classes()
        assert item.material in materials()
        for part in item.parts:
            assert {part.material, part.replaces or "air"} <= set(materials())
            assert min(part.shape.bounds) > 0


def test_threats_are_named_as_their_class() -> None:
    for kind in kinds("threat"):
        assert build(kind, stream(0, kind)).class_name == kind
        assert schema.classes()[kind].group == "threat"


def test_unknown_item_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'banana' is not an item; want one of"):
        build("banana", stream(0))


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"size_px": 65}, "size_px is 65; it should be a multiple of 4 between 16 and 1024."),
        ({"size_px": 12}, "size_px is 12; it should be a multiple of 4 between 16 and 1024."),
        ({"size_px": -64}, "size_px is -64; it should be a multiple of 4"),
        ({"threats": (-1, 2)}, "threats.0 is -1; it should be greater than or equal to 0."),
        ({"clutter": (3, 1)}, "it should be a range (fewest, most) with fewest <= most."),
        ({"threat_classes": ("gun", "knive")}, "not 'knive'; did you mean knife?"),
        ({"clutter_kinds": ("laptop", "laptop")}, "should name each kind once"),
        ({"bag_kinds": ()}, "should name at least one container"),
        ({"palette": {"neon": 1}}, "it should name palettes, not 'neon'; known are standard"),
        ({"palette": {"vivid": -1}}, "it should give vivid a share of at least 0"),
        ({"palette": {"vivid": 0}}, "it should give at least one palette a share above 0"),
        ({"palette": 3}, "palette is 3; it should be one of standard"),
        ({"palette": "neon"}, "palette is 'neon'; it should be one of standard, vivid, muted"),
        ({"threats": (0, 3), "threat_classes": ("gun",)}, "threat_classes names 1"),
        ({"clutter_kinds": ()}, "clutter_kinds is empty"),
        ({"channels": "cmyk"}, "channels is 'cmyk'; it should be 'rgb' or 'dual'."),
        ({"source_mm": 100.0}, "should be 0 (parallel rays) or at least 600 mm"),
        ({"views": 3}, "views is 3; it should be 1 or 2."),
        ({"fill": (0.5, 1.5)}, "fill.1 is 1.5; it should be less than or equal to 1."),
        ({"fill": (0.9, 0.5)}, "it should be a range (fewest, most) with fewest <= most."),
        ({"clutter_per_litre": (-1.0, 1.0)}, "clutter_per_litre.0 is -1.0; it should be greater"),
        ({"clutter_per_litre": (float("nan"), 1.0)}, "clutter_per_litre.0 is nan; it should be"),
        ({"clutter": (0, 200)}, "clutter.1 is 200; it should be less than or equal to 128."),
        ({"field_mm": 3.0}, "field_mm is 3.0; it should be 0 (follow the bags) or at least 20 mm."),
        ({"field_mm": float("inf")}, "field_mm is inf; it should be"),
        ({"cases": {"conceal": -1}}, "cases.conceal is -1; it should be greater"),
        ({"cases": {"consel": 1}}, "cases.consel is not a setting; did you mean cases.conceal?"),
        (
            {"cases": {"plain": 0, "conceal": 0, "partly_out_of_view": 0}},
            "should give at least one case a share above 0",
        ),
        ({"threat_class": ("gun",)}, "threat_class is not a setting; did you mean threat_classes?"),
    ],
)
def test_odd_settings_get_one_clear_sentence(mapping: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from_mapping(SimulationConfig, mapping)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        SMALL.size_px = 32  # type: ignore[misc]


def test_empty_bag_is_possible() -> None:
    scan = simulate_scan(SimulationConfig(size_px=32, threats=(0, 0), clutter=(0, 0)), 0, 0)
    assert scan.items["case"].tolist() == [b"container"]
    assert set(np.unique(scan.label_map)) == {0, schema.classes()["bag"].id}
