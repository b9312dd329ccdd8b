"""Our segmenter with one choice changed at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xraysynth.evaluate.suite.config import BAG, SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.methods import METHODS, OURS
from xraysynth.settings import settings_from_mapping

CLUSTERS = {"head.reads": "clusters"}
"""The head reads what the clustering projects features to."""
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "features of every resolution": {"head.sites_from_px": 4},
    "features from 16 px": {"head.sites_from_px": 16},
    "features of 64 px alone": {"head.sites_from_px": 64},
    "128 random mixtures of the features": {"head.dim": 128},
    "clusters: projected to 128 values": CLUSTERS,
    "clusters: projected to 256 values": {**CLUSTERS, "cluster.dim": 256},
    "clusters: no block perturbed": {**CLUSTERS, "cluster.views.swap_strength": 0.0},
    "clusters: blocks perturbed from 32 px": {**CLUSTERS, "cluster.views.swap_from_px": 32},
    "clusters: 256 prototypes": {**CLUSTERS, "cluster.prototypes": 256},
    "clusters: no equipartition": {**CLUSTERS, "cluster.sinkhorn_iterations": 0},
    "unlabelled scans do not count": {"head.unlabelled.weight": 0.0},
    "unlabelled scans count twice as much": {"head.unlabelled.weight": 1.0},
    "blind to requests": {"head.unlabelled.requests": False},
    "the head labels no scans itself": {"head.unlabelled.rounds": 0},
    "it labels them four times": {"head.unlabelled.rounds": 4},
    "scores not drawn to edges": {"refine.steps": 0},
    "smoothing over 3 x 3 instead": {"refine.steps": 0, "smoothing_px": 1},
    "twelve restyled views of the exemplar": {"head.views": 12},
    "weight decay 0.001": {"head.weight_decay": 0.001},
    "weight decay 0.1": {"head.weight_decay": 0.1},
    "classes not balanced": {"head.balance": 0.0},
}
"""What is changed, by the name in the table."""
N_THREATS = 2
"""Threats whose tasks are part of it, beside the bag: the most frequent ones."""


def contestants(config: LearnConfig) -> list[Contestant]:
    """Return our segmenter with some settings, and every variant of it."""
    ours = METHODS[OURS].changed(OURS, METHODS[OURS].summary, config)
    variants = [
        Contestant(method=ours.changed(name, "", changed(config, changes)))
        for name, changes in CHANGES.items()
    ]
    named = ours.changed
    return [
        Contestant(method=ours),
        *variants,
        Contestant(method=named("exemplar chosen by lot", "", ours.config), choice="random"),
        *(
            Contestant(method=named(f"{count} exemplars", "", ours.config), exemplars=count)
            for count in (2, 5)
        ),
    ]


def narrowed(config: SuiteConfig, tasks: Sequence[str]) -> SuiteConfig:
    """Return settings with protocol A alone, and few tasks unless some are named.

    Examples
    --------
    >>> narrowed(SuiteConfig(), ["gun", "knife", "wrench", "bag"]).tasks
    ('gun', 'knife', 'bag')
    """
    few = (*[name for name in tasks if name != BAG][:N_THREATS], BAG)
    return config.model_copy(update={"protocols": ("A",), "tasks": config.tasks or few})


def changed(config: LearnConfig, changes: Mapping[str, Any]) -> LearnConfig:
    """Return settings with some changed, by dotted names.

    Examples
    --------
    >>> changed(LearnConfig(), {"cluster.dim": 32}).cluster.dim
    32
    """
    content = config.model_dump()
    for path, value in changes.items():
        *parents, name = path.split(".")
        level = content
        for parent in parents:
            level = level[parent]
        level[name] = value
    return settings_from_mapping(LearnConfig, content)
