"""What all conversions start from: samples with names, pictures and objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from xraysynth.errors import DamagedError
from xraysynth.shards.reader import ShardSet
from xraysynth.shards.regions import Region, find_regions
from xraysynth.shards.samples import object_class_ids

PLAIN_NAME = re.compile(r"[0-9A-Za-z_-]{1,48}")
BATCH = 16


@dataclass(frozen=True, kw_only=True)
class AnnotatedSample:
    """One sample, ready to be written in another format."""

    name: str
    """The sample_id; safe as a file name."""
    image: np.ndarray
    mask: np.ndarray
    overlap: np.ndarray
    confidence: np.ndarray
    metadata: dict[str, Any]
    regions: list[Region]

    def score(self, region: Region) -> float:
        """Return the mean confidence of a region, 0 to 1."""
        values = self.confidence[region.rows, region.columns][region.inside]
        return round(float(values.mean()) / 255, 4)


def annotated_samples(shards: ShardSet) -> Iterator[AnnotatedSample]:
    """Yield every sample with its objects.

    Raises
    ------
    DamagedError
        If a sample cannot be read, or its name could lead out of a folder.
    """
    class_ids = object_class_ids(tuple(shards.class_names))
    config = shards.manifest.describe
    for batch in shards.batches(BATCH):
        for row, metadata in enumerate(batch["metadata"]):
            mask, overlap = batch["mask"][row], batch["overlap"][row]
            yield AnnotatedSample(
                name=_plain(metadata["sample_id"]),
                image=batch["image"][row],
                mask=mask,
                overlap=overlap,
                confidence=batch["confidence"][row],
                metadata=metadata,
                regions=find_regions(mask, class_ids, config, overlap),
            )


def box(region: Region) -> list[int]:
    """Return x, y, width and height of a region."""
    left, top = region.columns.start, region.rows.start
    return [left, top, region.columns.stop - left, region.rows.stop - top]


def _plain(name: str) -> str:
    """Return a sample_id, or raise if it is none."""
    if not PLAIN_NAME.fullmatch(name):
        raise DamagedError(
            f"sample_id {name!r:.80} holds more than letters, digits, - and _; it cannot name a "
            "file. `xraysynth verify` tells what is damaged.",
            code="metadata",
        )
    return name
