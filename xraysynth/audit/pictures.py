"""Scans and label maps as pictures for people: overlays, contours, grids, PNG bytes.

Everything here is pure: the same arrays give the same pixels and the same bytes.
"""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from xraysynth.errors import InputError

OPACITY = 0.62
"""Weight of the class colour in an overlay; the rest is the scan in grey."""


def display(image: np.ndarray) -> np.ndarray:
    """Return a scan as 8-bit RGB, on its absolute scale.

    Parameters
    ----------
    image : (H, W, C) or (H, W), uint8 or uint16
        One channel is shown in grey. Two are low and high transmission, full scale is air:
        they are shown in the scanner's standard pseudo-colour.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    InputError
        If the scan has other than 1, 2 or 3 channels, or another type of number.

    Examples
    --------
    >>> display(np.full((1, 1, 2), 65535, np.uint16)).tolist()
    [[[255, 255, 255]]]
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[:, :, None]
    if (
        image.ndim != 3
        or image.shape[2] not in (1, 2, 3)
        or image.dtype.name not in ("uint8", "uint16")
    ):
        raise InputError(
            f"a scan is {image.dtype} {image.shape}; want (height, width, 1 to 3 channels) of "
            "uint8 or uint16."
        )
    if image.shape[2] == 2:
        # Here, as it loads the tables of all materials: a second that other scans can save.
        from xraysynth.scanner.colour import pseudo_colour

        full = np.float64(np.iinfo(image.dtype).max)
        return np.asarray(pseudo_colour(image[:, :, 0] / full, image[:, :, 1] / full))
    if image.dtype == np.uint16:
        # 65535 / 255 = 257: the nearest 8-bit level, without a float copy.
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def generated_colours(count: int) -> np.ndarray:
    """Return `count` colours as different as can be, for classes that the palette does not know.

    Returns
    -------
    (count, 3) uint8

    Examples
    --------
    >>> generated_colours(2).shape
    (2, 3)
    """
    golden = 0.6180339887498949
    colours = [
        colorsys.hsv_to_rgb((0.08 + golden * place) % 1, 0.85, 0.55 + 0.3 * (place % 2))
        for place in range(count)
    ]
    colour: np.ndarray = np.rint(np.array(colours).reshape(count, 3) * 255).astype(np.uint8)
    return colour


def overlay(
    image: np.ndarray, mask: np.ndarray, class_colours: np.ndarray, opacity: float = OPACITY
) -> np.ndarray:
    """Paint a label map over a scan.

    The scan is greyed under the paint: its own orange, green and blue mean materials and
    would be mistaken for classes. Background (class 0) stays unpainted.

    Parameters
    ----------
    image : (H, W, C) uint8 or uint16
    mask : (H, W) integer, class of each pixel
    class_colours : (K, 3) uint8, row = class
    opacity : weight of the paint in [0, 1]

    Returns
    -------
    (H, W, 3) uint8

    Examples
    --------
    >>> white = np.full((1, 2, 3), 255, np.uint8)
    >>> paint = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
    >>> overlay(white, np.array([[0, 1]]), paint, opacity=1.0).tolist()
    [[[255, 255, 255], [255, 0, 0]]]
    """
    grey = display(image) @ np.array([0.299, 0.587, 0.114])
    weight = np.where(mask > 0, opacity, 0.0)[:, :, None]
    paint = np.asarray(class_colours)[mask]
    painted = grey[:, :, None] * (1 - weight) + paint * weight
    return np.asarray(np.rint(painted).astype(np.uint8))


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Repeat every pixel `scale` times both ways: larger, and as crisp as before."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def contours(
    image: np.ndarray, mask: np.ndarray, class_colours: np.ndarray, scale: int = 3
) -> np.ndarray:
    """Draw the outline of each class, in its colour, on the enlarged scan.

    Parameters
    ----------
    image, mask, class_colours : as for `overlay`
    scale : how many times larger the picture is than the scan

    Returns
    -------
    (H * scale, W * scale, 3) uint8
    """
    picture = enlarge(display(image), scale)
    large = enlarge(np.asarray(mask), scale)
    line = _inner_edge(large)
    if scale > 1:
        line |= _inner_edge(np.where(line, -1, large.astype(np.int16))) & (large > 0)
    line &= large > 0
    picture[line] = np.asarray(class_colours)[large[line]]
    return picture


def grid(
    images: Sequence[np.ndarray], columns: int = 0, gap_px: int = 4, background: int = 255
) -> np.ndarray:
    """Lay pictures of one size out in rows.

    Parameters
    ----------
    images : pictures (H, W, C), 8 or 16 bits
    columns : pictures a row; 0 gives a layout about as wide as high
    gap_px : between pictures
    background : grey level of gaps and missing pictures

    Returns
    -------
    (rows * (H + gap) - gap, columns * (W + gap) - gap, 3) uint8

    Raises
    ------
    InputError
        If there are no pictures, or they differ in size.

    Examples
    --------
    >>> grid([np.zeros((8, 8, 3), np.uint8)] * 3, columns=2, gap_px=2).shape
    (18, 18, 3)
    """
    pictures = [display(image) for image in images]
    if not pictures or len({picture.shape for picture in pictures}) > 1:
        sizes = sorted({picture.shape[:2] for picture in pictures})
        raise InputError(
            f"a grid of pictures of sizes {sizes}; want at least one, all of one size."
        )
    height, width, _ = pictures[0].shape
    columns = columns or int(np.ceil(np.sqrt(len(pictures) * height / width)))
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    canvas = np.full(
        (rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, 3),
        background,
        np.uint8,
    )
    for place, picture in enumerate(pictures):
        top = place // columns * (height + gap_px)
        left = place % columns * (width + gap_px)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def fit(image: np.ndarray, panel_px: int) -> tuple[np.ndarray, int]:
    """Return a picture near `panel_px` long: shrunk if larger, else itself and a whole scale.

    Examples
    --------
    >>> small, scale = fit(np.zeros((64, 64, 3), np.uint8), 192)
    >>> small.shape[0], scale
    (64, 3)
    """
    longest = max(image.shape[:2])
    if longest <= panel_px:
        return image, max(1, round(panel_px / longest))
    size = [max(1, round(side * panel_px / longest)) for side in (image.shape[1], image.shape[0])]
    # Label maps must not be mixed: their pixels are names, not amounts.
    method = Image.Resampling.NEAREST if image.ndim == 2 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((size[0], size[1]), method)), 1


def png_bytes(picture: np.ndarray) -> bytes:
    """Return a picture (H, W), (H, W, 3) or (H, W, 4) uint8 as PNG, without time or software."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def data_uri(picture: np.ndarray) -> str:
    """Return a picture as text that an `img` can show without any file or request."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode("ascii")


def _inner_edge(label_map: np.ndarray) -> np.ndarray:
    """Return where a pixel's neighbour above, below, left or right has another value."""
    edge = np.zeros(label_map.shape, bool)
    across = label_map[:, 1:] != label_map[:, :-1]
    down = label_map[1:] != label_map[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge
