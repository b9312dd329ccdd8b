"""What the report shows of near-duplicates and flagged samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from xraysynth.audit import figures, view
from xraysynth.audit.duplicates import nearest_of
from xraysynth.audit.flags import REASONS, repeated
from xraysynth.audit.results import Results


def duplicates(results: Results) -> dict[str, Any]:
    """Return the pictures and the sentence about near-duplicates."""
    shards, scans, config = results.shards, results.scans, results.config
    hashes = results.generated.measures["phash"]
    again = int(repeated(results.near).sum())
    text = (
        f"{_samples(again)} of {shards.count} repeat an earlier one, in {results.near.n_groups} "
        "groups; members of a group may be joined through others."
        if again
        else f"No two of the {shards.count} samples are near-duplicates."
    )
    training_pairs: list[figures.Figure] = []
    if scans is not None and results.training is not None and results.matches is not None:
        matched = int((results.matches.nearest >= 0).sum())
        text += f" {_samples(matched)} close to one of the {scans.count} training scans."
        closest = closest_pairs(hashes, results.training.measures["phash"], results, same=False)
        training_pairs = figures.pair_figures(shards, scans, closest, config)
    closest = closest_pairs(hashes, hashes, results, same=True)
    return {
        "duplicates_text": text,
        "near_pairs": figures.pair_figures(shards, shards, closest, config),
        "training_pairs": training_pairs,
    }


def _samples(count: int) -> str:
    """Return a number of samples in words."""
    return f"{count} sample" if count == 1 else f"{count} samples"


def closest_pairs(
    hashes: np.ndarray, others: np.ndarray, results: Results, *, same: bool
) -> list[tuple[int, int, int]]:
    """Return the closest pairs: near-duplicates first, then the closest of the probes."""
    near = results.near if same else results.matches
    if near is None or len(others) < (2 if same else 1):
        return []
    found = {
        int(place): (int(near.nearest[place]), int(near.distance[place]))
        for place in np.flatnonzero(near.nearest >= 0)
    }
    probes = np.array(figures.spread(len(hashes), results.config.probes), np.int64)
    places, distances = nearest_of(hashes[probes], others, probes if same else None)
    for probe, place, distance in zip(
        probes.tolist(), places.tolist(), distances.tolist(), strict=True
    ):
        found.setdefault(probe, (place, distance))
    pairs = {
        (min(first, second), max(first, second)) if same else (first, second): distance
        for first, (second, distance) in found.items()
    }
    ordered = sorted((distance, *pair) for pair, distance in pairs.items())
    chosen = ordered[: results.config.pairs_shown]
    return [(first, second, distance) for distance, first, second in chosen]


def flagged(results: Results) -> dict[str, Any]:
    """Return the reasons with their counts, and pictures of the worst of each."""
    flags, config = results.flags, results.config
    counts = flags.groupby("reason")["sample_index"].nunique()
    reasons = [
        {
            "reason": reason,
            "count": int(counts.get(reason, 0)),
            "share": float(counts.get(reason, 0)) / results.shards.count,
            "meaning": meaning,
        }
        for reason, meaning in REASONS.items()
        if reason != "training match" or results.matches is not None
    ]
    shown = [
        {
            "figure": figures.sample_figure(results.shards, place, config),
            "reasons": [
                f"{row['reason']}: {row['value']:.3g} (limit {row['limit']:.3g})"
                for row in view.records(flags[flags["sample_index"] == place])
            ],
        }
        for place in worst(flags, config.flagged_shown)
    ]
    return {"reasons": reasons, "flagged": shown}


def worst(flags: pd.DataFrame, wanted: int) -> list[int]:
    """Return which flagged samples to show: of every reason in turn the one farthest off."""
    apart = (flags["value"] - flags["limit"]).abs()
    ordered = flags.assign(apart=-apart).sort_values(["apart", "sample_index"], kind="stable")
    turn = ordered.groupby("reason").cumcount()
    rank = ordered["reason"].map({reason: place for place, reason in enumerate(REASONS)})
    ordered = ordered.assign(turn=turn, rank=rank).sort_values(["turn", "rank"], kind="stable")
    return [int(place) for place in ordered["sample_index"].drop_duplicates().head(wanted)]
