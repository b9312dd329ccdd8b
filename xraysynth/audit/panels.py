"""Panels of the report: scan, overlay and contours side by side; heat maps."""

from __future__ import annotations

import numpy as np

from xraysynth import schema
from xraysynth.audit.pictures import (
    contours,
    display,
    enlarge,
    fit,
    generated_colours,
    grid,
    overlay,
)
from xraysynth.audit.plates import number_regions
from xraysynth.shards.samples import object_class_ids

HEAT_COLOUR = (200, 60, 0)
GAP_PX = 2
GAP_GREY = 205
"""Air is white: a grey line tells where one scan ends."""


def class_colours(class_names: list[str]) -> np.ndarray:
    """Return (K, 3) uint8: the colour of each class, by its name.

    Classes that `data_schema/classes.yaml` does not know get generated colours.

    Examples
    --------
    >>> class_colours(["background", "gun"]).tolist()
    [[255, 255, 255], [213, 0, 0]]
    """
    known = schema.classes()
    spare = iter(generated_colours(len(class_names)).tolist())
    colours = [
        known[name].colour if name in known else (255, 255, 255) if place == 0 else next(spare)
        for place, name in enumerate(class_names)
    ]
    return np.array(colours, np.uint8).reshape(-1, 3)


def strip(image: np.ndarray, mask: np.ndarray, class_names: list[str], panel_px: int) -> np.ndarray:
    """Return scan, overlay and numbered contours side by side, enlarged.

    Parameters
    ----------
    image : (H, W, C) uint8 or uint16
    mask : (H, W) integer
    class_names : K names, place = class id
    panel_px : side of one of the three pictures, about

    Returns
    -------
    (h, 3 * w + gaps, 3) uint8
    """
    colours = class_colours(class_names)
    small, scale = fit(display(image), panel_px)
    label_map, _ = fit(np.asarray(mask), panel_px)
    outlined = contours(small, label_map, colours, scale)
    number_regions(outlined, label_map, object_class_ids(tuple(class_names)), colours)
    panels = [enlarge(small, scale), enlarge(overlay(small, label_map, colours), scale), outlined]
    return grid(panels, columns=3, gap_px=GAP_PX, background=GAP_GREY)


def thumbnail(image: np.ndarray, panel_px: int) -> np.ndarray:
    """Return a scan as 8-bit RGB, enlarged by a whole number or shrunk to about `panel_px`."""
    small, scale = fit(display(image), panel_px)
    return enlarge(small, scale)


def pair(left: np.ndarray, right: np.ndarray, panel_px: int) -> np.ndarray:
    """Return two scans, which may differ in size, side by side."""
    first, second = thumbnail(left, panel_px), thumbnail(right, panel_px)
    height, width = np.maximum(first.shape[:2], second.shape[:2])
    padded = [
        np.pad(
            picture,
            ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)),
            constant_values=255,
        )
        for picture in (first, second)
    ]
    return grid(padded, columns=2, gap_px=GAP_PX, background=GAP_GREY)


def heat_picture(share: np.ndarray, largest: float, side_px: int) -> np.ndarray:
    """Return a heat map as RGBA: one ink, more of it where the class is more often.

    Parameters
    ----------
    share : (rows, columns) in [0, 1]
    largest : share that is drawn in full ink
    side_px : length of the longer side, about
    """
    scale = max(1, side_px // max(share.shape))
    ink = np.clip(share / largest if largest > 0 else share * 0, 0, 1)
    picture = np.zeros((*share.shape, 4), np.uint8)
    picture[..., :3] = HEAT_COLOUR
    picture[..., 3] = np.rint(255 * ink)
    return enlarge(picture, scale)
