import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xraysynth.audit.duplicates import (
    find_within,
    hashes_of,
    match_within,
    nearest_of,
)
from xraysynth.randomness import stream

# Hashes of few bits, so that near ones are frequent.
HASHES = st.lists(st.integers(0, 255).map(lambda value: value * 0x0101_0000_0001_0001), max_size=30)


def brute_force(hashes: np.ndarray, distance: int) -> list[int]:
    """Distance of each hash to the nearest other one within `distance`, 65 if there is none."""
    found = []
    for place, one in enumerate(hashes.tolist()):
        others = [
            (one ^ other).bit_count()
            for index, other in enumerate(hashes.tolist())
            if index != place
        ]
        near = [bits for bits in others if bits <= distance]
        found.append(min(near, default=65))
    return found


@given(HASHES, st.integers(0, 10))
def test_bands_find_what_comparing_all_finds(values: list[int], distance: int) -> None:
    hashes = np.array(values, np.uint64)
    near = find_within(hashes, distance)
    assert near.distance.tolist() == brute_force(hashes, distance)
    for place in np.flatnonzero(near.nearest >= 0):
        other = int(near.nearest[place])
        assert other != place
        assert (values[place] ^ values[other]).bit_count() == near.distance[place]
        assert near.group[place] == near.group[other]
    assert ((near.group >= 0) == (near.nearest >= 0)).all()


@given(HASHES, HASHES, st.integers(0, 10))
def test_matches_are_those_of_comparing_all(
    left: list[int], right: list[int], distance: int
) -> None:
    found = match_within(np.array(left, np.uint64), np.array(right, np.uint64), distance)
    for place, one in enumerate(left):
        near = [(one ^ other).bit_count() for other in right]
        near = [bits for bits in near if bits <= distance]
        assert found.distance[place] == min(near, default=65)


def test_groups_are_numbered_by_their_first_member() -> None:
    hashes = np.array([2**40, 7, 2**20, 2**40, 6, 7], np.uint64)
    near = find_within(hashes, 1)
    assert near.group.tolist() == [0, 1, -1, 0, 1, 1]
    assert near.n_groups == 2


def test_nearest_is_found_however_far() -> None:
    hashes = np.array([0, 0b1111, 0b1, 0], np.uint64)
    places, distances = nearest_of(hashes, hashes, np.arange(4))
    assert places.tolist() == [3, 2, 0, 0]
    assert distances.tolist() == [0, 3, 1, 0]
    places, distances = nearest_of(hashes[:1], hashes[1:])
    assert (places.tolist(), distances.tolist()) == ([2], [0])


def test_a_hundred_thousand_hashes_take_seconds_even_when_collapsed() -> None:
    rng = stream(0, "hashes")
    hashes = rng.integers(0, 2**63, 100_000, dtype=np.uint64)
    hashes[50_000:90_000] = hashes[0]
    hashes[90_000:] = hashes[:10_000] ^ np.uint64(5)
    start = time.process_time()
    near = find_within(hashes, 4)
    assert time.process_time() - start < 8
    assert near.n_groups == 10_000
    assert near.distance[90_001] == 2


def test_noise_leaves_the_hash_near_and_another_scan_does_not() -> None:
    rng = stream(0, "scans")
    coarse = rng.integers(0, 200, (2, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    noisy = coarse[0] + rng.integers(-3, 4, coarse[0].shape)
    images = np.clip(np.stack([coarse[0], noisy, coarse[1]]), 0, 255).astype(np.uint8)
    hashes = hashes_of(images)
    near = find_within(hashes, 4)
    assert near.nearest.tolist() == [1, 0, -1]
