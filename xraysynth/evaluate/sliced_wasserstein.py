"""Sliced Wasserstein distance between patches, one figure for each scale of detail."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from xraysynth.errors import InputError

PATCH_PX = 7
SMALLEST_SIDE_PX = 16
KERNEL = np.array([1, 4, 6, 4, 1]) / 16
DEFAULT_PATCHES = 16
DEFAULT_DIRECTIONS = 256


def sliced_wasserstein(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    patches: int = DEFAULT_PATCHES,
    directions: int = DEFAULT_DIRECTIONS,
) -> dict[int, float]:
    """Return the distance of each level of the Laplacian pyramids, by the level's side in pixels.

    Patches of 7x7 px are drawn at random, as many from each picture; each set's patches are
    scaled by the mean and deviation of their channels over both sets; the distance is the mean
    over random directions of the mean difference between sorted projections, times 1000.

    Parameters
    ----------
    first, second : (n, row, col, channel), (n, row, col, channel)
        Pictures of 8 or 16 bit, as many in both, sides alike and at least 16 px.
    rng : draws places and directions
    patches : from each picture at each level
    directions : random unit vectors

    Raises
    ------
    InputError
        If shapes differ or the pictures are too small.

    Notes
    -----
    Karras et al. scale each set by its own deviation, which hides a difference in contrast;
    here both are scaled alike, so that fainter noise or texture shows.

    References
    ----------
    .. [1] T. Karras et al., "Progressive growing of GANs", ICLR 2018, section 5.

    Examples
    --------
    >>> from xraysynth.randomness import stream
    >>> pictures = stream(0, "doc").integers(0, 256, (4, 16, 16, 1), dtype=np.uint8)
    >>> sliced_wasserstein(pictures, pictures, stream(0, "draw"))[16] > 0
    True
    """
    _check(first, second)
    levels = range(_n_levels(first.shape[1:3]))
    drawn = (
        _descriptors(first, len(levels), patches, rng),
        _descriptors(second, len(levels), patches, rng),
    )
    sides = [max(first.shape[1:3]) >> level for level in levels]
    return {
        side: _distance(drawn[0][level], drawn[1][level], directions, rng)
        for level, side in zip(levels, sides, strict=True)
    }


def laplacian_pyramid(picture: np.ndarray, n_levels: int) -> list[np.ndarray]:
    """Return what each halving of a (row, col, channel) picture loses, and the rest last.

    Examples
    --------
    >>> [level.shape for level in laplacian_pyramid(np.zeros((32, 32, 3)), 2)]
    [(32, 32, 3), (16, 16, 3)]
    """
    levels = []
    current = picture.astype(np.float32)
    for _ in range(n_levels - 1):
        smaller = _blurred(current, 1)[::2, ::2]
        larger = np.zeros_like(current)
        larger[::2, ::2] = smaller
        levels.append(current - _blurred(larger, 2))
        current = smaller
    return [*levels, current]


def _blurred(picture: np.ndarray, gain: float) -> np.ndarray:
    """Convolve rows and columns with the binomial kernel, mirrored at the border."""
    for axis in (0, 1):
        picture = ndimage.correlate1d(picture, KERNEL * gain, axis=axis, mode="mirror")
    return picture


def _n_levels(shape: tuple[int, ...]) -> int:
    """Return how often the shorter side can be halved, down to 16 px, plus one."""
    return int(np.log2(min(shape) // SMALLEST_SIDE_PX)) + 1


def _check(first: np.ndarray, second: np.ndarray) -> None:
    """Refuse sets that cannot be compared patch by patch."""
    if first.ndim != 4 or first.shape != second.shape or not len(first):
        raise InputError(
            f"sets of pictures have shapes {first.shape} and {second.shape}; "
            "want (picture, row, col, channel), alike in both."
        )
    if min(first.shape[1:3]) < SMALLEST_SIDE_PX:
        raise InputError(
            f"the pictures are {first.shape[2]} x {first.shape[1]} px; "
            f"want at least {SMALLEST_SIDE_PX} px a side."
        )


def _descriptors(
    pictures: np.ndarray, n_levels: int, patches: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return, for each level, (patch, row, col, channel) drawn from every picture."""
    drawn: list[list[np.ndarray]] = [[] for _ in range(n_levels)]
    for picture in pictures:
        for level, detail in enumerate(laplacian_pyramid(picture, n_levels)):
            windows = np.lib.stride_tricks.sliding_window_view(
                detail, (PATCH_PX, PATCH_PX), axis=(0, 1)
            )
            rows = rng.integers(0, windows.shape[0], patches)
            cols = rng.integers(0, windows.shape[1], patches)
            drawn[level].append(windows[rows, cols].transpose(0, 2, 3, 1))
    return [np.concatenate(level) for level in drawn]


def _distance(
    first: np.ndarray, second: np.ndarray, directions: int, rng: np.random.Generator
) -> float:
    """Return the sliced distance of two sets of patches, times 1000."""
    both = np.concatenate([first, second])
    mean, deviation = both.mean((0, 1, 2)), both.std((0, 1, 2))
    one, two = (
        ((part - mean) / np.maximum(deviation, 1e-8)).reshape(len(part), -1)
        for part in (first, second)
    )
    total = 0.0
    for _ in range(directions):
        direction = rng.normal(size=one.shape[1]).astype(np.float32)
        direction /= np.linalg.norm(direction)
        total += float(np.abs(np.sort(one @ direction) - np.sort(two @ direction)).mean())
    return 1000 * total / directions
