"""The torus: against closed forms, a fine numeric integral, and its volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraysynth.errors import PhysicsError
from xraysynth.scanner.projection import Part, View, turn
from xraysynth.scanner.rays import Rays
from xraysynth.scanner.shapes import Torus

RING_MM, TUBE_MM = 30.0, 5.0
PARALLEL = View(size_px=501, field_mm=100.0)
ANGLE_DEG = st.floats(-180, 180)


def one_ray(torus: Torus, origin: tuple[float, ...], direction: tuple[float, ...]) -> float:
    """Return the chord of a single ray."""
    unit = np.array(direction, dtype=np.float32) / np.float32(np.linalg.norm(direction))
    rays = Rays(
        start=np.array(origin, dtype=np.float32)[:, None],
        step=np.zeros(3, dtype=np.float32),
        y=np.zeros((1, 1), dtype=np.float32),
        direction=unit[:, None],
    )
    return float(torus.chord(rays)[0, 0])


def picture(torus: Torus, view: View, rotation: np.ndarray) -> np.ndarray:
    """Return the chords of a centred torus over the whole view."""
    part = Part(shape=torus, material="steel", rotation=rotation)
    return view.chord(part, (slice(0, view.size_px), slice(0, view.size_px)))


@pytest.mark.parametrize(
    ("origin", "direction", "expected_mm"),
    [
        pytest.param((30, 0, -99), (0, 0, 1), 10.0, id="through-the-tube"),
        pytest.param((0, 33, 50), (0, 0, -1), 8.0, id="off-the-tube's-middle"),
        pytest.param((0, 0, -99), (0, 0, 1), 0.0, id="through-the-hole"),
        pytest.param((-99, 0, 0), (1, 0, 0), 20.0, id="along-a-diameter"),
        pytest.param((-99, 0, 3), (1, 0, 0), 16.0, id="along-a-diameter-higher-up"),
        pytest.param((-99, 25, 0), (1, 0, 0), 2 * np.sqrt(35**2 - 25**2), id="touching-the-hole"),
        pytest.param((-99, 30, 0), (1, 0, 0), 2 * np.sqrt(35**2 - 30**2), id="along-the-tube"),
        pytest.param((-99, 36, 0), (1, 0, 0), 0.0, id="past-it"),
    ],
)
def test_special_rays_have_their_closed_form(
    origin: tuple[float, ...], direction: tuple[float, ...], expected_mm: float
) -> None:
    found = one_ray(Torus(RING_MM, TUBE_MM), origin, direction)
    assert found == pytest.approx(expected_mm, rel=0.005, abs=2e-3)


def test_tube_cut_across_at_an_angle_in_the_plane_of_the_axis() -> None:
    # A ray in the plane that holds the axis sees two circles of the tube.
    slope = np.tan(np.radians(4.0))
    distance = np.array([30.0, -30.0]) * np.sin(np.radians(4.0))
    expected = 2 * np.sqrt(TUBE_MM**2 - distance**2).sum()
    found = one_ray(Torus(RING_MM, TUBE_MM), (0.0, 0.0, 0.0), (1.0, 0.0, float(slope)))
    assert found == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("rotation", [turn(), turn(20, 35, -25), turn(0, 90, 0), turn(10, 89.9, 0)])
@pytest.mark.parametrize("tube_mm", [2.0, 5.0, 15.0])
def test_parallel_chords_add_up_to_the_volume_of_pappus(
    rotation: np.ndarray, tube_mm: float
) -> None:
    found = picture(Torus(RING_MM, tube_mm), PARALLEL, rotation).sum() * PARALLEL.pitch_mm**2
    assert found == pytest.approx(2 * np.pi**2 * RING_MM * tube_mm**2, rel=0.005)


@settings(deadline=None, max_examples=25)
@given(yaw=ANGLE_DEG, pitch=ANGLE_DEG, roll=ANGLE_DEG, share=st.floats(0.02, 1.0))
def test_chords_of_a_fan_equal_a_fine_numeric_integral(
    yaw: float, pitch: float, roll: float, share: float
) -> None:
    tube_mm, view = share * RING_MM, View(size_px=12, field_mm=130.0, source_mm=400.0)
    rotation = turn(yaw, pitch, roll)
    found = picture(Torus(RING_MM, tube_mm), view, rotation)
    place = (np.arange(12) - 5.5) * view.pitch_mm
    step_mm = 0.02
    along = np.arange(-80, 80, step_mm) + step_mm / 2
    slope = place / view.source_mm
    direction = np.stack([slope, 0 * slope, 1 + 0 * slope]) / np.sqrt(1 + slope**2)
    points = np.zeros((3, 12, 12, len(along)))
    points[0] = place[None, :, None] + direction[0][None, :, None] * along
    points[1] = place[:, None, None]
    points[2] = direction[2][None, :, None] * along
    x, y, z = np.tensordot(rotation.T, points, axes=1)
    inside = (np.hypot(x, y) - RING_MM) ** 2 + z**2 < tube_mm**2
    # Each of up to four crossings falls between two points.
    np.testing.assert_allclose(found, step_mm * inside.sum(axis=-1), atol=4 * step_mm + 0.01)


def test_ring_far_from_the_middle_of_the_view_loses_no_precision() -> None:
    near = one_ray(Torus(RING_MM, 1.0), (30.5, 0.0, 0.0), (0.01, 0.02, 1.0))
    far = one_ray(Torus(RING_MM, 1.0), (30.5 - 5.0, 0.0 - 10.0, -500.0), (0.01, 0.02, 1.0))
    assert far == pytest.approx(near, rel=0.005)


def test_ring_that_runs_through_itself_is_refused() -> None:
    with pytest.raises(PhysicsError, match="want 0 < tube_radius <= ring_radius"):
        Torus(5.0, 6.0)
