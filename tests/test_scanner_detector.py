"""The detector's noise, stripes, blur and scatter, each against what it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraysynth.scanner.detector import (
    BLUR_PX,
    COLUMN_GAIN,
    ELECTRONIC_QUANTA,
    EXCESS_FACTOR,
    OPEN_QUANTA,
    PIXEL_MM,
    SCATTER_SHARE,
    expose,
)

WIDE_MM = 3000.0
"""Pixels so wide that there is no noise to speak of."""


def flat(level: float, rows: int = 512, cols: int = 512) -> np.ndarray:
    """Return a picture of one transmission."""
    return np.full((2, rows, cols), level, dtype=np.float32)


@pytest.mark.parametrize("level", [0.9, 0.5, 0.05])
def test_variance_is_that_of_poisson_times_the_excess_plus_electronics(level: float) -> None:
    noisy = expose(flat(level), PIXEL_MM, np.random.default_rng(1)).astype(np.float64)
    # Within a column the gain is one factor: it does not count.
    found = noisy.var(axis=1).mean(axis=1)
    quanta = np.array(OPEN_QUANTA)
    expected = (EXCESS_FACTOR * level * quanta + ELECTRONIC_QUANTA**2) / quanta**2
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_open_air_is_cut_off_at_one_as_scanners_do() -> None:
    air = expose(flat(1.0), PIXEL_MM, np.random.default_rng(2))
    assert air.max() == 1.0
    # Half a normal distribution lies below its mean of one.
    spread = np.sqrt(((1 - air[0]) ** 2).sum() / (air[0] < 1).sum())
    assert spread == pytest.approx(np.sqrt(EXCESS_FACTOR / OPEN_QUANTA[0]), rel=0.1)


def test_columns_differ_by_the_stated_gain() -> None:
    noisy = expose(flat(0.5, rows=64, cols=4096), WIDE_MM, np.random.default_rng(3))
    found = (noisy.mean(axis=1) / 0.5).std(axis=1)
    np.testing.assert_allclose(found, COLUMN_GAIN, rtol=0.05)


def test_blur_has_the_stated_width() -> None:
    picture = flat(0.9, 65, 64)
    picture[:, :, 32] = 0.8
    # Noise is made negligible, and stripes are the same in every run of one seed.
    line, plain = (
        expose(p, WIDE_MM, np.random.default_rng(4))[0].mean(axis=0)
        for p in (picture, flat(0.9, 65, 64))
    )
    dip = (plain - line)[29:36].clip(min=0)
    offset = np.arange(-3, 4)
    dip = np.where(np.abs(offset) < 3, dip - dip[[0, -1]].mean(), 0)
    width = np.sqrt((dip * offset**2).sum() / dip.sum())
    assert width == pytest.approx(BLUR_PX, rel=0.05)


def test_scatter_lights_what_is_opaque_by_the_stated_share() -> None:
    picture = flat(0.5, 256, 256)
    picture[:, 124:132, 124:132] = 0.0
    mean = picture.mean()
    found = expose(picture, WIDE_MM, np.random.default_rng(5))[:, 126:130, 126:130].mean()
    share = SCATTER_SHARE * (1 - mean)
    assert found == pytest.approx(share * 0.5 / (1 + share), rel=0.05)


@settings(deadline=None, max_examples=10)
@given(level=st.floats(0, 1), seed=st.integers(0, 99))
def test_what_is_read_is_a_transmission(level: float, seed: int) -> None:
    noisy = expose(flat(level, 16, 16), PIXEL_MM, np.random.default_rng(seed))
    assert noisy.dtype == np.float32
    assert ((noisy >= 0) & (noisy <= 1)).all()


def test_same_seed_same_bytes() -> None:
    first, again = (
        expose(flat(0.5, 32, 32), PIXEL_MM, np.random.default_rng(6)).tobytes() for _ in range(2)
    )
    assert first == again
