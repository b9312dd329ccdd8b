"""Outline of a mask along the edges of its pixels, and its run lengths."""

from __future__ import annotations

import numpy as np

Point = tuple[int, int]
"""x, y of a corner between pixels."""


def outline(inside: np.ndarray) -> list[Point]:
    """Return the outer outline of a connected region, exact to the pixel.

    Parameters
    ----------
    inside : (H, W) bool
        One 8-connected region.

    Returns
    -------
    list of (x, y)
        Corners in order, clockwise on the screen, none in the middle of a straight line. Pixel
        (row, column) covers x from column to column + 1 and y from row to row + 1.

    Notes
    -----
    Holes are left out. Pixels that touch by a corner are joined there: the outline passes that
    corner twice.

    Examples
    --------
    >>> outline(np.array([[True, True], [False, True]]))
    [(0, 0), (2, 0), (2, 2), (1, 2), (1, 1), (0, 1)]
    """
    follows = _edges(inside)
    row, column = np.argwhere(inside)[0]  # Its upper left corner lies on the outer outline.
    start: Point = (int(column), int(row))
    here, step = start, (1, 0)
    corners: list[Point] = []
    while True:
        new_step = _next_step(follows[here], step)
        if not corners or new_step != step:
            corners.append(here)
        here, step = (here[0] + new_step[0], here[1] + new_step[1]), new_step
        if here == start and _next_step(follows[here], step) == (1, 0):
            return corners


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return the lengths of the runs of a mask, column by column, the first one of zeros.

    References
    ----------
    .. [1] COCO, "Data format", object detection: uncompressed RLE.

    Examples
    --------
    >>> run_lengths(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    if len(changes) and changes[-1] == mask.size:
        changes = changes[:-1]
    lengths: list[int] = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    return lengths


def _edges(inside: np.ndarray) -> dict[Point, list[Point]]:
    """Return the steps that leave each corner along the border, the region on their right."""
    padded = np.pad(inside, 1)
    core = padded[1:-1, 1:-1]
    steps: dict[Point, list[Point]] = {}
    # Neighbour above, right, below, left; corner where the step begins; the step.
    for neighbour, corner, step in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (1, 1), (-1, 0)),
        (padded[1:-1, :-2], (0, 1), (0, -1)),
    ):
        for row, column in np.argwhere(core & ~neighbour).tolist():
            steps.setdefault((column + corner[0], row + corner[1]), []).append(step)
    return steps


def _next_step(steps: list[Point], came: Point) -> Point:
    """Return where the outline goes on; at a corner of two pixels, over to the other one."""
    left = (came[1], -came[0])
    return left if left in steps else steps[0]
