"""Image files to arrays: every way that a file can be bad becomes one `ReadError`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from xraysynth.errors import ReadError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
EXACT_FORMATS = ("PNG", "BMP", "TIFF")
"""JPEG changes numbers, and with them the classes that they stand for."""
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
GREY_MODES = ("1", "L", "LA", "La")
SCALED_BY = {"L;2": 85, "L;4": 17}
"""Pillow spreads grey of 2 and 4 bits, of PNG and of TIFF, over 0 to 255."""
MAX_PIXELS_CEILING = 150_000_000
"""Pillow itself refuses a little above this."""


@dataclass(frozen=True, order=True)
class Kind:
    """What an image holds, known from its header."""

    channels: int
    """1 grey, 2 low and high energy, 3 red, green and blue."""
    bit_depth: int
    """8 or 16."""


def probe(data: bytes | io.BufferedReader) -> Kind:
    """Return the kind of an image from its header alone.

    Raises
    ------
    ReadError
        If it is no image, or of pixels that cannot be used.
    """
    with _opened(data) as image:
        return _kind(image)


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """Return (row, col, channel) uint8 or uint16; one channel for grey, three for colour.

    Transparent pixels become white, which is air. Colour of 16 bit a channel comes out with 8.

    Parameters
    ----------
    data : content of a PNG, JPEG, BMP or TIFF file
    max_pixels : a larger image is refused before its pixels are unpacked

    Raises
    ------
    ReadError
        If the image is damaged, too large, or of another kind.
    """
    with _opened(data) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise ReadError(
                f"it is {width}x{height}, {width * height:,} pixels; the limit is {max_pixels:,}."
            )
        if getattr(image, "n_frames", 1) != 1:
            raise ReadError("it holds several images; want one a file.")
        kind = _kind(image)
        image.load()
        if kind.bit_depth == 16:
            return _sixteen_bit(np.asarray(image))
        array = np.asarray(_opaque(image).convert("L" if kind.channels == 1 else "RGB"))
    return array.reshape(height, width, kind.channels)


def decode_indices(
    data: bytes, max_pixels: int, formats: tuple[str, ...] = EXACT_FORMATS
) -> np.ndarray:
    """Return (row, col) of the whole numbers in a mask, as they stand in the file.

    Those of a palette are its indices, not its colours; those of 2 or 4 bits end at 3 or 15.

    Raises
    ------
    ReadError
        If the image is damaged, too large, of another format, in colour without a palette, or
        holds a number below 0.
    """
    with _opened(data, formats) as image:
        if image.size[0] * image.size[1] > max_pixels:
            raise ReadError(
                f"its mask is {image.size[0]}x{image.size[1]} px, larger than the scan."
            )
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise ReadError(f"its mask is of mode {image.mode}; want grey or indexed pixels.")
        scaled_by = _scaled_by(image)
        ids = np.array(image).astype(np.int64) // scaled_by
        if ids.min(initial=0) < 0:
            raise ReadError(f"its mask holds the class id {ids.min()}; want ids of 0 and above.")
        return ids


@contextmanager
def _opened(
    data: bytes | io.BufferedReader, formats: tuple[str, ...] = FORMATS
) -> Iterator[ImageFile.ImageFile]:
    """Open an image; whatever goes wrong with its content is a `ReadError`."""
    try:
        with warnings.catch_warnings():
            # Odd metadata and large sizes only warn; what matters is checked here.
            warnings.simplefilter("ignore")
            source = io.BytesIO(data) if isinstance(data, bytes) else data
            with Image.open(source, formats=formats) as image:
                yield image
    except ReadError:
        raise
    except UnidentifiedImageError:
        known = " or ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
        raise ReadError(f"it is not a {known} image.") from None
    except Exception as error:
        # Decoders of damaged or hostile bytes raise almost anything: OSError, SyntaxError,
        # ValueError, struct.error, zlib.error, IndexError, DecompressionBombError, MemoryError.
        raise ReadError(f"it is damaged ({error or type(error).__name__}).") from error


def _kind(image: Image.Image) -> Kind:
    """Return the kind of an opened image."""
    if image.mode == "F":
        raise ReadError("its pixels are floating-point numbers; want integers of 8 or 16 bit.")
    if image.mode.startswith("I"):
        return Kind(1, 16)
    return Kind(1 if image.mode in GREY_MODES else 3, 8)


def _scaled_by(image: ImageFile.ImageFile) -> int:
    """Return by what Pillow multiplies the numbers of an opened image; loading forgets it."""
    arguments = image.tile[0].args or ""
    raw_mode = arguments if isinstance(arguments, str) else arguments[0]
    return SCALED_BY.get(raw_mode[:3], 1)


def _sixteen_bit(array: np.ndarray) -> np.ndarray:
    """Return (row, col, 1) uint16."""
    if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise ReadError(f"its pixels span {array.min()} to {array.max()}; want 0 to 65535.")
    return array.astype(np.uint16)[..., None]


def _opaque(image: Image.Image) -> Image.Image:
    """Return the image over white, if it has transparent pixels at all."""
    if image.mode not in ALPHA_MODES and "transparency" not in image.info:
        return image
    front = image.convert("RGBA")
    white = Image.new("RGBA", front.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, front)
