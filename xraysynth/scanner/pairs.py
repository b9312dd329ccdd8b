"""Raw low/high pairs on disk: `NAME_low.png` and `NAME_high.png`, 16-bit grey, or a `scans.h5`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from xraysynth import hdf5
from xraysynth.errors import InputError, ReadError
from xraysynth.files import whole_file
from xraysynth.scanfile import open_scans
from xraysynth.scanner.raw import RawScan

LOW, HIGH = "_low.png", "_high.png"
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I")
"""What Pillow calls 16-bit grey."""
DIMMEST_AIR = 0.3
"""A scan whose clearest pixels pass less than this was made with another level of air."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One raw scan that can be read."""

    name: str
    """Path within its folder, or its number in its file."""
    class_name: str
    """Name of the folder that it lies in."""
    read: Callable[[], RawScan]


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A file that does not serve, and why."""

    name: str
    reason: str


def find_sources(path: Path, air: int) -> tuple[list[Source], list[SetAside]]:
    """List the raw scans of a folder, with all below it, or of a `scans.h5` of two channels.

    Parameters
    ----------
    path : folder of pairs, or HDF5 file
    air : value of open air in the folder's pictures; a `scans.h5` has 65535

    Raises
    ------
    InputError
        If there is nothing there, or no scan that serves.
    """
    if path.is_file():
        return _scans_of_file(path), []
    if not path.is_dir():
        raise InputError(f"{path} does not exist; want a folder with NAME{LOW} and NAME{HIGH}.")
    found, aside = [], []
    names = sorted({_name(each) for each in path.rglob("*.png") if _name(each)})
    for name in names:
        low, high = (path / f"{name}{ending}" for ending in (LOW, HIGH))
        reason = _fault_of_headers(low, high)
        if reason:
            aside.append(SetAside(name=_relative(name, path), reason=reason))
            continue
        found.append(
            Source(
                name=_relative(name, path),
                class_name=low.parent.name if low.parent != path else path.resolve().name,
                read=lambda low=low, high=high: read_pair(low, high, air),  # type: ignore[misc]
            )
        )
    if not found:
        first = f"; the first of {len(aside)}: {aside[0].name}: {aside[0].reason}" if aside else ""
        raise InputError(
            f"{path} holds no pair that serves: want NAME{LOW} and NAME{HIGH}, 16-bit grey{first}."
        )
    return found, aside


def _name(path: Path) -> str:
    """Return a picture's path without the ending of its channel, or nothing."""
    for ending in (LOW, HIGH):
        if path.name.endswith(ending):
            return str(path)[: -len(ending)]
    return ""


def _relative(name: str, folder: Path) -> str:
    """Return the path within the folder, with forward slashes."""
    return Path(name).relative_to(folder).as_posix()


def _fault_of_headers(low: Path, high: Path) -> str:
    """Return what is wrong with a pair as far as the first bytes of its files tell."""
    sizes = []
    for path, partner in ((low, high), (high, low)):
        if not path.is_file():
            return f"{path.name} is missing beside {partner.name}"
        try:
            with Image.open(path) as opened:
                mode, size = opened.mode, opened.size
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            return f"{path.name} is no picture that can be read"
        if mode not in DEEP_MODES:
            kind = {"L": "8-bit grey", "RGB": "8-bit colour", "RGBA": "8-bit colour"}
            return f"{path.name} is {kind.get(mode, mode)}; want 16-bit grey, as the detector reads"
        sizes.append(size)
    if sizes[0] != sizes[1]:
        (wide, tall), (other_wide, other_tall) = sizes
        return (
            f"{low.name} has {wide} x {tall} pixels, {high.name} {other_wide} x {other_tall}; "
            "want the same"
        )
    return ""


def read_pair(low: Path, high: Path, air: int = 60_000) -> RawScan:
    """Read one pair as transmissions: values over `air` count as open air.

    Raises
    ------
    ReadError
        If a file is truncated, or its clearest pixels are far from the value of air.
    """
    channels = []
    for path in (low, high):
        try:
            with Image.open(path) as opened:
                values = np.asarray(opened).astype(np.float32)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise ReadError(f"{path.name} is truncated or damaged") from None
        clearest = float(np.quantile(values, 0.999))
        if clearest < DIMMEST_AIR * air:
            raise ReadError(
                f"the clearest pixels of {path.name} have the value {clearest:.0f}, "
                f"open air is said to have {air}; give its value with --air"
            )
        channels.append(np.clip(values / np.float32(air), 0, 1))
    return RawScan(*channels)


def _scans_of_file(path: Path) -> list[Source]:
    """Return the scans of a `scans.h5`, read one at a time."""
    with open_scans(path) as file:
        channels = list(hdf5.read_json_attribute(file, "channels"))
        count = len(file["images"])
    if channels != ["low", "high"]:
        raise InputError(
            f"{path} holds the channels {', '.join(channels)}; want low, high: "
            "make it with simulate --channels dual."
        )
    if not count:
        raise InputError(f"{path} holds no scan; want at least one.")

    def read(index: int) -> RawScan:
        with open_scans(path) as file:
            low, high = np.moveaxis(file["images"][index].astype(np.float32) / 65535, -1, 0)
        return RawScan(low, high)

    return [
        Source(
            name=f"{path.name}:{index}",
            class_name=path.stem,
            read=lambda index=index: read(index),  # type: ignore[misc]
        )
        for index in range(count)
    ]


def write_channel(path: Path, transmission: np.ndarray, air: int) -> None:
    """Write one channel as 16-bit grey PNG."""
    values = np.rint(np.clip(transmission, 0, 1) * air).astype(np.uint16)
    write_picture(path, values)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a PNG that appears only when whole."""
    with whole_file(path) as partial:
        Image.fromarray(picture).save(partial, format="PNG", compress_level=1)
