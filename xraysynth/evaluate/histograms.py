"""Histograms of colour, of apparent transmission and of raw pairs, and distances between them."""

from __future__ import annotations

import numpy as np

from xraysynth.errors import InputError

COLOUR_LEVELS = 8
"""Steps of each channel in a colour histogram: 512 colours."""
TRANSMISSION_BINS = 64
AIR_QUANTILE = 0.99
REC_709 = np.array([0.2126, 0.7152, 0.0722])
HUE_BINS, VALUE_BINS = 24, 16
LOG_HIGH_RANGE, RATIO_RANGE = (0.05, 4.0), (0.9, 3.1)
RAW_BINS = (24, 22)
LEAST_LOG = 0.05
"""-ln T_high under which R is noise rather than material."""


def luminance(pictures: np.ndarray) -> np.ndarray:
    """Return (n, row, col) in [0, 1]: Rec. 709 weights on the values as they are stored.

    Examples
    --------
    >>> luminance(np.full((1, 1, 1, 3), 255, np.uint8)).item()
    1.0
    """
    if pictures.dtype != np.uint8 or pictures.shape[-1] not in (1, 3):
        raise InputError(
            f"pictures have shape {pictures.shape} and type {pictures.dtype}; "
            "want 8 bit, grey or colour."
        )
    scaled = pictures.astype(np.float32) / 255
    grey: np.ndarray = scaled[..., 0] if pictures.shape[-1] == 1 else scaled @ REC_709
    return np.minimum(grey, 1.0)


def colour_histogram(pictures: np.ndarray, levels: int = COLOUR_LEVELS) -> np.ndarray:
    """Return each picture's share of pixels of each colour, (n, levels ** channels).

    Examples
    --------
    >>> colour_histogram(np.zeros((1, 2, 2, 3), np.uint8))[0, :2].tolist()
    [1.0, 0.0]
    """
    channels = pictures.shape[-1]
    place = levels ** np.arange(channels - 1, -1, -1)
    shares = np.empty((len(pictures), levels**channels), np.float32)
    for number, picture in enumerate(pictures):
        step = picture.astype(np.int64) * levels // 256
        shares[number] = _shares((step @ place).ravel(), levels**channels)
    return shares


def apparent_transmission(pictures: np.ndarray) -> np.ndarray:
    """Return (n, row, col) in [0, 1]: luminance against the picture's own air.

    Notes
    -----
    A maker's picture tells no transmission: its brightness is some curve of it, and hue takes
    part. This is brightness, relative to the brightest hundredth of the picture, and no more. It
    is monotonic in transmission for one material and one palette; apply it to both sides alike.
    """
    light = luminance(pictures)
    air = np.quantile(light, AIR_QUANTILE, axis=(1, 2), keepdims=True)
    return np.minimum(light / np.maximum(air, 1 / 255), 1.0)


def transmission_histogram(pictures: np.ndarray, bins: int = TRANSMISSION_BINS) -> np.ndarray:
    """Return each picture's share of pixels by apparent transmission, (n, bins) from 0 to 1.

    Examples
    --------
    >>> transmission_histogram(np.full((1, 4, 4, 1), 200, np.uint8), 4).tolist()
    [[0.0, 0.0, 0.0, 1.0]]
    """
    shares = np.empty((len(pictures), bins), np.float32)
    for number in range(len(pictures)):
        seen = apparent_transmission(pictures[number : number + 1])[0]
        place = np.minimum((seen * bins).astype(np.int64), bins - 1)
        shares[number] = _shares(place.ravel(), bins)
    return shares


