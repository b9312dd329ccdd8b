"""Raw dual-energy scans: their noise, and the line integrals of a thing scanned alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from xraysynth.errors import InputError
from xraysynth.scanner.detector import EXCESS_FACTOR, OPEN_QUANTA

LOWEST = 1e-4
"""Transmission below this counts as this."""
AIR_FROM = 0.9
"""A border whose median is at least this is air."""
SEEN = (0.2, 0.99)
"""Transmissions at which noise is measured: neither clipped nor starved."""
FEW = 200
"""Fewer pixels than this say nothing of the noise."""
SECOND_DIFFERENCE = 0.6745 * 6**0.5
"""Median of |x - 2 y + z| for independent normal x, y, z of unit variance."""


@dataclass(frozen=True, eq=False)
class RawScan:
    """Low and high transmission of one view, in [0, 1]: 1 is open air."""

    low: Float[np.ndarray, "row col"]
    high: Float[np.ndarray, "row col"]

    def __post_init__(self) -> None:
        """Check that both channels show the same pixels.

        Raises
        ------
        InputError
            If they differ in size, or are no pictures.
        """
        if self.low.shape != self.high.shape or self.low.ndim != 2 or not self.low.size:
            raise InputError(
                f"the channels have shapes {self.low.shape} and {self.high.shape}; "
                "want two pictures (row, col) of the same size."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.low.shape[0], self.low.shape[1]

    def logs(self) -> Float[np.ndarray, "2 row col"]:
        """Return -ln T of both channels."""
        both = np.stack([self.low, self.high]).astype(np.float32, copy=False)
        return np.asarray(-np.log(np.clip(both, LOWEST, 1)))


def noise_level(scan: RawScan) -> tuple[float, float]:
    """Return the noise of open air (standard deviation of T), low and high channel.

    Measured at the border where that is air: on the values below the median alone, as scanners
    cut off what is clearer than air. Elsewhere on second differences along rows of all that is half
    transparent, as quantum noise has a variance in proportion to T; the median leaves out edges.
    Where nothing is half transparent either, the noise of our own detector is returned.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cloth = 0.5 + 0.01 * 0.5**0.5 * rng.standard_normal((2, 100, 100))
    >>> [round(level, 3) for level in noise_level(RawScan(*cloth))]
    [0.01, 0.01]
    """
    low, high = (
        _noise_of_air(channel, _noise_of_matter(channel, (EXCESS_FACTOR / quanta) ** 0.5))
        for channel, quanta in zip((scan.low, scan.high), OPEN_QUANTA, strict=True)
    )
    return low, high


def _noise_of_air(channel: np.ndarray, otherwise: float) -> float:
    """Return the noise at the border, or another value where the border is not air."""
    border = np.concatenate([channel[:2].ravel(), channel[-2:].ravel(), channel[:, :2].ravel()])
    border = np.concatenate([border, channel[:, -2:].ravel()])
    level = float(np.median(border))
    if level < AIR_FROM:
        return otherwise
    below = border[border < level]
    if len(below) < 0.1 * len(border):
        return 0.0
    # The median distance of half a normal distribution from its middle.
    return float(np.median(level - below)) / 0.6745 / level**0.5


def _noise_of_matter(channel: np.ndarray, otherwise: float) -> float:
    """Return the noise where rays are half absorbed, or another value if that is nowhere."""
    left, here, right = channel[:, :-2], channel[:, 1:-1], channel[:, 2:]
    usable = (np.minimum(left, right) > SEEN[0]) & (np.maximum(left, right) < SEEN[1])
    usable &= (here > SEEN[0]) & (here < SEEN[1])
    if usable.sum() < FEW:
        return otherwise
    bend = np.abs(left - 2 * here + right)[usable] / np.sqrt(here[usable])
    return float(np.median(bend)) / SECOND_DIFFERENCE


def clean_logs(scan: RawScan) -> Float[np.ndarray, "2 row col"]:
    """Return -ln T of a thing scanned alone: its background at zero, its own noise taken away.

    Noise is taken away where the picture varies no more than noise does [1]_, so that edges stay.
    What attenuates no more than the noise of the background is background: zero.

    References
    ----------
    .. [1] J.-S. Lee, IEEE Trans. Pattern Anal. 2 (1980) 165: local statistics filter.
    """
    logs = scan.logs()
    logs -= _background(logs)[:, None, None]
    levels = np.array(noise_level(scan), dtype=np.float32)
    for channel, level in zip(logs, levels, strict=True):
        # The noise of -ln T in variance: that of T over T squared.
        expected = level**2 * np.exp(np.clip(channel, 0, 8))
        mean = ndimage.uniform_filter(channel, 3, mode="nearest")
        square = ndimage.uniform_filter(channel**2, 3, mode="nearest")
        spread = np.maximum(square - mean**2, 1e-12)
        trust = np.maximum(spread - expected, 0) / spread
        channel[...] = mean + trust * (channel - mean)
    weak = 2 * float(levels.mean())
    own = logs.mean(axis=0)
    logs *= np.clip((own - weak) / max(weak, 1e-6), 0, 1)
    return np.asarray(np.maximum(logs, 0) * _not_specks(own > weak))


def _background(logs: np.ndarray) -> np.ndarray:
    """Return -ln T of the air around a thing: the median of the clearest third of the border."""
    border = np.concatenate([logs[:, 0], logs[:, -1], logs[:, :, 0], logs[:, :, -1]], axis=1)
    clearest = np.sort(border, axis=1)[:, : max(border.shape[1] // 3, 1)]
    level = np.median(clearest, axis=1)
    # A border that is no air belongs to the thing.
    return np.asarray(np.where(np.exp(-level) < AIR_FROM, 0, level), dtype=np.float32)


def _not_specks(solid: np.ndarray) -> np.ndarray:
    """Return True but for small patches: what noise and dust leave on a background."""
    labels, count = ndimage.label(ndimage.binary_dilation(solid), structure=np.ones((3, 3)))
    if not count:
        return np.ones_like(solid)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.asarray((areas >= max(0.01 * areas.max(), 16))[labels])
