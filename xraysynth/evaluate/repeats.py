"""Which pictures are scans of a file, pixel for pixel?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from xraysynth.evaluate.gan_material import squared
from xraysynth.gan.grids import displayable
from xraysynth.progress import Progress, silent
from xraysynth.scanfile import open_scans

BLOCK = 256
"""Scans read at a time."""


def fingerprints(scans: Path, progress: Progress = silent) -> frozenset[bytes]:
    """Return a digest of every scan of a file, as `real_pictures` shows it."""
    found: set[bytes] = set()
    with open_scans(scans) as file:
        images = file["images"]
        for start in range(0, len(images), BLOCK):
            pictures = squared(displayable(images[start : start + BLOCK]))
            found.update(_digest(picture) for picture in pictures)
            progress(min(start + BLOCK, len(images)), len(images), "training scans read")
    return frozenset(found)


def repeats(pictures: np.ndarray, known: frozenset[bytes]) -> np.ndarray:
    """Return which pictures (n, side, side, 3) are among the known ones: (n,) bool."""
    return np.array([_digest(picture) in known for picture in pictures], bool)


def _digest(picture: np.ndarray) -> bytes:
    """Return what tells a picture from any other."""
    return hashlib.sha256(picture.tobytes()).digest()