def hue_value_histogram(pictures: np.ndarray) -> np.ndarray:
    """Return each coloured picture's share by hue and apparent transmission, (n, 24 * 16).

    The stand-in for (T_high, R) where only the maker's colours are known: hue follows R and
    brightness T. Pixels of less than 15 levels between channels have no hue and are left out.
    """
    shares = np.zeros((len(pictures), HUE_BINS * VALUE_BINS), np.float32)
    for number, picture in enumerate(pictures):
        values = picture.astype(np.float32)
        spread = np.ptp(values, axis=-1)
        coloured = spread >= 15
        hue = _hue(values, spread)[coloured]
        seen = apparent_transmission(picture[None])[0][coloured]
        column = np.minimum((hue * HUE_BINS).astype(np.int64), HUE_BINS - 1)
        row = np.minimum((seen * VALUE_BINS).astype(np.int64), VALUE_BINS - 1)
        shares[number] = _shares(column * VALUE_BINS + row, HUE_BINS * VALUE_BINS)
    return shares


def _hue(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the hue in [0, 1): red 0, green a third, blue two thirds."""
    red, green, blue = np.moveaxis(values, -1, 0)
    top, safe = values.max(-1), np.maximum(spread, 1)
    sixth = np.select(
        [top == red, top == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return np.asarray(sixth / 6 % 1)


def raw_histogram(pairs: np.ndarray) -> np.ndarray:
    """Return each raw pair's share by (-ln T_high, R), R = ln T_low / ln T_high, (n, 24 * 22).

    Parameters
    ----------
    pairs : (n, row, col, 2)
        Transmission in [0, 1] at low and high energy. Pixels of -ln T_high under 0.05 (air) are
        left out; values beyond -ln T_high = 4 and R in [0.9, 3.1] count in the outermost bins.
    """
    shares = np.zeros((len(pairs), RAW_BINS[0] * RAW_BINS[1]), np.float32)
    for number, pair in enumerate(pairs):
        low, high = -np.log(np.clip(np.moveaxis(pair, -1, 0), 1e-4, 1))
        solid = high > LEAST_LOG
        rows = _bin(high[solid], LOG_HIGH_RANGE, RAW_BINS[0])
        columns = _bin(low[solid] / high[solid], RATIO_RANGE, RAW_BINS[1])
        shares[number] = _shares(rows * RAW_BINS[1] + columns, RAW_BINS[0] * RAW_BINS[1])
    return shares


def _bin(values: np.ndarray, limits: tuple[float, float], bins: int) -> np.ndarray:
    """Return the bin of each value; what lies outside counts in the outermost ones."""
    place = (values - limits[0]) * bins / (limits[1] - limits[0])
    return np.clip(place, 0, bins - 1).astype(np.int64)


def _shares(places: np.ndarray, bins: int) -> np.ndarray:
    """Return the share of each bin; zeros where nothing is counted."""
    counts = np.bincount(places, minlength=bins)
    return counts / max(counts.sum(), 1)


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence, in bits, of two sets' mean histograms.

    Parameters
    ----------
    first, second : (n, bin), (m, bin)
        One histogram a picture; they need not sum to 1.

    Returns
    -------
    float
        0 for equal histograms, 1 for disjoint ones.

    References
    ----------
    .. [1] J. Lin, IEEE Trans. Information Theory 37 (1991), equation 4.3.

    Examples
    --------
    >>> divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    1.0
    """
    one, two = (np.asarray(part, np.float64).mean(0) for part in (first, second))
    one, two = one / max(one.sum(), 1e-12), two / max(two.sum(), 1e-12)
    middle = (one + two) / 2
    total = 0.0
    for part in (one, two):
        there = part > 0
        total += float((part[there] * np.log2(part[there] / middle[there])).sum())
    return min(max(total / 2, 0.0), 1.0)


def earth_mover(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Wasserstein-1 distance of two sets' mean histograms over [0, 1].

    Examples
    --------
    All mass moved by half of the range.

    >>> earth_mover(np.array([[1.0, 0, 0, 0]]), np.array([[0, 0, 1.0, 0]]))
    0.5
    """
    one, two = (np.asarray(part, np.float64).mean(0) for part in (first, second))
    return float(np.abs(np.cumsum(one - two)).sum() / one.size)
