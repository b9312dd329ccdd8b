"""What a reader yields for one scan of any data set: files, split, labels, boxes, outlines."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from xraysynth.errors import ReadError
from xraysynth.scans.readers.folders import DataFolder


@dataclass(frozen=True, kw_only=True)
class Box:
    """One annotated object, in pixels of the original scan, as the data set gives it."""

    name: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The exact region of one object: polygons, or a run-length code of COCO."""

    name: str
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Each polygon as (x, y) corners in pixels of the original scan; their union counts."""
    runs: tuple[int, ...] = ()
    """Lengths of runs down the columns, the first of them outside; empty if polygons are given."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Everything that a data set says about one scan besides its pixels."""

    labels: tuple[str, ...] = ()
    """Image-level labels; the names of boxes and outlines are added by `all_labels`."""
    boxes: tuple[Box, ...] = ()
    outlines: tuple[Outline, ...] = ()
    size_px: tuple[int, int] | None = None
    """Width and height that the annotation claims, if it does."""
    relative: bool = False
    """Boxes and polygons are in shares of width and height, 0 to 1, not in pixels."""
    mask: str = ""
    """Path of an indexed image of class ids, if there is one."""
    mask_classes: tuple[str, ...] = ()
    """Names of the ids in `mask`; 0 is background."""
    said: bool = True
    """Whether the data set says what the scan holds; without it, no labels mean nothing."""

    def all_labels(self) -> list[str]:
        """Return every name once, sorted."""
        boxed = {box.name for box in self.boxes}
        outlined = {outline.name for outline in self.outlines}
        return sorted({*self.labels, *boxed, *outlined})


NOTHING_SAID = Annotation(said=False)
"""Of a scan of which the data set does not say what it holds."""


@dataclass(frozen=True, kw_only=True)
class ScanRecord:
    """One scan of a data set, not yet read."""

    images: tuple[str, ...]
    """Paths relative to the data set's folder: one, or two for (low, high) energy."""
    split: str = "train"
    annotation: Annotation = NOTHING_SAID
    fault: str = ""
    """Why the scan cannot be used, if the reader already knows."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One on-disk format: how to recognise it, and how to list its scans."""

    name: str
    layout: str
    """What the folder must hold, for error messages."""
    looks_like: Callable[[DataFolder], bool]
    read: Callable[[DataFolder], Iterator[ScanRecord]]


def annotated(
    images: tuple[str, ...], split: str, annotate: Callable[[], Annotation]
) -> ScanRecord:
    """Return the record of a scan; an annotation that cannot be read becomes its fault."""
    try:
        return ScanRecord(images=images, split=split, annotation=annotate())
    except ReadError as error:
        return ScanRecord(images=images, split=split, fault=str(error))


def number(value: Any, what: str) -> float:
    """Return `value` as a float, or raise a `ReadError` that says what it should be.

    Examples
    --------
    >>> number("17.318", "xmin")
    17.318
    """
    if not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise ReadError(f"{what} is {value!r}; want a number.")


def whole_number(value: Any, what: str) -> int:
    """Return `value` without its fraction, or raise a `ReadError`: infinity is no size.

    Examples
    --------
    >>> whole_number("40.0", "width")
    40
    >>> whole_number(float("inf"), "width")
    Traceback (most recent call last):
    ...
    xraysynth.errors.ReadError: width is inf; want a finite number.
    """
    found = number(value, what)
    if not math.isfinite(found):
        raise ReadError(f"{what} is {value!r}; want a finite number.")
    return int(found)


def text(value: Any, what: str) -> str:
    """Return `value` if it is text, or raise a `ReadError`: `None` is no name of a class.

    Examples
    --------
    >>> text(None, "`label`")
    Traceback (most recent call last):
    ...
    xraysynth.errors.ReadError: `label` is None; want text.
    """
    if not isinstance(value, str):
        raise ReadError(f"{what} is {reprlib.repr(value)}; want text.")
    return value


def box_from_corners(name: Any, corners: Any, what: str) -> Box:
    """Return the box with corners `x1, y1, x2, y2`, in whatever order they were drawn."""
    if not isinstance(corners, (list, tuple)) or len(corners) != 4:
        raise ReadError(f"{what} is {corners!r}; want four numbers x1, y1, x2, y2.")
    x_min, y_min, x_max, y_max = (number(corner, what) for corner in corners)
    return Box(name=str(name), x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def polygon_from_points(points: Any, what: str) -> tuple[tuple[float, float], ...]:
    """Return a polygon given as `[[x, y], ...]`."""
    if not isinstance(points, list) or len(points) < 3:
        raise ReadError(f"{what} is not a polygon of three or more points.")
    corners = []
    for point in points:
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            raise ReadError(f"{what} has the point {point!r}; want [x, y].")
        corners.append((number(point[0], what), number(point[1], what)))
    return tuple(corners)


def box_around(name: str, polygons: tuple[tuple[tuple[float, float], ...], ...]) -> Box:
    """Return the smallest box around all points of some polygons."""
    across = [x for polygon in polygons for x, _ in polygon]
    down = [y for polygon in polygons for _, y in polygon]
    return Box(name=name, x_min=min(across), y_min=min(down), x_max=max(across), y_max=max(down))


def mappings(value: Any, what: str) -> list[dict[str, Any]]:
    """Return `value` if it is a list of JSON objects, or raise `ReadError`."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ReadError(f"{what} is not a list of JSON objects.")
    return value
