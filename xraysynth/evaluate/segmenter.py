"""Protocol A: exported masks against an oracle's labels of the same scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.errors import InputError
from xraysynth.evaluate.honesty import Honesty
from xraysynth.evaluate.metrics import Confusion, scores
from xraysynth.evaluate.oracle import Oracle, OracleConfig, group_of_classes, train_oracle
from xraysynth.evaluate.reliability import write_reliability
from xraysynth.files import write_json
from xraysynth.oneshot.labeller import STRIDE, class_probabilities
from xraysynth.progress import Progress, silent
from xraysynth.scanfile import CHANNELS, open_scans
from xraysynth.shards.reader import ShardSet

BLOCK = 128
"""Samples in memory at a time."""


def evaluate_segmenter(  # noqa: PLR0913 (what the command line names)
    shards: Path,
    scans: Path,
    config: OracleConfig,
    seed: int,
    out: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score the masks of exported shards by an oracle trained on simulated scans.

    Parameters
    ----------
    shards : a finished export
    scans : simulated scans with exact masks, like those that the generator learned from
    out : where the figures are written as JSON, the reliability curves beside it as
        `NAME.reliability.png`; None writes nothing

    Returns
    -------
    dict
        All figures: `segmenter` against all classes of the oracle, `segmenter_taught` when the
        oracle may only answer with classes of the masks, `oracle` with its own score;
        `confidence` and `confidence_taught`, how often what is said with a confidence is right;
        `labels_follow_requests`: whether the masks know what each scan was asked to hold.

    Raises
    ------
    InputError
        If the masks have classes that the oracle cannot know, or the scans differ in kind.
    """
    exported = ShardSet(shards)
    _check_scans(exported, scans)
    oracle = train_oracle(scans, config, seed, progress)
    report = {
        "protocol": "A: labels that an oracle gives to the exported scans are taken as the truth",
        "shards": str(shards),
        "scans": str(scans),
        "seed": seed,
        **judge(exported, oracle),
        "oracle": oracle.facts,
    }
    if out is not None:
        write_json(out, report)
        write_reliability(reliability_picture(out), report["confidence"])
    return report


def reliability_picture(out: Path) -> Path:
    """Return where the curves of a report are drawn.

    Examples
    --------
    >>> reliability_picture(Path("runs/scores.json")).name
    'scores.reliability.png'
    """
    return out.with_suffix(".reliability.png")


def judge(exported: ShardSet, oracle: Oracle) -> dict[str, Any]:
    """Return how exported masks score with this oracle, and how sure the oracle was."""
    names = oracle.class_names
    own_ids = class_ids(exported.class_names, names)
    everything, taught = Confusion(names), Confusion(names)
    honesty, honesty_taught = (Honesty(exported.manifest) for _ in range(2))
    sure, count = 0.0, 0
    for batch in exported.batches(BLOCK):
        probability = class_probabilities(oracle.model, batch["image"])
        masks = own_ids[batch["mask"]]
        for truth, counts, said in (
            (probability.argmax(1), everything, honesty),
            (own_ids[probability[:, own_ids].argmax(1)], taught, honesty_taught),
        ):
            counts.add(truth, masks)
            said.add(batch, truth == masks)
        sure += float(probability.max(1).mean()) * len(masks)
        count += len(masks)
    groups = group_of_classes()
    return {
        "samples": count,
        "exemplar_classes": list(exported.class_names),
        "exemplar_origins": exported.manifest.settings.get("exemplar_origins", []),
        "labels_follow_requests": _follow_requests(exported.manifest.settings),
        "background_counts_in_mean_iou": True,
        "segmenter": scores(everything, groups),
        "segmenter_taught": scores(taught, groups),
        "confidence": honesty.figures(),
        "confidence_taught": honesty_taught.figures(),
        "oracle_mean_confidence_on_exported_scans": round(sure / count, 6),
    }


def class_ids(class_names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Return the oracle's id of each class of the masks.

    Raises
    ------
    InputError
        If the oracle does not know a class.

    Examples
    --------
    >>> class_ids(["background", "gun"], ["background", "bag", "gun"]).tolist()
    [0, 2]
    """
    unknown = [name for name in class_names if name not in known]
    if unknown:
        raise InputError(
            f"the masks have the class {unknown[0]!r}, which the simulated scans lack; an oracle "
            f"knows {', '.join(known)}. Score masks whose exemplar has classes of the simulator."
        )
    return np.array([list(known).index(name) for name in class_names], dtype=np.uint8)


def _follow_requests(settings: Mapping[str, Any]) -> bool:
    """Return whether masks were made knowing what each scan had been asked to hold."""
    asked = settings.get("balance") or settings.get("contains")
    return bool(asked and settings.get("use_request"))


def _check_scans(exported: ShardSet, scans: Path) -> None:
    """Raise unless the oracle can look at the exported scans."""
    with open_scans(scans) as file:
        channels, names = CHANNELS[file["images"].shape[3]], file.attrs.get("classes", "[]")
    manifest = exported.manifest
    if manifest.channels != channels:
        raise InputError(
            f"the exported scans have channels {manifest.channels} and {scans} has {channels}; "
            "want the simulated scans that the generator learned from."
        )
    if manifest.image_height_px % STRIDE or manifest.image_width_px % STRIDE:
        raise InputError(
            f"the exported scans are {manifest.image_width_px} x {manifest.image_height_px}; "
            f"the oracle wants multiples of {STRIDE} pixels."
        )
    if names == "[]":
        raise InputError(f"{scans} has no exact masks; want scans of the embedded simulator.")
