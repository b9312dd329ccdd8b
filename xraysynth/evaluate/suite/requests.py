"""What test scans were asked to hold, and latents say, applied to any method's scores alike.

Our export does so (`oneshot/request.py`). It is knowledge about the scan, not about the segmenter,
so every method is measured without it and with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from xraysynth.gan.clutter import clutter_classes
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.baselines.model import PixelModel
from xraysynth.oneshot.request import RequestRule

REQUESTED = "requested"
"""Key of a cell's counts with requests applied."""


def rule_of(model: PixelModel, generator: Generator) -> RequestRule | None:
    """Return the rule of a model, or None if neither requests nor latents say anything."""
    config = generator.config
    clutter = clutter_classes(config.clutter)
    if not config.contents and not clutter:
        return None
    return RequestRule.of(model.class_names, config.label_names, config.contents, clutter)


def follow(scores: Tensor, rule: RequestRule | None, asked: Tensor | None) -> Tensor:
    """Return scores (n, classes, H, W) that follow what is known of scans, if anything is."""
    if rule is None or asked is None:
        return scores
    return rule.scores(scores, asked)


def with_requests(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells that were counted with requests as well, with those counts as their own.

    Examples
    --------
    >>> with_requests([{"confusion": [[1]], "requested": {"confusion": [[2]]}}, {"confusion": 3}])
    [{'confusion': [[2]]}]
    """
    return [
        {**{key: value for key, value in cell.items() if key != REQUESTED}, **cell[REQUESTED]}
        for cell in cells
        if REQUESTED in cell
    ]
