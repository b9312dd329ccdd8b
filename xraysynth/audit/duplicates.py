"""Near-duplicates among many scans, by perceptual hashes of 64 bits and bands of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xraysynth.shards.phash import perceptual_hash

HASH_BITS = 64
_BLOCK = 2048
_PENDING = 1 << 20


def hashes_of(images: np.ndarray) -> np.ndarray:
    """Return the perceptual hash of each scan of (n, H, W, C) as (n,) uint64.

    The same hash as column `phash` of the exported table `images`.
    """
    return np.array([int(text, 16) for text in perceptual_hash(images)], np.uint64)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Some pairs of near-duplicates."""

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    """Bits that differ."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Of each of N scans: whether another is near, which, and the group they form."""

    nearest: np.ndarray
    """(N,) place of the nearest other scan within the distance, -1 if there is none."""
    distance: np.ndarray
    """(N,) bits by which it differs; 65 if there is none."""
    group: np.ndarray
    """(N,) number of the group from 0, ordered by first member; -1 outside any."""

    @property
    def n_groups(self) -> int:
        """Number of groups of at least two scans."""
        return int(self.group.max(initial=-1)) + 1


def find_within(hashes: np.ndarray, distance: int) -> Neighbours:
    """Find all scans that have another within a Hamming distance.

    Two hashes that differ in at most `distance` bits agree wholly in one of `distance + 1`
    bands of bits: only scans in the same bucket of a band are compared, in blocks.

    Parameters
    ----------
    hashes : (N,) uint64
    distance : bits, 0 to 16

    Examples
    --------
    >>> near = find_within(np.array([0, 255, 1, 2**63], np.uint64), 1)
    >>> near.nearest.tolist(), near.group.tolist()
    ([2, -1, 0, 0], [0, -1, 0, 0])
    """
    distinct, inverse = np.unique(hashes, return_inverse=True)
    best, forest = _Best(len(hashes)), _Forest(len(hashes))
    # Equal hashes first, so that a collapsed set of n scans does not cost n^2 pairs.
    order = np.argsort(inverse, kind="stable")
    equal = inverse[order[1:]] == inverse[order[:-1]]
    before, after = order[:-1][equal], order[1:][equal]
    first = order[np.searchsorted(inverse[order], np.arange(len(distinct)))]
    best.offer(after, first[inverse[after]], np.zeros(len(after), np.int64))
    best.offer(first[inverse[before]], after, np.zeros(len(after), np.int64))
    forest.join(before, after)
    apart = _Best(len(distinct))
    for pairs in _banded(distinct, distinct, distance, same=True):
        apart.offer(pairs.left, first[pairs.right], pairs.distance)
        apart.offer(pairs.right, first[pairs.left], pairs.distance)
        forest.join(first[pairs.left], first[pairs.right])
    best.offer_keys(apart.keys[inverse])
    return Neighbours(nearest=best.place(), distance=best.distance(), group=forest.groups())


def match_within(hashes: np.ndarray, others: np.ndarray, distance: int) -> Neighbours:
    """Find, of each hash, the nearest of other scans within a Hamming distance.

    Groups are not formed: `group` is -1 throughout.
    """
    best = _Best(len(hashes))
    for pairs in _banded(hashes, others, distance, same=False):
        best.offer(pairs.left, pairs.right, pairs.distance)
    return Neighbours(
        nearest=best.place(), distance=best.distance(), group=np.full(len(hashes), -1, np.int64)
    )


