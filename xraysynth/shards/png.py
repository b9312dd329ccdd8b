"""PNG as scans need it: 8 and 16 bits, one to three channels, the same bytes each time."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2


def encode_png(image: np.ndarray) -> bytes:
    """Return an image as PNG, without loss.

    Parameters
    ----------
    image : (H, W) or (H, W, C) uint8 or uint16
        One channel becomes grey, three RGB. Two (low and high energy) become red and green with a
        blue of zero: grey with alpha would be blended away by most readers.

    Raises
    ------
    ValueError
        If there are more than three channels.

    References
    ----------
    .. [1] ISO/IEC 15948:2004, Portable Network Graphics, sections 5 and 11.

    Examples
    --------
    >>> encode_png(np.zeros((2, 2), np.uint8))[:4]
    b'\\x89PNG'
    """
    pixels = image[..., None] if image.ndim == 2 else image
    height, width, channels = pixels.shape
    if channels > 3:
        raise ValueError(f"an image of {channels} channels; PNG holds up to 3")
    if channels == 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=2)
    kind = GREY if channels == 1 else RGB
    big_endian = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">")))
    rows = big_endian.view(np.uint8).reshape(height, -1)
    unfiltered = np.pad(rows, ((0, 0), (1, 0)))  # Each row begins with its filter type: none.
    header = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, kind, 0, 0, 0)
    return b"".join(
        [
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    """Return one chunk with length and checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )
