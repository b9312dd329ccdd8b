"""Prepared scans as rows of the tables in `scans.h5`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from xraysynth import schema
from xraysynth.scanfile import ScanBatch
from xraysynth.scans.readers import ScanRecord
from xraysynth.scans.single import PreparedScan, labels_cell

BOXES = np.dtype(
    [
        (name, schema.table_dtype("items")[name])
        for name in ("scan_id", "item_id", "name", "x_min", "y_min", "x_max", "y_max")
    ]
)
"""Rows of `/boxes`: annotated objects in letterboxed pixels."""


def batch_of(scans: Sequence[tuple[ScanRecord, PreparedScan]]) -> ScanBatch:
    """Return some usable scans with their rows."""
    masks = [scan.labels for _, scan in scans if scan.labels is not None]
    boxes = [row for record, scan in scans for row in _box_rows(record, scan)]
    return ScanBatch(
        images=np.stack([scan.image for _, scan in scans if scan.image is not None]),
        metadata=np.array(
            [_scan_row(record, scan) for record, scan in scans], schema.table_dtype("scans")
        ),
        masks=np.stack(masks) if masks else None,
        boxes=np.array(boxes, BOXES),
    )


def scan_id(source: str) -> str:
    """Return a name of at most 40 characters that depends on the relative path alone.

    Examples
    --------
    >>> scan_id("JPEGImage/0001.jpg")
    '0001-7c37bf25804b8d33'
    """
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", PurePosixPath(source).stem)[-23:]
    return f"{stem}-{hashlib.sha256(source.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _scan_row(record: ScanRecord, scan: PreparedScan) -> tuple[object, ...]:
    """Return the row of the table `scans`."""
    row = {
        "scan_id": scan_id(record.images[0]).encode(),
        "view_id": 0,
        "source": _last_bytes(record.images[0], 200),
        "split": _first_bytes(record.split, 16),
        "seed": -1,
        "width_px": scan.size_px[0],
        "height_px": scan.size_px[1],
        "content_x": scan.content.x,
        "content_y": scan.content.y,
        "content_width": scan.content.width,
        "content_height": scan.content.height,
        "labels": labels_cell(scan.names),
        "n_items": len(scan.boxes),
        "n_left_out": 0,
    }
    return tuple(row[name] for name in schema.table_dtype("scans").names or ())


def _box_rows(record: ScanRecord, scan: PreparedScan) -> list[tuple[object, ...]]:
    """Return the rows of the table of boxes."""
    name = scan_id(record.images[0]).encode()
    return [
        (name, number, _first_bytes(box.name, 32), box.x_min, box.y_min, box.x_max, box.y_max)
        for number, box in enumerate(scan.boxes)
    ]


def _first_bytes(text: str, room: int) -> bytes:
    """Return the beginning of a text as whole UTF-8 characters."""
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore").encode()


def _last_bytes(text: str, room: int) -> bytes:
    """Return the end of a text as whole UTF-8 characters: of a path, the telling part."""
    return text.encode("utf-8", "replace")[-room:].decode("utf-8", "ignore").encode()