def nearest_of(
    probes: np.ndarray, hashes: np.ndarray, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest hash of each probe however far: (P,) places and (P,) distances.

    Parameters
    ----------
    probes : (P,) uint64; cost is P times the number of hashes
    hashes : (N,) uint64, at least one, or two where `own` is given
    own : (P,) place of each probe among the hashes, never its own neighbour
    """
    places = np.zeros(len(probes), np.int64)
    distances = np.zeros(len(probes), np.int64)
    block = max(1, (_BLOCK * _BLOCK) // max(len(hashes), 1))
    for start in range(0, len(probes), block):
        stop = min(start + block, len(probes))
        apart = np.bitwise_count(probes[start:stop, None] ^ hashes[None, :]).astype(np.uint8)
        if own is not None:
            apart[np.arange(stop - start), own[start:stop]] = 255
        places[start:stop] = apart.argmin(axis=1)
        distances[start:stop] = apart.min(axis=1)
    return places, distances


def _banded(
    hashes: np.ndarray, others: np.ndarray, distance: int, *, same: bool
) -> Iterator[Pairs]:
    """Yield every pair within a distance at least once, in blocks of bounded size."""
    edges = np.linspace(0, HASH_BITS, distance + 2).round().astype(int)
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        width = np.uint64((1 << (high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & width
        other_keys = keys if same else (others >> np.uint64(low)) & width
        yield from _within_buckets(
            (hashes, np.argsort(keys, kind="stable"), keys),
            (others, np.argsort(other_keys, kind="stable"), other_keys),
            distance,
            same=same,
        )


_Side = tuple[np.ndarray, np.ndarray, np.ndarray]


def _within_buckets(first: _Side, second: _Side, distance: int, *, same: bool) -> Iterator[Pairs]:
    """Yield near pairs whose keys agree: each first scan against a run of sorted second ones.

    All buckets at once, as there may be as many buckets as scans; in blocks of bounded size.
    """
    hashes, order, keys = first
    others, other_order, other_keys = second
    sorted_keys, other_sorted = keys[order], other_keys[other_order]
    start = np.searchsorted(other_sorted, sorted_keys, side="left")
    stop = np.searchsorted(other_sorted, sorted_keys, side="right")
    if same:
        start = np.arange(len(order)) + 1
    lengths = np.maximum(stop - start, 0)
    for rows in _bounded_rows(lengths):
        counts = lengths[rows]
        left = np.repeat(rows, counts)
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        right = other_order[start[left] + offset]
        left = order[left]
        apart = np.bitwise_count(hashes[left] ^ others[right])
        near = apart <= distance
        if near.any():
            yield Pairs(left=left[near], right=right[near], distance=apart[near].astype(np.int64))


def _bounded_rows(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield runs of rows whose lengths add up to a bounded number of pairs (or one row)."""
    rows = np.flatnonzero(lengths)
    total = np.cumsum(lengths[rows])
    begin, done = 0, 0
    while begin < len(rows):
        end = max(int(np.searchsorted(total, done + _PENDING, side="right")), begin + 1)
        yield rows[begin:end]
        done = int(total[end - 1])
        begin = end


class _Best:
    """The nearest neighbour of each scan; of equally near ones the first."""

    def __init__(self, count: int) -> None:
        self.keys = np.full(count, np.iinfo(np.int64).max)

    def offer(self, places: np.ndarray, others: np.ndarray, distances: np.ndarray) -> None:
        """Keep the better of the known and the offered neighbours."""
        np.minimum.at(self.keys, places, (distances << 48) | others)

    def offer_keys(self, keys: np.ndarray) -> None:
        """Keep the better of the known neighbours and those of another such table (N,)."""
        self.keys = np.minimum(self.keys, keys)

    def place(self) -> np.ndarray:
        """Return the neighbours (N,), -1 where none was offered."""
        return np.where(self._found(), self.keys & ((1 << 48) - 1), -1)

    def distance(self) -> np.ndarray:
        """Return the distances (N,), 65 where no neighbour was offered."""
        return np.where(self._found(), self.keys >> 48, HASH_BITS + 1)

    def _found(self) -> np.ndarray:
        """Return where a neighbour was offered."""
        return np.asarray(self.keys != np.iinfo(np.int64).max)


class _Forest:
    """Groups joined by pairs, in memory of the number of scans whatever the number of pairs."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Join the groups of each pair."""
        count = len(self.label)
        pairs = coo_array(
            (np.ones(len(left), np.int8), (self.label[left], self.label[right])),
            shape=(count, count),
        )
        _, merged = connected_components(pairs, directed=False)
        self.label = merged[self.label]

    def groups(self) -> np.ndarray:
        """Return the number of each scan's group, -1 for scans alone."""
        _, first, inverse, sizes = np.unique(
            self.label, return_index=True, return_inverse=True, return_counts=True
        )
        numbers = np.full(len(sizes), -1, np.int64)
        shared = np.flatnonzero(sizes > 1)
        numbers[shared[np.argsort(first[shared])]] = np.arange(len(shared))
        return numbers[inverse]
