"""Protocol C: a network trained on exported pairs alone, tested on scans with exact masks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from xraysynth import schema
from xraysynth.evaluate.metrics import Confusion
from xraysynth.evaluate.suite.config import DownstreamConfig
from xraysynth.evaluate.suite.contestant import Place
from xraysynth.evaluate.suite.material import Material
from xraysynth.evaluate.suite.requests import follow, rule_of
from xraysynth.evaluate.suite.scan_rows import downstream_rows
from xraysynth.evaluate.suite.tasks import Task, drawn, known
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.baselines.batch import FeatureBatch
from xraysynth.oneshot.baselines.model import PixelModel, batches, labelled
from xraysynth.oneshot.labeller import class_probabilities, split_scans, train_classifier
from xraysynth.randomness import stream_seed
from xraysynth.scanfile import ScanBatch, n_views, open_scans, write_scans

BLOCK = 32
"""Scans in memory at a time."""

Masks = Callable[[FeatureBatch, Tensor | None], np.ndarray]
"""A few scans, and what is known of them, to masks (n, H, W) in the task's ids."""
Pairs = Iterator[tuple[np.ndarray, np.ndarray]]
"""Scans (n, H, W, C) and masks (n, H, W) in the task's ids."""


def pairs_cell(
    material: Material, model: PixelModel, place: Place, config: DownstreamConfig
) -> dict[str, Any]:
    """Return the test of a network trained on generated scans and a model's masks."""
    rule = rule_of(model, material.generator) if place.requests else None
    ids = place.task.ids(model.class_names if rule is None else rule.class_names)

    def masks(batch: FeatureBatch, asked: Tensor | None) -> np.ndarray:
        return ids[labelled(follow(model.known_scores(batch), rule, asked))[0]]

    pairs = _generated_pairs(material, place.task, config, masks)
    return _trained_and_tested(material, pairs, place.task, place.exemplar, config)


def judge_cell(
    material: Material, task: Task, number: int, config: DownstreamConfig
) -> dict[str, Any]:
    """Return the test of a network trained on generated scans and the oracle's masks.

    What it lacks of exact pairs, the generator lacks, and the oracle.
    """
    ids, oracle = task.ids(material.class_names), material.networks.oracle

    def masks(batch: FeatureBatch, _: Tensor | None) -> np.ndarray:
        images = generated_images(material.generator, batch.images)
        return ids[class_probabilities(oracle.model, images).argmax(1)]

    pairs = _generated_pairs(material, task, config, masks)
    return _trained_and_tested(material, pairs, task, number, config)


def exact_cell(
    material: Material, task: Task, number: int, config: DownstreamConfig
) -> dict[str, Any]:
    """Return the test of a network trained on as many simulated scans and exact masks."""
    return _trained_and_tested(material, _exact_pairs(material, task, config), task, number, config)


def _generated_pairs(
    material: Material, task: Task, config: DownstreamConfig, masks: Masks
) -> Pairs:
    """Yield generated scans and their masks; others than those of protocol A."""
    generator = material.generator
    seed, psi = stream_seed(material.seed, "suite pairs"), material.config.truncation_psi
    for start in range(0, config.pairs, BLOCK):
        numbers = range(start, min(start + BLOCK, config.pairs))
        requests, at = known(generator, task, numbers, seed), 0
        for batch in batches(generator, drawn(generator, task, numbers, psi, seed)):
            some = None if requests is None else requests[at : at + len(batch)]
            yield generated_images(generator, batch.images), masks(batch, some)
            at += len(batch)


def _exact_pairs(material: Material, task: Task, config: DownstreamConfig) -> Pairs:
    """Yield simulated scans and exact masks."""
    ids, rows = (
        task.ids(material.class_names),
        downstream_rows(material.scans, material.seed, config.pairs),
    )
    with open_scans(material.scans) as file:
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            yield file["images"][some], ids[file["masks"][some]]


def _trained_and_tested(
    material: Material, pairs: Pairs, task: Task, number: int, config: DownstreamConfig
) -> dict[str, Any]:
    """Return the confusion on held-out scans of a network trained on pairs."""
    dtype = schema.table_dtype("scans")
    parts = (
        ScanBatch(images=images, masks=masks, metadata=np.zeros(len(images), dtype))
        for images, masks in pairs
    )
    seed = stream_seed(material.seed, "suite downstream", number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.h5"
        names = list(task.class_names)
        write_scans(path, parts, count=config.pairs, classes=names, attributes={})
        network = train_classifier(path, np.arange(config.pairs), config.unet, seed)
    confusion, ids = Confusion(task.class_names), task.ids(material.class_names)
    with open_scans(material.scans) as file:
        held_out = split_scans(len(file["images"]), n_views(file)).held_out
        held_out = held_out[: material.config.oracle.held_out]
        for start in range(0, len(held_out), BLOCK):
            some = held_out[start : start + BLOCK]
            found = class_probabilities(network, file["images"][some]).argmax(1)
            confusion.add(ids[file["masks"][some]], found)
    return {
        "scans": len(held_out),
        "pairs": config.pairs,
        "classes": list(task.class_names),
        "confusion": confusion.matrix.tolist(),
    }
