"""Which samples a person should look at before use, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xraysynth.audit.config import AuditConfig
from xraysynth.audit.duplicates import Neighbours

REASONS = {
    "low confidence": "the segmenter is unsure of what it labelled",
    "empty mask": "nothing is labelled at all",
    "one class": "one class fills nearly the whole scan",
    "specks": "many regions too small to be objects",
    "saturated": "much of the scan is black, or nearly all of it is white",
    "flat": "the scan has almost no contrast",
    "near-duplicate": "an earlier sample looks almost the same",
    "training match": "a training scan looks almost the same",
}
"""Every reason, in the order of the report."""
COLUMNS = ["sample_index", "sample_id", "reason", "value", "limit"]


@dataclass(frozen=True)
class _Rule:
    """A condition on every sample: where it holds, the value that broke the limit."""

    reason: str
    holds: np.ndarray
    value: np.ndarray
    limit: float


def find_flags(
    measures: np.ndarray, near: Neighbours, training: Neighbours | None, config: AuditConfig
) -> pd.DataFrame:
    """Return one row a sample and reason, in the order of the samples.

    Parameters
    ----------
    measures : (N,) as of `measures.gather`
    near : near-duplicates within the export; the first of each group is not flagged
    training : matches among the training scans, if they are known
    config : the limits

    Returns
    -------
    frame with `COLUMNS`
        `value` is what was measured, `limit` what it must not pass.
    """
    rules = [*_mask_rules(measures, config), *_picture_rules(measures, config)]
    rules.append(_Rule("near-duplicate", repeated(near), near.distance, config.hash_distance))
    if training is not None:
        rules.append(
            _Rule("training match", training.nearest >= 0, training.distance, config.hash_distance)
        )
    frames = [_rows(rule, measures) for rule in rules]
    table = pd.concat(frames, ignore_index=True)
    rank = {reason: place for place, reason in enumerate(REASONS)}
    order = np.lexsort((table["reason"].map(rank), table["sample_index"]))
    return table.iloc[order].reset_index(drop=True)


def repeated(near: Neighbours) -> np.ndarray:
    """Return (N,) bool: member of a group of near-duplicates, but not its first."""
    again = near.group >= 0
    _, first = np.unique(near.group, return_index=True)
    again[first] = False
    return again


def _mask_rules(measures: np.ndarray, config: AuditConfig) -> list[_Rule]:
    """Return the rules about masks and confidences."""
    empty = measures["foreground_share"] <= 0
    confidence = measures["foreground_confidence"]
    return [
        # An unknown confidence is NaN, and NaN is below nothing.
        _Rule(
            "low confidence", confidence < config.min_confidence, confidence, config.min_confidence
        ),
        _Rule("empty mask", empty, measures["foreground_share"], 0.0),
        _Rule(
            "one class",
            (measures["largest_share"] > config.max_class_share) & ~empty,
            measures["largest_share"],
            config.max_class_share,
        ),
        _Rule(
            "specks",
            measures["n_specks"] > config.max_specks,
            measures["n_specks"],
            config.max_specks,
        ),
    ]


def _picture_rules(measures: np.ndarray, config: AuditConfig) -> list[_Rule]:
    """Return the rules about the scans themselves."""
    black, white, contrast = (measures[name] for name in ("black_share", "white_share", "contrast"))
    flat = contrast < config.min_contrast
    return [
        _Rule("saturated", black > config.max_black_share, black, config.max_black_share),
        _Rule("saturated", (white > config.max_white_share) & ~flat, white, config.max_white_share),
        _Rule("flat", flat, contrast, config.min_contrast),
    ]


def _rows(rule: _Rule, measures: np.ndarray) -> pd.DataFrame:
    """Return the rows of one rule."""
    places = np.flatnonzero(rule.holds)
    return pd.DataFrame(
        {
            "sample_index": places,
            "sample_id": [name.decode("utf-8", "replace") for name in measures["name"][places]],
            "reason": np.full(len(places), rule.reason, object),
            "value": rule.value[places].astype(np.float64),
            "limit": np.full(len(places), float(rule.limit)),
        },
        columns=COLUMNS,
    )
