"""What goes into a shard, and what an export says about itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field

from xraysynth import schema
from xraysynth.errors import InputError, SchemaError
from xraysynth.settings import Settings
from xraysynth.shards.touching import SplitConfig

LEFT_OUT_GROUPS = ("background", "bag")
"""Groups that are no objects: they fill the scan rather than lie in it."""


class DescribeConfig(Settings):
    """How samples are measured, and when one is flagged for a person to look at."""

    min_area_px: int = Field(default=4, ge=1)
    """Smaller regions are no objects; in pixels."""
    join_divided: bool = True
    """Pieces of a class that it connects under another item, by the overlaps, are one object."""
    split: SplitConfig = SplitConfig()
    """When one region is two touching objects."""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Flag samples whose mean confidence off the background is below this."""
    min_foreground_share: float = Field(default=0.005, ge=0, le=1)
    """Flag samples with less foreground than this share of the pixels."""
    max_foreground_share: float = Field(default=0.995, ge=0, le=1)
    """Flag samples with more foreground than this share of the pixels."""


@dataclass(frozen=True, kw_only=True)
class ExportInfo:
    """What every shard of one export has in common.

    Raises
    ------
    InputError
        If there is no class, more than 32, a name that is empty, too long or double, or all names
        together are too long.
    """

    class_names: tuple[str, ...]
    """The place in the tuple is the id in the masks; place 0 is background."""
    seed: int
    generator_hash: str
    segmenter_hash: str
    truncation_psi: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Resolved settings of the export, as JSON can hold them."""
    describe: DescribeConfig = field(default_factory=lambda: DescribeConfig())

    def __post_init__(self) -> None:
        names = self.class_names
        room = schema.table_dtype("classes")["class_name"].itemsize
        if not 1 <= len(names) <= schema.MAX_CLASSES or len(set(names)) != len(names):
            raise InputError(
                f"{len(names)} class names {list(names)}; want 1 to {schema.MAX_CLASSES}, each "
                "once."
            )
        for name in names:
            if not 0 < len(name.encode()) <= room or "," in name or not name.isprintable():
                raise InputError(
                    f"{name!r} cannot name a class; want 1 to {room} bytes of printable text "
                    "without comma."
                )
        check_names_fit(names[1:])

    @property
    def settings_hash(self) -> str:
        """16 hexadecimal digits over all that decides the content of a shard."""
        text = json.dumps(self.as_json(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {
            "class_names": list(self.class_names),
            "seed": self.seed,
            "generator_hash": self.generator_hash,
            "segmenter_hash": self.segmenter_hash,
            "truncation_psi": self.truncation_psi,
            "settings": dict(self.settings),
            "describe": self.describe.model_dump(mode="json"),
        }


def check_names_fit(names: Iterable[str], column: str = "classes_present") -> None:
    """Raise unless one sample could hold all these contents: a column lists them with commas.

    Parameters
    ----------
    names : classes without background, or contents that can be asked for
    column : of table `images`

    Raises
    ------
    InputError
        If they do not fit.

    Examples
    --------
    >>> check_names_fit(["gun", "knife"])
    """
    text, room = _joined(names, column)
    if len(text) > room:
        raise InputError(
            f"the names of all contents take {len(text)} bytes with commas between them; want at "
            f"most {room} bytes. Shorten them, or leave some out."
        )


def join_names(names: Iterable[str], column: str) -> bytes:
    """Return names with commas between, for a column of table `images`.

    Raises
    ------
    SchemaError
        If they do not fit: a name left out would be a content denied.
    """
    text, room = _joined(names, column)
    if len(text) > room:
        raise SchemaError(
            f"{column} would take {len(text)} bytes; want at most {room}. Shorten the names.",
            where=column,
        )
    return text


def _joined(names: Iterable[str], column: str) -> tuple[bytes, int]:
    """Return names with commas between, and the bytes that a column of `images` has for them."""
    return ",".join(names).encode(), schema.table_dtype("images")[column].itemsize


@dataclass(frozen=True, kw_only=True)
class SampleArrays:
    """Scans with labels, pixel for pixel."""

    images: np.ndarray
    """(n, H, W, C) uint8 or uint16, C is 1 (grey), 2 (low and high energy) or 3 (pseudo-colour)."""
    masks: np.ndarray
    """(n, H, W) uint8, class id of each pixel."""
    overlaps: np.ndarray
    """(n, H, W) uint32, bit c is set where class c is crossed; holds the mask's own class."""
    confidence: np.ndarray
    """(n, H, W) uint8, 0 to 255 for 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class ShardSamples(SampleArrays):
    """All that a shard holds."""

    metadata: np.ndarray
    """(n,) compound, table `images`."""


ARRAYS: dict[str, tuple[tuple[str, ...], int]] = {
    "images": (("uint8", "uint16"), 4),
    "masks": (("uint8",), 3),
    "overlaps": (("uint32",), 3),
    "confidence": (("uint8",), 3),
}
"""Data sets of a shard, their types and numbers of axes, the first one the sample."""


def check_arrays(arrays: SampleArrays, class_names: tuple[str, ...]) -> None:
    """Raise SchemaError if types, shapes or class ids are not what a shard holds."""
    for name, (dtypes, axes) in ARRAYS.items():
        array: np.ndarray = getattr(arrays, name)
        if array.dtype.name not in dtypes:
            raise SchemaError(
                f"{name} is {array.dtype}; want {' or '.join(dtypes)}.",
                code="shard-dtype",
                where=name,
            )
        if array.ndim != axes or array.shape[:3] != arrays.masks.shape or not array[:1].size:
            raise SchemaError(
                f"{name} has shape {array.shape}, masks {arrays.masks.shape}; want the same "
                "samples, rows and columns, at least one of each.",
                code="shard-shape",
                where=name,
            )
    if int(arrays.masks.max()) >= len(class_names):
        raise SchemaError(
            f"masks hold class id {arrays.masks.max()}; the {len(class_names)} class names end at "
            f"{len(class_names) - 1}.",
            code="mask-class",
            where="masks",
        )
    if not own_class_overlaps(arrays.masks, arrays.overlaps).all():
        raise SchemaError(
            "a pixel's own class is missing from its overlaps; set bit c where the mask is c > 0.",
            code="overlap-bit",
            where="overlaps",
        )


def own_class_overlaps(masks: np.ndarray, overlaps: np.ndarray) -> np.ndarray:
    """Tell, a pixel, whether the bit of the mask's class is set; background needs none."""
    bits = np.left_shift(np.uint32(1), masks.astype(np.uint32) & np.uint32(31))
    own: np.ndarray = ((overlaps & bits) != 0) | (masks == 0)
    return own


def shard_name(number: int) -> str:
    """Return the file name of a shard.

    Examples
    --------
    >>> shard_name(7)
    'shard-00007.h5'
    """
    return f"shard-{number:05d}.h5"


def object_class_ids(class_names: tuple[str, ...]) -> list[int]:
    """Return the ids whose regions are objects: all but background and bag.

    Examples
    --------
    >>> object_class_ids(("background", "bag", "gun", "torch lamp"))
    [2, 3]
    """
    return [
        class_id
        for class_id, name in enumerate(class_names)
        if class_id > 0 and group_of(name) not in LEFT_OUT_GROUPS
    ]


def group_of(class_name: str) -> str:
    """Return the group of a class, "other" for names that are not ours."""
    known = schema.classes().get(class_name)
    return known.group if known else "other"
