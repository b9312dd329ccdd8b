"""COCO's run-length code of a mask: runs down the columns, outside and inside in turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from xraysynth.errors import ReadError

MAX_RUNS = 10_000_000


def runs_of(counts: Any) -> tuple[int, ...]:
    """Return the lengths of runs, given plain or as compressed text.

    Raises
    ------
    ReadError
        If they are neither.

    Examples
    --------
    >>> runs_of([2, 3, 1])
    (2, 3, 1)
    >>> runs_of("231")
    (2, 3, 1)
    """
    if isinstance(counts, str):
        runs = _decompressed(counts)
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        runs = list(counts)
    else:
        raise ReadError("a run-length code is neither a list of whole numbers nor text.")
    if any(run < 0 for run in runs) or len(runs) > MAX_RUNS:
        raise ReadError("a run-length code has a negative run; it is damaged.")
    return tuple(runs)


def mask_of(runs: tuple[int, ...], width_px: int, height_px: int) -> np.ndarray:
    """Return (row, col) bool, True inside.

    Raises
    ------
    ReadError
        If the runs are not those of a mask of this size.

    Examples
    --------
    >>> mask_of((1, 2, 1), 2, 2).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    if sum(runs) != width_px * height_px:
        raise ReadError(
            f"a run-length code covers {sum(runs)} pixels; want {width_px}x{height_px}."
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width_px, height_px).T


def _decompressed(text: str) -> list[int]:
    """Return the runs in COCO's text form.

    Five bits a character from "0" on, least significant first; bit 5 says that more follow, bit 4
    of the last one is the sign. From the fourth run on, what is stored is the difference to
    the run two places before.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - ord("0")
        if not 0 <= code < 64 or shift > 60:
            raise ReadError("a run-length code has a character that does not belong there.")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ReadError("a run-length code ends in the middle of a number.")
    return runs
