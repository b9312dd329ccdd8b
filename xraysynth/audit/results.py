"""All that an audit found, before it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from xraysynth.audit import tables
from xraysynth.audit.config import AuditConfig
from xraysynth.audit.duplicates import Neighbours, find_within, match_within, nearest_of
from xraysynth.audit.figures import spread
from xraysynth.audit.flags import find_flags
from xraysynth.audit.measures import Findings, gather
from xraysynth.audit.sources import ScanSource, ShardSource
from xraysynth.progress import Progress

TABLES = {
    "images.csv": "one row a sample: contents, confidence, saturation, hash",
    "classes.csv": "pixels, scans and objects of each class, beside the training scans",
    "mask_areas.csv": "quantiles of a class's pixels in a scan",
    "objects_summary.csv": "quantiles of object sizes",
    "objects_per_image.csv": "scans by number of objects",
    "confidence.csv": "mean and quantiles of confidence by class",
    "confidence_levels.csv": "pixels at each stored level of confidence",
    "places.csv": "the heat maps",
    "company.csv": "classes in one scan, and over each other",
    "near_duplicates.csv": "samples with a near-duplicate, by group",
    "training_matches.csv": "samples close to a training scan",
    "distances.csv": "distances to the nearest other scan",
    "flagged.csv": "samples to look at, one row a reason",
}
"""Every table that an audit writes, and what it holds."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was read, and what was found in it."""

    config: AuditConfig
    shards: ShardSource
    scans: ScanSource | None
    generated: Findings
    training: Findings | None
    """None without training scans."""
    near: Neighbours
    matches: Neighbours | None
    """None without training scans."""
    distances: dict[str, np.ndarray]
    """Distance to the nearest other scan, of up to `config.probes` scans, by comparison."""
    flags: pd.DataFrame
    facts: Mapping[str, Any]

    @property
    def truth(self) -> Findings | None:
        """Findings of the training scans, if these have masks."""
        return self.training if self.scans is not None and self.scans.has_masks else None

    def sets(self) -> dict[str, Findings]:
        """Return the findings of every set of scans with masks, by name."""
        sets = {"generated": self.generated}
        return sets if self.truth is None else {**sets, "training": self.truth}


def find(
    shards: ShardSource,
    scans: ScanSource | None,
    config: AuditConfig,
    facts: Mapping[str, Any],
    progress: Progress,
) -> Results:
    """Read everything once and find all that the report tells."""
    describe = shards.manifest.describe
    generated = gather(shards, config, progress, "exported samples", describe)
    training = None
    if scans is not None:
        training = gather(scans, config, progress, "training scans", describe)
    hashes = generated.measures["phash"]
    near = find_within(hashes, config.hash_distance)
    matches, distances = None, {}
    distances["generated to generated"] = _nearest(hashes, hashes, config.probes, same=True)
    if training is not None:
        others = training.measures["phash"]
        matches = match_within(hashes, others, config.hash_distance)
        distances["generated to training"] = _nearest(hashes, others, config.probes, same=False)
        distances["training to training"] = _nearest(others, others, config.probes, same=True)
    return Results(
        config=config,
        shards=shards,
        scans=scans,
        generated=generated,
        training=training,
        near=near,
        matches=matches,
        distances=distances,
        flags=find_flags(generated.measures, near, matches, config),
        facts=facts,
    )


def all_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Return every table of `TABLES`."""
    generated, sets = results.generated, results.sets()
    measures = generated.measures
    training = measures[:0] if results.training is None else results.training.measures
    matches = results.matches or match_within(measures["phash"][:0], training["phash"], 0)
    matched = tables.neighbours_table(matches, measures, training, "scan").drop(columns="group")
    frames = (
        tables.images_table(measures),
        tables.classes_table(generated, results.truth),
        tables.sizes_table(sets, "areas"),
        tables.sizes_table(sets, "object_areas"),
        tables.objects_per_image_table(sets),
        tables.confidence_table(generated.masks.class_names, generated.confidence),
        tables.confidence_levels_table(generated.confidence),
        tables.places_table(generated),
        tables.company_table(generated),
        tables.neighbours_table(results.near, measures, measures, "nearest"),
        matched,
        tables.distances_table(results.distances),
        results.flags,
    )
    return dict(zip(TABLES, frames, strict=True))


def _nearest(probes: np.ndarray, hashes: np.ndarray, wanted: int, *, same: bool) -> np.ndarray:
    """Return the distance to the nearest other hash of some probes, evenly spread."""
    places = np.array(spread(len(probes), wanted), np.int64)
    if len(hashes) < (2 if same else 1) or not len(places):
        return np.zeros(0, np.int64)
    return nearest_of(probes[places], hashes, places if same else None)[1]
