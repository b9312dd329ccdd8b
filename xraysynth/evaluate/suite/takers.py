"""Who takes part in which suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from xraysynth.evaluate.suite import ablation
from xraysynth.evaluate.suite.config import BAG, SuiteConfig
from xraysynth.evaluate.suite.contestant import Contestant
from xraysynth.evaluate.suite.material import Choice
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.methods import METHODS, OURS, PUBLISHED, method

Suite = Literal["paper", "ablation"]
CHOICES: Mapping[str, Choice] = {
    "ours, scan proposed without labels": "unlabelled",
    "ours, scan by lot": "random",
}
"""Other ways to choose the scan of the bag's task, by the name in the table."""
BLIND = "ours, blind to requests"
"""Ours, but for what unlabelled scans were asked to hold: it knows no more than the others do."""
BLIND_SUMMARY = "the same, not told what unlabelled scans were asked for"
AT_ONCE = "ours, all exemplars at once"
"""The bag's task learned from all its exemplars together."""
TOGETHER = "ours, eight scans chosen together"
"""Scans that hold all classes between them where they can, and the head of the quickstart."""
TOGETHER_HEAD = {"head.balance": 0.25, "head.weight_decay": 0.03}


def blind(config: LearnConfig) -> LearnConfig:
    """Return settings under which requests are not used."""
    return ablation.changed(config, {"head.unlabelled.requests": False})


def contestants(suite: Suite, config: SuiteConfig) -> list[Contestant]:
    """Return what takes part: ours first.

    Raises
    ------
    InputError
        If there is no such method.
    """
    if suite == "ablation":
        return ablation.contestants(config.ours)
    names = dict.fromkeys([OURS, *(method(name).name for name in config.methods)])
    given = {OURS: config.ours, PUBLISHED: config.published}
    every = [
        METHODS[name].changed(name, METHODS[name].summary, given.get(name, config.baseline))
        for name in names
    ]
    ours = Contestant(method=every[0], tasks=(BAG,))
    return [
        *(Contestant(method=one) for one in every),
        Contestant(method=every[0].changed(BLIND, BLIND_SUMMARY, blind(config.ours))),
        *(replace(ours.renamed(name), choice=how) for name, how in CHOICES.items()),
        replace(ours.renamed(AT_ONCE), exemplars=config.material.exemplars),
        Contestant(
            method=every[0].changed(TOGETHER, "", ablation.changed(config.ours, TOGETHER_HEAD)),
            exemplars=config.material.together.count,
            choice="together",
            tasks=(BAG,),
        ),
    ]
