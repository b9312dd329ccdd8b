"""One scan from its files to its letterbox: the work that processes share out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np

from xraysynth import schema
from xraysynth.errors import ReadError
from xraysynth.scans.boxes import in_pixels, into_letterbox, mend
from xraysynth.scans.decode import Kind, decode
from xraysynth.scans.letterbox import Content, letterbox, to_integers
from xraysynth.scans.masks import label_map, letterbox_labels
from xraysynth.scans.readers.folders import DataFolder
from xraysynth.scans.readers.record import Box, ScanRecord

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights of red, green and blue."""
MAX_FILE_BYTES = 2**30
EMPTY = Content(0, 0, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The form that every scan of one file takes."""

    width_px: int
    height_px: int
    kind: Kind
    max_pixels: int
    min_side_px: int
    classes: tuple[str, ...] = ()
    """Names of the ids in the label maps, background first; empty if there are no label maps."""


@dataclass(frozen=True, kw_only=True)
class PreparedScan:
    """A scan in its letterbox, or the reason why there is none."""

    fault: str = ""
    image: np.ndarray | None = None
    """(row, col, channel) uint8 or uint16."""
    labels: np.ndarray | None = None
    """(row, col) uint8 label map."""
    names: tuple[str, ...] | None = None
    """Everything that the scan is known to hold, sorted; None where nobody said."""
    size_px: tuple[int, int] = (0, 0)
    """Width and height of the original."""
    content: Content = EMPTY
    boxes: tuple[Box, ...] = ()
    """In letterboxed pixels."""
    n_mended: int = 0
    n_dropped: int = 0
    digest: bytes = b""
    """Of the files' bytes: the same for duplicates."""


def prepare_scan(folder: DataFolder, frame: Frame, record: ScanRecord) -> PreparedScan:
    """Read, check and letterbox one scan; never raises for what is wrong with it."""
    if record.fault:
        return PreparedScan(fault=record.fault)
    try:
        image, digest = _read(folder, record, frame.max_pixels)
        _check_size(image, record, frame.min_side_px)
        labels = _labels(folder, record, frame, image)
        scan = _fit(with_channels(image, frame.kind.channels), record, frame)
        return _check_room(_with_labels(scan, labels, frame, digest))
    except ReadError as error:
        return PreparedScan(fault=str(error))


def _read(folder: DataFolder, record: ScanRecord, max_pixels: int) -> tuple[np.ndarray, bytes]:
    """Return the pixels of all files of a scan as channels, and a digest of their bytes."""
    files = [folder.data(name, MAX_FILE_BYTES) for name in record.images]
    parts = [decode(data, max_pixels) for data in files]
    digest = hashlib.sha256()
    for data in files:
        digest.update(hashlib.sha256(data).digest())
    if len(parts) == 1:
        return parts[0], digest.digest()[:16]
    if any(part.shape != parts[0].shape or part.dtype != parts[0].dtype for part in parts):
        shapes = " and ".join(f"{part.shape[1]}x{part.shape[0]} {part.dtype}" for part in parts)
        raise ReadError(f"its two energies differ in size or kind: {shapes}.")
    if parts[0].shape[2] != 1:
        raise ReadError("its two energies are in colour; want grey.")
    return np.concatenate(parts, axis=2), digest.digest()[:16]


def _check_size(image: np.ndarray, record: ScanRecord, min_side_px: int) -> None:
    """Raise if the scan is tiny, or not of the size that its annotation was made for."""
    height, width = image.shape[:2]
    if min(height, width) < min_side_px:
        raise ReadError(f"it is {width}x{height} px; want at least {min_side_px} a side.")
    claimed = record.annotation.size_px
    if claimed not in (None, (width, height)):
        raise ReadError(
            f"it is {width}x{height} px, but its annotation was made for {claimed[0]}x{claimed[1]}."
        )


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Return the scan (row, col, channel) with the wanted number of channels.

    Raises
    ------
    ReadError
        If that cannot be made of it.
    """
    found = image.shape[2]
    if found == channels:
        return image
    if (found, channels) == (1, 3):
        return np.repeat(image, 3, axis=2)
    if (found, channels) == (3, 1):
        grey: np.ndarray = np.rint(image @ np.array(LUMA)).astype(image.dtype)
        return grey[..., None]
    names = {1: "one grey channel", 2: "two energies", 3: "three colours"}
    raise ReadError(f"it has {names[found]}; the others have {names[channels]}.")


def _labels(
    folder: DataFolder, record: ScanRecord, frame: Frame, image: np.ndarray
) -> np.ndarray | None:
    """Return the label map in the scan's own size, if the data set has any."""
    if not frame.classes:
        return None
    size_px = (image.shape[1], image.shape[0])
    return label_map(folder, in_pixels(record.annotation, *size_px), size_px, frame.classes)


def _fit(image: np.ndarray, record: ScanRecord, frame: Frame) -> PreparedScan:
    """Return the scan in its letterbox, its boxes with it."""
    height, width = image.shape[:2]
    framed, content = letterbox(image, frame.width_px, frame.height_px)
    annotation = in_pixels(record.annotation, width, height)
    mended = mend(annotation.boxes, width, height)
    return PreparedScan(
        image=to_integers(framed, image.dtype.itemsize * 8, frame.kind.bit_depth),
        names=tuple(annotation.all_labels()) if annotation.said else None,
        size_px=(width, height),
        content=content,
        boxes=tuple(into_letterbox(box, width, height, content) for box in mended.boxes),
        n_mended=mended.n_mended,
        n_dropped=mended.n_dropped,
    )


def _with_labels(
    scan: PreparedScan, labels: np.ndarray | None, frame: Frame, digest: bytes
) -> PreparedScan:
    """Return the scan with its label map in the letterbox, the names in it, and its digest."""
    if labels is None:
        return replace(scan, digest=digest)
    present = {frame.classes[place] for place in np.unique(labels).tolist() if place}
    return replace(
        scan,
        digest=digest,
        labels=letterbox_labels(labels, (frame.height_px, frame.width_px), scan.content),
        names=None if scan.names is None else tuple(sorted({*scan.names, *present})),
    )


def _check_room(scan: PreparedScan) -> PreparedScan:
    """Return the scan, or raise if the table has no room for what it holds: none may get lost."""
    length, room = len(labels_cell(scan.names)), schema.table_dtype("scans")["labels"].itemsize
    if length > room:
        raise ReadError(f"its labels take {length} bytes; want at most {room}.")
    return scan


def labels_cell(names: tuple[str, ...] | None) -> bytes:
    """Return names as the table holds them: a JSON list, empty where nobody said.

    Examples
    --------
    >>> labels_cell(("gun", "knife")), labels_cell(()), labels_cell(None)
    (b'["gun", "knife"]', b'[]', b'')
    """
    return b"" if names is None else json.dumps(names, ensure_ascii=False).encode(errors="replace")
