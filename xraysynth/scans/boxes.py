"""Boxes of data sets, mended and moved into the letterbox."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xraysynth.scans.letterbox import Content
from xraysynth.scans.readers.record import Annotation, Box, Outline


@dataclass(frozen=True)
class MendedBoxes:
    """The usable boxes of a scan, and how many were not right as they came."""

    boxes: tuple[Box, ...]
    n_mended: int
    """Clamped to the scan, or with swapped corners put right."""
    n_dropped: int
    """Without area inside the scan, or not numbers: nothing to mend."""


def in_pixels(annotation: Annotation, width_px: int, height_px: int) -> Annotation:
    """Return the annotation with boxes and polygons in pixels, if they came as shares."""
    if not annotation.relative:
        return annotation
    return replace(
        annotation,
        relative=False,
        boxes=tuple(
            replace(
                box,
                x_min=box.x_min * width_px,
                x_max=box.x_max * width_px,
                y_min=box.y_min * height_px,
                y_max=box.y_max * height_px,
            )
            for box in annotation.boxes
        ),
        outlines=tuple(_in_pixels(outline, width_px, height_px) for outline in annotation.outlines),
    )


def _in_pixels(outline: Outline, width_px: int, height_px: int) -> Outline:
    """Return the outline with its corners in pixels."""
    polygons = tuple(
        tuple((x * width_px, y * height_px) for x, y in polygon) for polygon in outline.polygons
    )
    return replace(outline, polygons=polygons)


def mend(boxes: Sequence[Box], width_px: int, height_px: int) -> MendedBoxes:
    """Swap corners that came the wrong way round, and clamp boxes to the scan.

    Examples
    --------
    >>> swapped = Box(name="Gun", x_min=90, y_min=10, x_max=40, y_max=120)
    >>> mend([swapped], 100, 100).boxes[0]
    Box(name='Gun', x_min=40, y_min=10, x_max=90, y_max=100)
    """
    kept = []
    n_mended = 0
    for box in boxes:
        mended = _mend_one(box, width_px, height_px)
        if mended is None:
            continue
        kept.append(mended)
        n_mended += mended != box
    return MendedBoxes(tuple(kept), n_mended, len(boxes) - len(kept))


def _mend_one(box: Box, width_px: int, height_px: int) -> Box | None:
    """Return the box inside the scan, or None if nothing of it is."""
    corners = (box.x_min, box.y_min, box.x_max, box.y_max)
    if not all(math.isfinite(corner) for corner in corners):
        return None
    x_min, x_max = (min(max(x, 0), width_px) for x in sorted((box.x_min, box.x_max)))
    y_min, y_max = (min(max(y, 0), height_px) for y in sorted((box.y_min, box.y_max)))
    if x_min >= x_max or y_min >= y_max:
        return None
    return replace(box, x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def into_letterbox(box: Box, width_px: int, height_px: int, content: Content) -> Box:
    """Return the box in letterboxed pixels.

    Examples
    --------
    >>> box = Box(name="Gun", x_min=0, y_min=0, x_max=320, y_max=480)
    >>> into_letterbox(box, 640, 480, Content(0, 8, 64, 48))
    Box(name='Gun', x_min=0.0, y_min=8.0, x_max=32.0, y_max=56.0)
    """
    across, down = content.width / width_px, content.height / height_px
    return replace(
        box,
        x_min=content.x + box.x_min * across,
        x_max=content.x + box.x_max * across,
        y_min=content.y + box.y_min * down,
        y_max=content.y + box.y_max * down,
    )
