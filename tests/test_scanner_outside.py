"""The beam and the materials against xraylib, and solids against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xraylib
from PIL import Image
from scipy.ndimage import binary_erosion

from xraysynth.scanner.atomic_number import effective_z
from xraysynth.scanner.detector import expose, response, transmission
from xraysynth.scanner.materials import attenuation_per_cm, material, materials
from xraysynth.scanner.projection import Part, View, turn
from xraysynth.scanner.shapes import Box, Cylinder, Ellipsoid, Shape, Torus

FAN = View(size_px=96, field_mm=200.0, source_mm=900.0)
PARALLEL = View(size_px=96, field_mm=200.0)
SOLID = sorted(name for name, entry in materials().items() if entry.density_g_per_cm3 > 0)


@pytest.mark.parametrize("name", SOLID)
def test_attenuation_agrees_with_xraylib_from_30_to_140_kev(name: str) -> None:
    energy_kev, entry = np.arange(30.0, 140.5, 2.5), material(name)
    mass = [xraylib.CS_Total_CP(entry.formula, float(energy)) for energy in energy_kev]
    expected = np.array(mass) * entry.density_g_per_cm3
    np.testing.assert_allclose(attenuation_per_cm(name, energy_kev), expected, rtol=0.001)


def closed_form(shape: str, view: View) -> np.ndarray:
    """Return the chords of a centred solid, from the distance of each ray and no other code."""
    place = (np.arange(view.size_px) - (view.size_px - 1) / 2) * view.pitch_mm
    x, y = place[None, :], place[:, None]
    slope = x / view.source_mm if view.source_mm else 0 * x
    # Distance of the ray from the y axis, and its length for each mm of height.
    away, longer = np.abs(x) / np.sqrt(1 + slope**2), np.sqrt(1 + slope**2)
    if shape == "sphere":
        return 2 * np.sqrt(np.maximum(60.0**2 - away**2 - y**2, 0))
    if shape == "cylinder":
        return np.where(np.abs(y) < 50, 2 * np.sqrt(np.maximum(40.0**2 - away**2, 0)), 0)
    if shape == "torus":
        # Its axis along y: each ray stays at one height y, and meets the ring between two circles.
        tube = np.sqrt(np.maximum(15.0**2 - y**2, 0))
        outer, inner = (
            2 * np.sqrt(np.maximum((60.0 + sign * tube) ** 2 - away**2, 0)) for sign in (1, -1)
        )
        return outer - inner
    inside = (np.abs(y) < 80) & (np.abs(x) < 80)
    return np.where(inside, 5.0 * longer, 0)


SOLIDS = [
    pytest.param("slab", Box((90, 80, 2.5)), turn(), "steel", id="steel-slab"),
    pytest.param("sphere", Ellipsoid((60, 60, 60)), turn(30, 20, 10), "water", id="water-sphere"),
    pytest.param("cylinder", Cylinder(40, 50), turn(0, 0, 90), "pmma", id="pmma-cylinder"),
    pytest.param("torus", Torus(60, 15), turn(0, 0, 90), "aluminium", id="aluminium-torus"),
]


@pytest.mark.parametrize("view", [PARALLEL, FAN], ids=["parallel", "fan"])
@pytest.mark.parametrize(("form", "shape", "rotation", "name"), SOLIDS)
def test_transmission_of_solids_is_within_half_a_percent_of_closed_form(
    form: str, shape: Shape, rotation: np.ndarray, name: str, view: View
) -> None:
    part = Part(shape=shape, material=name, rotation=rotation)
    found_mm = view.chord(part, (slice(0, view.size_px), slice(0, view.size_px)))
    found = transmission(found_mm.reshape(1, -1), [name])
    tube = response()
    per_mm = np.array([xraylib.CS_Total_CP(material(name).formula, e) for e in tube.energy_kev])
    per_mm *= material(name).density_g_per_cm3 / 10
    expected_mm = closed_form(form, view).ravel()
    expected = tube.detected @ np.exp(-np.outer(per_mm, expected_mm))
    # The slab's own sides cut slanting rays short in the fan: leave its rim out.
    inner = np.ones(expected_mm.shape, dtype=bool)
    if form == "slab":
        place = np.abs((np.arange(view.size_px) - 47.5) * view.pitch_mm) < 75
        inner = (place[:, None] & place[None, :]).ravel()
    # A ray that grazes may be on either side of the surface: float32 against float64.
    close = np.abs(found / expected - 1) < 0.005
    assert close[:, inner].mean() > 0.998


@pytest.mark.parametrize(
    ("name", "z_true"),
    [("polyethylene", 5.4), ("water", 7.4), ("rdx", 7.2), ("aluminium", 13.0), ("steel", 26.0)],
)
@pytest.mark.parametrize("thickness_mm", [3.0, 5.0, 10.0, 20.0])
def test_effective_z_of_noisy_slabs_is_within_one_of_the_truth(
    name: str, z_true: float, thickness_mm: float
) -> None:
    clean = transmission(np.full((1, 64 * 64), thickness_mm), [name]).reshape(2, 64, 64)
    noisy = expose(clean, 1.5, np.random.default_rng(5))
    low, high = noisy.mean(axis=(1, 2), keepdims=True)
    assert effective_z(low, high).item() == pytest.approx(z_true, abs=1.0)


@pytest.mark.parametrize("thickness_mm", [1.0, 2.0, 5.0, 20.0])
def test_lead_reads_as_dense(thickness_mm: float) -> None:
    low, high = transmission(np.array([[thickness_mm]]), ["lead"])
    assert effective_z(low, high).item() >= 25.0


@pytest.mark.parametrize("thickness_mm", [0.05, 0.1, 0.3, 1.0, 10.0, 30.0])
def test_steel_reads_as_metal_from_foil_to_block(thickness_mm: float) -> None:
    low, high = transmission(np.array([[thickness_mm]]), ["steel"])
    assert effective_z(low, high).item() == pytest.approx(26.0, abs=1.0)


def real_logs(shared: Path, name: str) -> np.ndarray:
    """Return -ln T of a real raw pair."""
    folder = shared / "real" / "dual_energy"
    if not folder.is_dir():
        pytest.skip("no raw pairs in ../shared/real/dual_energy")
    channels = []
    for energy in ("low", "high"):
        with Image.open(folder / f"{name}_{energy}.png") as opened:
            channels.append(np.asarray(opened).astype(np.float64) / 60_000)
    return -np.log(np.clip(channels, 1e-4, 1))


@pytest.mark.parametrize(
    ("names", "material_name"),
    [
        pytest.param([f"knife/knife_{k}" for k in (0, 11, 15, 100)], "steel", id="knives"),
        pytest.param(["background/background_0"], "aluminium", id="frame"),
    ],
)
def test_ratio_of_a_real_scanner_is_met_at_equal_attenuation(
    shared: Path, names: list[str], material_name: str
) -> None:
    thickness_mm = np.geomspace(0.01, 40, 300)
    low, high = -np.log(transmission(thickness_mm[None], [material_name]))
    for name in names:
        logs = real_logs(shared, name)
        mean = logs.mean(axis=0)
        solid = binary_erosion((mean > 0.3) & (mean < 1.5), iterations=2)
        real = np.median(logs[0][solid] / logs[1][solid])
        ours = np.median(np.interp(logs[1][solid], high, low / high))
        assert ours == pytest.approx(real, rel=0.1)


def test_noise_of_open_air_is_of_the_size_of_a_real_scanner_s(shared: Path) -> None:
    logs = real_logs(shared, "background/background_4")
    # Half of the values are cut off at air: the spread of the others, from air.
    air = np.exp(-logs[:, :100])
    real = np.array([np.sqrt(((1 - c[c < 1]) ** 2).mean()) for c in air])
    noisy = expose(np.ones((2, 100, 800), dtype=np.float32), 1.5, np.random.default_rng(0))
    ours = np.array([np.sqrt(((1 - c[c < 1]) ** 2).mean()) for c in noisy])
    # Dose and pixels of that scanner are not known; the ratio of its channels does not need them.
    assert ((ours / real > 0.5) & (ours / real < 1.2)).all()
    assert ours[1] / ours[0] == pytest.approx(real[1] / real[0], rel=0.25)
