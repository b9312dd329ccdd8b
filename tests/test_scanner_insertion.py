"""Threat image projection: physics, truth, placement, noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_erosion

from xraysynth.errors import InputError, SettingsError
from xraysynth.scanner.detector import expose, transmission
from xraysynth.scanner.insertion import (
    InsertionConfig,
    InsertionDraw,
    bag_outline,
    draw_insertion,
    insert,
    turned_logs,
)
from xraysynth.scanner.projection import Part, View, turn
from xraysynth.scanner.raw import RawScan, clean_logs, noise_level
from xraysynth.scanner.shapes import Box, Ellipsoid, Torus
from xraysynth.settings import settings_from_mapping

VIEW = View(size_px=120, field_mm=240.0)
BAG = Part(shape=Box((100, 80, 1)), material="polypropylene")
PLATE = Part(shape=Box((25, 10, 1)), material="steel", rotation=turn(20))


def simulated(*parts: Part) -> RawScan:
    """Return the noise-free scan of parts that do not intersect, by parallel rays."""
    chords = [VIEW.chord(part, (slice(0, 120), slice(0, 120))).ravel() for part in parts]
    both = transmission(np.array(chords), [part.material for part in parts])
    return RawScan(*both.reshape(2, 120, 120))


def test_transmissions_of_bag_and_threat_multiply_in_each_channel() -> None:
    bag, threat = simulated(BAG), simulated(PLATE)
    found = insert(bag, threat, InsertionDraw())
    np.testing.assert_allclose(found.low, bag.low * threat.low, rtol=1e-3)
    np.testing.assert_allclose(found.high, bag.high * threat.high, rtol=1e-3)


@pytest.mark.parametrize(
    "part",
    [
        PLATE,
        Part(shape=Torus(25, 5), material="aluminium", rotation=turn(0, 40, 0)),
        Part(shape=Ellipsoid((20, 10, 8)), material="nylon"),
    ],
)
def test_insertion_equals_the_simulated_bag_that_holds_the_threat(part: Part) -> None:
    found = insert(simulated(BAG), simulated(part), InsertionDraw())
    together = simulated(BAG, part)
    # What remains is the beam that one hardens for the other: 1 % of -ln T behind 2 mm of plastic.
    for channel, expected in ((found.low, together.low), (found.high, together.high)):
        np.testing.assert_allclose(-np.log(channel), -np.log(expected), rtol=0.01, atol=2e-3)


def test_mask_is_where_the_simulator_says_the_threat_is() -> None:
    threat = simulated(PLATE)
    found = insert(simulated(BAG), threat, InsertionDraw())
    truth = VIEW.chord(PLATE, (slice(0, 120), slice(0, 120))) > 0.05
    np.testing.assert_array_equal(found.mask, truth)
    rows, cols = np.nonzero(truth)
    assert found.box == (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)


def test_visibility_is_the_share_of_the_line_integral() -> None:
    threat = simulated(PLATE)
    in_air = insert(RawScan(np.ones((120, 120)), np.ones((120, 120))), threat, InsertionDraw())
    assert in_air.visibility == pytest.approx(1.0)
    level = float(np.exp(-clean_logs(threat).mean(axis=0)[60, 60]))
    halved = insert(
        RawScan(np.full((120, 120), level), np.full((120, 120), level)), threat, InsertionDraw()
    )
    assert halved.visibility == pytest.approx(0.5, abs=0.02)


def test_inserting_air_changes_nothing_and_is_never_drawn() -> None:
    air, bag = RawScan(np.ones((30, 30)), np.ones((30, 30))), simulated(BAG)
    found = insert(bag, air, InsertionDraw(row_px=40, noise_seed=3))
    np.testing.assert_array_equal(found.low, bag.low)
    np.testing.assert_array_equal(found.high, bag.high)
    assert not found.mask.any()
    with pytest.raises(InputError, match="shows nothing but air"):
        draw_insertion(InsertionConfig(), bag, air, 0)


def test_slab_without_any_air_around_is_inserted_whole() -> None:
    slab = RawScan(np.full((120, 120), 0.4), np.full((120, 120), 0.7))
    found = insert(simulated(BAG), slab, InsertionDraw())
    np.testing.assert_allclose(found.low, simulated(BAG).low * 0.4, rtol=1e-4)
    assert found.mask.all()


def test_outside_its_mask_nothing_changes_but_the_soft_rim() -> None:
    bag, threat = simulated(BAG), simulated(PLATE)
    found = insert(bag, threat, InsertionDraw(rotation_deg=33.0, row_px=-10, col_px=-10))
    rim = np.zeros_like(found.mask)
    rows, cols = np.nonzero(found.mask)
    rim[rows.min() - 1 : rows.max() + 2, cols.min() - 1 : cols.max() + 2] = True
    np.testing.assert_array_equal(found.low[~rim], bag.low.astype(np.float32)[~rim])
    inside = rim & ~found.mask
    assert np.abs(np.log(found.low[inside] / bag.low[inside])).max() < 0.06


def test_background_level_of_the_threat_is_not_inserted() -> None:
    bag, threat = simulated(BAG), simulated(PLATE)
    dim = RawScan(threat.low * 0.985, threat.high * 0.97)
    plain, dimmed = (insert(bag, each, InsertionDraw()) for each in (threat, dim))
    np.testing.assert_allclose(dimmed.low, plain.low, rtol=1e-3)
    np.testing.assert_array_equal(dimmed.mask, plain.mask)


def test_noise_behind_the_threat_is_that_of_the_quanta_left() -> None:
    wide = np.ones((2, 300, 300), dtype=np.float32)
    bag_level, threat_level, sigma = 0.5, 0.4, 0.01
    rng = np.random.default_rng(0)
    plate = wide.copy()
    plate[:, 40:260, 40:260] = threat_level
    bag = wide * bag_level

    def noisy(clean: np.ndarray) -> RawScan:
        noise = sigma * np.sqrt(clean) * rng.standard_normal(clean.shape)
        return RawScan(*np.clip(clean + noise, 0, 1).astype(np.float32))

    seen_bag = noisy(bag)
    assert noise_level(seen_bag) == pytest.approx((sigma, sigma), rel=0.05)
    found = insert(seen_bag, noisy(plate), InsertionDraw(noise_seed=1))
    inner = found.low[60:240, 60:240]
    assert inner.mean() == pytest.approx(bag_level * threat_level, rel=0.01)
    # One exposure of both: sigma^2 T. Two exposures multiplied would have 1 / T_bag + 1 / T_threat.
    assert inner.std() == pytest.approx(sigma * np.sqrt(bag_level * threat_level), rel=0.08)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), inside=st.floats(0.3, 1.0))
def test_drawn_places_are_whole_and_within_the_bag(seed: int, inside: float) -> None:
    bag, threat = simulated(BAG), simulated(PLATE)
    config = InsertionConfig(inside=inside)
    draw = draw_insertion(config, bag, threat, seed)
    assert draw == draw_insertion(config, bag, threat, seed)
    found = insert(bag, threat, draw)
    solid = turned_logs(threat, draw).mean(axis=0) >= 0.02
    # Nothing is cut off at the border, nothing comes back on the other side.
    assert found.mask.sum() == solid.sum()
    assert (found.mask & bag_outline(bag)).sum() >= inside * found.mask.sum()
    again = insert(bag, threat, draw)
    assert found.low.tobytes() == again.low.tobytes()


def test_quarter_turns_and_flips_move_pixels_without_mixing_them() -> None:
    threat = simulated(PLATE)
    plain = turned_logs(threat, InsertionDraw())
    for quarters in (1, 2, 3):
        turned = turned_logs(threat, InsertionDraw(rotation_deg=90.0 * quarters))
        np.testing.assert_array_equal(turned, np.rot90(plain, quarters, axes=(1, 2)))
    flipped = turned_logs(threat, InsertionDraw(flip=True))
    np.testing.assert_array_equal(flipped, plain[:, :, ::-1])


@pytest.mark.parametrize("angle_deg", [17.0, 45.0, -60.0])
def test_turning_keeps_the_sum_of_line_integrals(angle_deg: float) -> None:
    threat = simulated(PLATE)
    plain, turned = (
        turned_logs(threat, InsertionDraw(rotation_deg=angle)).sum() for angle in (0.0, angle_deg)
    )
    assert turned == pytest.approx(plain, rel=0.01)


def test_threat_larger_than_the_bag_is_named_with_both_sizes() -> None:
    small = RawScan(np.full((9, 16), 0.5), np.full((9, 16), 0.6))
    with pytest.raises(InputError, match="pixels fits nowhere into a bag of 16 x 9: at most 0%"):
        draw_insertion(InsertionConfig(), small, simulated(PLATE), 0)
    with pytest.raises(InputError, match="leaves a bag of 120 x 120; move it inside"):
        insert(simulated(BAG), simulated(PLATE), InsertionDraw(row_px=110, col_px=0))


def test_channels_of_different_size_are_refused() -> None:
    # The check of shapes that tests switch on would come first: call the sentence alone.
    scan = RawScan(np.ones((3, 4)), np.ones((3, 4)))
    object.__setattr__(scan, "high", np.ones((4, 3)))
    with pytest.raises(InputError, match="want two pictures"):
        scan.__post_init__()


def test_odd_settings_get_one_sentence() -> None:
    with pytest.raises(SettingsError, match="scale should lie between"):
        settings_from_mapping(InsertionConfig, {"scale": (0.0, 1.0)})
    with pytest.raises(SettingsError, match="rotation_deg should be a range"):
        settings_from_mapping(InsertionConfig, {"rotation_deg": (10.0, -10.0)})


def test_exposed_threat_in_exposed_bag_keeps_its_colours() -> None:
    rng = np.random.default_rng(3)
    bag, threat = (
        RawScan(*expose(np.stack([scan.low, scan.high]), 2.0, rng))
        for scan in (simulated(BAG), simulated(PLATE))
    )
    found = insert(bag, threat, InsertionDraw(noise_seed=2))
    expected = simulated(BAG, PLATE)
    # The detector's blur softens two pixels along the edge.
    inner = binary_erosion(found.mask, iterations=3)
    assert found.low[inner].mean() == pytest.approx(expected.low[inner].mean(), rel=0.03)
    assert found.high[inner].mean() == pytest.approx(expected.high[inner].mean(), rel=0.03)


def test_real_knives_in_real_suitcases_multiply(shared_real: dict[str, RawScan]) -> None:
    bag, knife = shared_real["background/background_4"], shared_real["knife/knife_0"]
    draw = draw_insertion(InsertionConfig(noise=False), bag, knife, 1)
    found = insert(bag, knife, draw)
    logs = turned_logs(knife, draw)
    own = np.zeros(bag.shape, dtype=np.float32)
    rows, cols = (
        np.arange(size) + first
        for size, first in zip(logs.shape[1:], (draw.row_px, draw.col_px), strict=True)
    )
    own[np.ix_(rows, cols)] = logs[0]
    np.testing.assert_allclose(found.low, bag.low * np.exp(-own), atol=0.02)
    np.testing.assert_allclose(
        found.low[found.mask], (bag.low * np.exp(-own))[found.mask], rtol=1e-4
    )
    # A steel blade stays steel: R of what was added is that measured on the knives.
    blade = logs.mean(axis=0) > 0.3
    raw = knife.logs()
    steel = raw.mean(axis=0) > 0.3
    expected = np.median(raw[0][steel] / raw[1][steel])
    assert np.median(logs[0][blade] / logs[1][blade]) == pytest.approx(expected, rel=0.03)


@pytest.fixture
def shared_real(shared) -> dict[str, RawScan]:  # type: ignore[no-untyped-def]
    folder = shared / "real" / "dual_energy"
    if not folder.is_dir():
        pytest.skip("no raw pairs in ../shared/real/dual_energy")
    scans = {}
    for name in ("background/background_4", "knife/knife_0"):
        channels = []
        for energy in ("low", "high"):
            with Image.open(folder / f"{name}_{energy}.png") as opened:
                channels.append(np.clip(np.asarray(opened, dtype=np.float32) / 60_000, 0, 1))
        scans[name] = RawScan(*channels)
    return scans
