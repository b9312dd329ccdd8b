"""What lies in bags: measured ratios, closed forms of soft shapes, nesting, sizes, variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from xraysynth import schema
from xraysynth.baggage import SimulationConfig, simulate_scan
from xraysynth.baggage.alone import expose_alone, thickness_alone
from xraysynth.baggage.catalogue import BUILDERS, Item, build, kinds, weight
from xraysynth.baggage.items import heap, hoop
from xraysynth.baggage.packing import SQUEEZED, Space
from xraysynth.baggage.sheets import Fabric, Outline, Skin, Texture, Wire
from xraysynth.baggage.textures import MAKERS, N_VARIANTS, texture
from xraysynth.errors import InputError
from xraysynth.randomness import stream
from xraysynth.scanner.projection import Part, View, extent, turn
from xraysynth.scanner.shapes import Box

KNIFE_RATIO, FRAME_RATIO, SUITCASE_RATIOS = 2.27, 1.68, (1.28, 1.49)
"""Measured medians of ln(T_low) / ln(T_high): 45 knives, an aluminium frame, five suitcases."""
BAND = 0.10
AIR = 60_000
"""Value of open air in the raw pictures."""
THREATS = [
    "gun",
    "knife",
    "wrench",
    "scissors",
    "pliers",
    "hammer",
    "handcuffs",
    "baton",
    "sprayer",
    "powerbank",
    "lighter",
    "bullet",
]
PARALLEL = View(size_px=160, field_mm=160.0)
WHOLE = (slice(0, 160), slice(0, 160))
PLAIN = Outline(half=(60.0, 40.0), radius=20.0)


def ratio(low: np.ndarray, high: np.ndarray) -> float:
    """Return the median of ln T_low / ln T_high where something, but not all, is absorbed."""
    seen = (high < 0.9) & (high > 0.02) & (low > 0.01)
    return float(np.median(np.log(low[seen]) / np.log(high[seen])))


def raw_ratio(path: Path) -> float:
    """Return the same for a raw pair of pictures."""
    pair = (path, path.with_name(path.name.replace("_low", "_high")))
    low, high = (np.asarray(Image.open(file), dtype=float) / AIR for file in pair)
    return ratio(np.clip(low, 1e-6, 1), np.clip(high, 1e-6, 1))


def exposed(item: Item, number: int) -> float:
    return ratio(*expose_alone(item, 96, stream(0, "noise", number)))


def test_measured_ratios_are_those_of_the_raw_pictures(shared: Path) -> None:
    folder = shared / "real" / "dual_energy"
    knives = [raw_ratio(path) for path in folder.glob("knife/*_low.png")]
    assert np.median(knives) == pytest.approx(KNIFE_RATIO, rel=0.03)
    frame = raw_ratio(folder / "background" / "background_0_low.png")
    assert frame == pytest.approx(FRAME_RATIO, rel=0.03)
    paths = [folder / "background" / f"background_{n}_low.png" for n in (4, 5, 6, 8, 10)]
    cases = [raw_ratio(path) for path in paths]
    assert (min(cases), max(cases)) == pytest.approx(SUITCASE_RATIOS, rel=0.03)


def test_steel_knives_have_the_measured_ratio() -> None:
    found = [exposed(build("knife", stream(0, "knife", n)), n) for n in range(12)]
    assert np.median(found) == pytest.approx(KNIFE_RATIO, rel=BAND)


def test_aluminium_frames_have_the_measured_ratio() -> None:
    found = []
    for number in range(16):
        case = build("hard_case", stream(0, "case", number))
        frame = [part for part in case.parts if part.material == "aluminium" and not part.replaces]
        hollows = [part for part in case.parts if part.replaces == "aluminium"]
        if frame:
            parts = (*frame, *hollows) if len(hollows) >= len(frame) else tuple(frame)
            kept = tuple(part for part in parts if part.material in ("air", "aluminium"))
            alone = Item(name="frame", class_name="bag", material="aluminium", parts=kept)
            found.append(exposed(alone, number))
    assert len(found) >= 5
    assert np.median(found) == pytest.approx(FRAME_RATIO, rel=BAND)


def test_packed_suitcases_have_the_measured_ratio() -> None:
    config = SimulationConfig(size_px=96, bag_kinds=("hard_case", "soft_bag"), clutter=(8, 24))
    found = [ratio(*simulate_scan(config, 0, index).transmission) for index in range(12)]
    low, high = SUITCASE_RATIOS
    assert low * (1 - BAND) < np.median(found) < high * (1 + BAND)


def test_ring_of_wire_is_as_long_as_a_torus_along_the_axis() -> None:
    part = hoop((80, 80, 40), 5.0, "steel")
    place = np.arange(160) - 79.5
    apart = np.hypot(place[None], place[:, None]) - 40
    expected = 2 * np.sqrt(np.maximum(25 - apart**2, 0))
    np.testing.assert_allclose(PARALLEL.chord(part, WHOLE), expected, atol=2e-3)


@pytest.mark.parametrize("radius", [0.3, 1.0, 4.0])
def test_wire_keeps_its_volume_however_thin(radius: float) -> None:
    outline = Outline(half=(50.0, 50.0), radius=50.0)
    wire = Part(shape=Wire(outline=outline, radius=radius), material="steel")
    volume = PARALLEL.chord(wire, WHOLE).sum() * PARALLEL.pitch_mm**2
    assert volume == pytest.approx(2 * np.pi**2 * 50 * radius**2, rel=0.03)


def test_skin_is_two_walls_in_the_middle_and_a_shell_of_revolution_at_its_edge() -> None:
    even = Texture(name="panel", variant=0, at=(0.0, 0.0), scale=1e-9)
    share = float(texture("panel", 0)[0])
    disc = Outline(half=(60.0, 60.0), radius=60.0)
    skin = Skin(outline=disc, deep=40.0, edge=20.0, wall=2.0, textures=(even, even))
    chord = PARALLEL.chord(Part(shape=skin, material="nylon"), WHOLE) / share
    assert chord[80, 80] == pytest.approx(4.0, rel=1e-3)
    # Between two half circles of radii 20 and 18 mm, 15.5 mm beyond their common middle.
    across = 2 * (np.sqrt(20**2 - 15.5**2) - np.sqrt(18**2 - 15.5**2))
    assert chord[80, 80 + 55] == pytest.approx(across, rel=0.02)


def soft_shapes() -> list[Part]:
    even = Texture(name="garment", variant=1, at=(3.0, 5.0))
    skin = Skin(outline=PLAIN, deep=50.0, edge=20.0, wall=1.5, textures=(even, even))
    return [
        Part(shape=skin, material="nylon"),
        Part(shape=Fabric(outline=PLAIN, thick=30.0, texture=even), material="cotton"),
        Part(shape=Wire(outline=PLAIN, radius=3.0), material="steel"),
    ]


@given(
    yaw=st.floats(0, 360),
    pitch=st.floats(-180, 180),
    source_mm=st.sampled_from([0.0, 900.0]),
    number=st.integers(0, 2),
)
@settings(max_examples=40, deadline=None)
def test_no_ray_is_longer_inside_than_in_the_box_around(
    yaw: float, pitch: float, source_mm: float, number: int
) -> None:
    view = View(size_px=40, field_mm=200.0, source_mm=source_mm)
    part = soft_shapes()[number]
    lain = Part(shape=part.shape, material=part.material, rotation=turn(yaw, pitch))
    window = (slice(0, 40), slice(0, 40))
    chord = view.chord(lain, window)
    assert np.isfinite(chord).all() and chord.min() >= 0
    grown = tuple(side + 4 for side in part.shape.bounds)
    box = Part(shape=Box((grown[0], grown[1], grown[2])), material="air", rotation=turn(yaw, pitch))
    # Seen through a face, a texture may be thicker than its nominal wall, but not than the box.
    longest = view.chord(box, window).max()
    assert chord.max() <= longest + 1e-3


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_textures_are_uneven_but_never_negative(name: str) -> None:
    tables = [texture(name, variant) for variant in range(N_VARIANTS)]
    for table in tables:
        assert table.min() >= 0
        assert 0.03 < table.std() < table.mean() < 2
    assert not np.array_equal(tables[0], tables[1])


def test_catalogue_holds_all_threats_and_enough_of_the_rest() -> None:
    assert sorted(kinds("threat")) == sorted(THREATS)
    assert len(kinds("clutter")) >= 16
    assert {"hard_case", "soft_bag", "backpack", "handbag", "tray"} <= set(kinds("bag"))
    classes = {build(kind, stream(0, kind)).class_name for kind in kinds("clutter")}
    assert classes == {"organic", "metal", "electronics", "liquid"}


def test_clothes_are_the_commonest_clutter() -> None:
    assert max(kinds("clutter"), key=weight) == "clothes"
    assert min(weight(kind) for kind in BUILDERS) > 0
    with pytest.raises(InputError, match="'cloths' is not an item; want one of"):
        weight("cloths")


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_nested_parts_lie_inside_what_they_replace(kind: str) -> None:
    for number in range(4):
        thickness_mm, _ = thickness_alone(build(kind, stream(1, kind, number)), 96)
        for material, length in thickness_mm.items():
            if material != "air":
                assert length.min() > -0.3, (material, number)


@pytest.mark.parametrize(
    ("kind", "longest_mm"),
    [
        pytest.param("gun", (120, 240), id="gun"),
        pytest.param("knife", (100, 340), id="knife"),
        pytest.param("wrench", (120, 300), id="wrench"),
        pytest.param("pliers", (120, 250), id="pliers"),
        pytest.param("scissors", (100, 240), id="scissors"),
        pytest.param("hammer", (230, 345), id="hammer"),
        pytest.param("handcuffs", (160, 330), id="handcuffs"),
        pytest.param("baton", (180, 680), id="baton"),
        pytest.param("sprayer", (90, 240), id="sprayer"),
        pytest.param("powerbank", (85, 155), id="powerbank"),
        pytest.param("lighter", (70, 95), id="lighter"),
    ],
)
def test_threats_are_as_large_as_real_ones(kind: str, longest_mm: tuple[float, float]) -> None:
    for number in range(30):
        low, high = extent(build(kind, stream(2, kind, number)).parts)
        assert longest_mm[0] < (high - low).max() < longest_mm[1]


@pytest.mark.parametrize(
    ("kind", "telling"),
    [
        pytest.param("gun", lambda item: len(item.parts), id="pistol-or-revolver"),
        pytest.param("knife", lambda item: len(item.parts), id="fixed-kitchen-folding"),
        pytest.param(
            "baton", lambda item: round(float(np.ptp(extent(item.parts)[:, 0]) / 150)), id="baton"
        ),
        pytest.param("powerbank", lambda item: len(item.parts), id="cells-or-pouch"),
    ],
)
def test_threats_come_in_variants(kind: str, telling: object) -> None:
    assert callable(telling)
    found = {telling(build(kind, stream(3, kind, number))) for number in range(40)}
    assert len(found) >= 3


def test_builders_are_reproducible() -> None:
    for kind in BUILDERS:
        first, again = (build(kind, stream(4, kind)) for _ in range(2))
        assert [(part.at, part.material) for part in first.parts] == [
            (part.at, part.material) for part in again.parts
        ]
        assert first.class_name in schema.classes()


def test_cloth_drapes_and_what_is_hard_rests_on_top() -> None:
    rng = np.random.default_rng(0)
    space = Space.of_bag(build("hard_case", rng).parts[0])
    block = Item(
        name="block",
        class_name="metal",
        material="steel",
        parts=(Part(shape=Box((40.0, 40.0, 30.0)), material="steel"),),
    )
    shirt = Item(
        name="shirt",
        class_name="organic",
        material="cotton",
        parts=(heap(rng, (330, 220, 20), "cotton", "garment"),),
        soft=True,
    )
    assert space.find(block, turn(), rng) is not None
    top = space.height[space.height < 1000].max()
    assert top == pytest.approx(61.0, abs=1.0)
    assert space.find(shirt, turn(), rng) is not None
    # Cloth is squeezed: what lies on it sinks into its hollows.
    thick = 20 * SQUEEZED
    assert space.height[space.height < 1000].max() <= top + thick + 1.5
    covered = (space.height > thick) & (space.height < 1000)
    assert covered.sum() > 300


def test_nothing_lies_outside_a_round_outline() -> None:
    for number in range(6):
        bag = build("backpack", stream(5, number))
        shape = bag.parts[0].shape
        assert isinstance(shape, Skin)
        space = Space.of_bag(bag.parts[0])
        assert (space.height > 1000).any()
        assert space.find(build("keys", stream(6)), turn(), stream(7)) is not None
