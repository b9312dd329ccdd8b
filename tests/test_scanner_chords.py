"""Lengths of rays inside solids, against closed form and against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraysynth.scanner.prism import Prism
from xraysynth.scanner.projection import Part, View, extent, turn
from xraysynth.scanner.shapes import Box, Cloth, Cylinder, Ellipsoid, Shape

PARALLEL = View(size_px=200, field_mm=200.0)
FAN = View(size_px=200, field_mm=200.0, source_mm=900.0)
SQUARE = np.array([[-30, -20], [30, -20], [30, 20], [-30, 20]], dtype=float)
HOLE = SQUARE / 2
ARROW = np.array([[-30, -20], [30, 0], [-30, 20], [-10, 0]], dtype=float)
ANGLE_DEG = st.floats(-180, 180)


def chord(shape: Shape, view: View = PARALLEL, rotation: np.ndarray | None = None) -> np.ndarray:
    """Return the whole picture of one centred solid."""
    part = Part(shape=shape, material="steel", rotation=np.eye(3) if rotation is None else rotation)
    picture = np.zeros((view.size_px, view.size_px), dtype=np.float32)
    window = view.window(part.span())
    assert window is not None
    picture[window] = view.chord(part, window)
    return picture


VOLUMES = [
    pytest.param(Box((30, 20, 10)), 60 * 40 * 20, id="box"),
    pytest.param(Ellipsoid((30, 20, 10)), 4 / 3 * np.pi * 30 * 20 * 10, id="ellipsoid"),
    pytest.param(Cylinder(20, 15), np.pi * 20**2 * 30, id="cylinder"),
    pytest.param(Cylinder(20, 15, 30), np.pi * 20 * 30 * 30, id="elliptic-cylinder"),
    pytest.param(Prism((SQUARE,), 10), 60 * 40 * 20, id="prism"),
    pytest.param(Prism((SQUARE, HOLE), 10), 60 * 40 * 20 * 0.75, id="prism-with-hole"),
    pytest.param(Prism((ARROW,), 10), 800 * 20, id="concave-prism"),
    pytest.param(Prism((SQUARE,), 5, (0.0, 0.2)), 60 * 40 * 10, id="blade"),
]


@pytest.mark.parametrize("rotation", [turn(), turn(30), turn(20, 35, -25), turn(0, 90, 0)])
@pytest.mark.parametrize(("shape", "volume_mm3"), VOLUMES)
def test_parallel_chords_add_up_to_the_volume(
    shape: Shape, volume_mm3: float, rotation: np.ndarray
) -> None:
    found = chord(shape, rotation=rotation).sum() * PARALLEL.pitch_mm**2
    assert found == pytest.approx(volume_mm3, rel=0.02)


def test_sphere_has_its_closed_form_chord() -> None:
    x = (np.arange(200) - 99.5)[None, :]
    expected = 2 * np.sqrt(np.maximum(30**2 - x**2 - x.T**2, 0))
    np.testing.assert_allclose(chord(Ellipsoid((30, 30, 30))), expected, atol=1e-2)


def test_lying_cylinder_has_its_closed_form_chord() -> None:
    x = (np.arange(200) - 99.5)[None, :]
    expected = np.where(np.abs(x) < 40, 2 * np.sqrt(np.maximum(20**2 - x.T**2, 0)), 0)
    np.testing.assert_allclose(chord(Cylinder(20, 40), rotation=turn(0, 90)), expected, atol=1e-2)


def test_blade_is_as_thick_as_its_faces_are_apart() -> None:
    y = np.arange(200) - 99.5
    column = chord(Prism((SQUARE,), 5, (0.0, 0.2)))[:, 100]
    np.testing.assert_allclose(column, np.where(np.abs(y) < 20, 10 + 0.4 * y, 0), atol=1e-3)


@settings(deadline=None, max_examples=30)
@given(yaw=ANGLE_DEG, pitch=ANGLE_DEG, roll=ANGLE_DEG)
def test_clipping_and_crossing_agree_on_convex_outlines(
    yaw: float, pitch: float, roll: float
) -> None:
    quick = Prism((SQUARE, HOLE), 10, (0.01, 0.1))
    slow = Prism((SQUARE, HOLE), 10, (0.01, 0.1))
    concave = tuple(replace(outline, convex=False) for outline in slow._outlines)
    object.__setattr__(slow, "_outlines", concave)
    view = replace(FAN, size_px=48)
    rotation = turn(yaw, pitch, roll)
    difference = np.abs(chord(quick, view, rotation) - chord(slow, view, rotation))
    # A ray that runs along an edge may count as inside by one and outside by the other.
    assert np.quantile(difference, 0.998) < 0.02


@settings(deadline=None, max_examples=30)
@given(yaw=ANGLE_DEG, pitch=ANGLE_DEG, roll=ANGLE_DEG)
def test_no_chord_is_longer_than_the_diagonal_and_none_leaves_the_window(
    yaw: float, pitch: float, roll: float
) -> None:
    rotation = turn(yaw, pitch, roll)
    for view in (replace(PARALLEL, size_px=40), replace(FAN, size_px=40)):
        picture = chord(Box((30, 20, 10)), view, rotation)
        assert picture.max() <= 2 * np.sqrt(30**2 + 20**2 + 10**2) + 1e-2
        part = Part(shape=Box((30, 20, 10)), material="steel", rotation=rotation)
        everything = view.chord(part, (slice(0, 40), slice(0, 40)))
        np.testing.assert_allclose(everything, picture, atol=1e-3)


def test_fan_magnifies_along_one_axis_only() -> None:
    low, high = (
        Part(shape=Box((20, 20, 0.5)), material="steel", at=(0, 0, z)) for z in (-300.0, 300.0)
    )
    sizes = []
    for part in (low, high):
        rows, cols = np.nonzero(FAN.chord(part, (slice(0, 200), slice(0, 200))) > 0)
        sizes.append((int(np.ptp(cols)) + 1, int(np.ptp(rows)) + 1))
    assert sizes == [(60, 40), (30, 40)]


def test_solid_out_of_view_has_no_window() -> None:
    part = Part(shape=Box((5, 5, 5)), material="steel", at=(500, 0, 0))
    assert PARALLEL.window(part.span()) is None


def test_cloth_stays_within_its_bounds() -> None:
    waves = np.array([[3.0, 1.0, 0.5, 0.4], [1.0, -4.0, 2.0, 0.3]])
    picture = chord(Cloth((60, 40, 15), waves))
    assert 10 < picture.max() <= 30
    assert picture[:59].max() == picture[141:].max() == 0


def test_extent_holds_every_part() -> None:
    parts = [Part(shape=Box((1, 2, 3)), material="steel", at=(x, 0, 0)) for x in (-10, 20)]
    np.testing.assert_array_equal(extent(parts), [[-11, -2, -3], [21, 2, 3]])
