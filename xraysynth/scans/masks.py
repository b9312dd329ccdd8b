"""Label maps of real scans, from outlines or indexed images, moved into the letterbox."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.draw import polygon

from xraysynth.errors import ReadError
from xraysynth.scans.decode import decode_indices
from xraysynth.scans.letterbox import Content, resample
from xraysynth.scans.readers import Annotation, DataFolder, Outline
from xraysynth.scans.readers.runs import mask_of

VOID = 255
"""Id of pixels that an indexed mask leaves open; they count as background."""


def label_map(
    folder: DataFolder, annotation: Annotation, size_px: tuple[int, int], classes: Sequence[str]
) -> np.ndarray:
    """Return (row, col) uint8, the place in `classes` of what covers each pixel of a scan.

    Parameters
    ----------
    folder : where the indexed mask lies, if there is one
    annotation : outlines in pixels, or the path of a mask
    size_px : width and height of the scan
    classes : names; the first is background

    Raises
    ------
    ReadError
        If the mask is damaged, of another size, or holds an id without name.
    """
    if annotation.mask:
        return _from_indices(folder, annotation, size_px, classes)
    labels = np.zeros((size_px[1], size_px[0]), np.uint8)
    regions = [(region_of(outline, size_px), outline.name) for outline in annotation.outlines]
    # Large ones first, so that what lies within another's outline stays visible.
    regions.sort(key=lambda region: -int(region[0].sum()))
    for region, name in regions:
        labels[region] = classes.index(name)
    return labels


def region_of(outline: Outline, size_px: tuple[int, int]) -> np.ndarray:
    """Return (row, col) bool, True at the pixels whose centres lie inside an outline.

    Raises
    ------
    ReadError
        If a corner is not a number, or the runs are of another size.
    """
    if outline.runs:
        return mask_of(outline.runs, *size_px)
    region = np.zeros((size_px[1], size_px[0]), bool)
    for points in outline.polygons:
        corners = np.array(points)
        if not np.isfinite(corners).all():
            raise ReadError(f"an outline of {outline.name} has a corner that is not a number.")
        # Pixel column c spans c to c + 1, so its centre stands half a pixel further.
        inside = polygon(corners[:, 1] - 0.5, corners[:, 0] - 0.5, shape=region.shape)
        region[inside] = True
    return region


def letterbox_labels(labels: np.ndarray, shape: tuple[int, int], content: Content) -> np.ndarray:
    """Return the label map in its frame: every pixel takes the class that covers most of it.

    Examples
    --------
    >>> labels = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.uint8)
    >>> letterbox_labels(labels, (3, 2), Content(0, 1, 2, 1)).tolist()
    [[0, 0], [1, 0], [0, 0]]
    """
    best = np.full((content.height, content.width), -1.0)
    chosen = np.zeros((content.height, content.width), np.uint8)
    # Ascending with >=, so that a higher id wins a draw and background loses it.
    for class_id in sorted(np.unique(labels).tolist()):
        share = resample((labels == class_id)[..., None], content.width, content.height)[..., 0]
        covers = share >= best
        best[covers] = share[covers]
        chosen[covers] = class_id
    frame = np.zeros(shape, np.uint8)
    rows = slice(content.y, content.y + content.height)
    frame[rows, content.x : content.x + content.width] = chosen
    return frame


def _from_indices(
    folder: DataFolder, annotation: Annotation, size_px: tuple[int, int], classes: Sequence[str]
) -> np.ndarray:
    """Return the label map in an indexed image, its ids moved to those of `classes`."""
    ids = decode_indices(folder.data(annotation.mask), size_px[0] * size_px[1])
    if ids.shape != (size_px[1], size_px[0]):
        raise ReadError(
            f"its mask {annotation.mask} is {ids.shape[1]}x{ids.shape[0]} px; "
            f"want {size_px[0]}x{size_px[1]}."
        )
    ids = np.where(ids == VOID, 0, ids)
    names = annotation.mask_classes
    if ids.max() >= len(names):
        raise ReadError(
            f"its mask {annotation.mask} has ids {ids.min()} to {ids.max()}; there are names for "
            f"0 to {len(names) - 1}."
        )
    place_of = np.zeros(len(names), np.uint8)
    for class_id, name in enumerate(names[1:], start=1):
        place_of[class_id] = classes.index(name)
    places: np.ndarray = place_of[ids]
    return places
