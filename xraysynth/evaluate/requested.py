"""Are the contents that were asked for there? A classifier judges, its own figures beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xraysynth.evaluate.contents_classifier import (
    ContentsClassifierConfig,
    LabelledRows,
    labelled_rows,
    own_figures,
    recognised,
    train_contents_classifier,
)
from xraysynth.evaluate.gan_material import Material
from xraysynth.gan.contents import requested_labels
from xraysynth.gan.generator import Generator
from xraysynth.gan.grids import sample_images
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream, stream_seed

TEST_SHARE = 0.25
"""Of the held-out scans, where a classifier must learn from them as well."""


def requested_figures(  # noqa: PLR0913 (what the evaluation hands over)
    generator: Generator,
    found: Material,
    count: int,
    config: ContentsClassifierConfig,
    seed: int,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Ask a generator for each of its contents alone, and let a classifier look for it.

    Parameters
    ----------
    generator : one that can be asked
    found : scans with known contents
    count : samples for each of the contents

    Returns
    -------
    dict
        By name `recognised` (share of samples asked for it in which it is found) and
        `false_alarms` (share of those asked for something else); `classifier` with the same
        figures of held-out scans.

    Notes
    -----
    The classifier never saw a generated scan: where it fails on them, either may be at fault.
    """
    names = generator.config.contents
    learn, test = _split(found, names, seed)
    model = train_contents_classifier(learn, names, config, seed, progress)
    found_in = {}
    for name in names:
        labels = requested_labels(generator.config, [name], False, range(count))
        own_seed = stream_seed(seed, "evaluate gan, requested", name)
        images = sample_images(generator, own_seed, count, labels=labels)
        found_in[name] = recognised(model, images) > 0
    figures = {
        name: {
            "recognised": round(float(found_in[name][:, place].mean()), 4),
            "false_alarms": _false_alarms(found_in, name, place),
        }
        for place, name in enumerate(names)
    }
    return {
        "samples_each": count,
        "contents": figures,
        "least_recognised": min(entry["recognised"] or 0.0 for entry in figures.values()),
        "classifier": {"training_scans": len(learn.rows), "held_out": own_figures(model, test)},
    }


def _false_alarms(found_in: dict[str, np.ndarray], name: str, place: int) -> float | None:
    """Return the share of samples asked for other contents in which one is found."""
    others = [found[:, place] for other, found in found_in.items() if other != name]
    return round(float(np.concatenate(others).mean()), 4) if others else None


def _split(found: Material, names: tuple[str, ...], seed: int) -> tuple[LabelledRows, LabelledRows]:
    """Return rows to learn from and rows to test on; never the same."""
    test = labelled_rows(found.held_out, names)
    if found.labelled is not None:
        return labelled_rows(found.labelled, names), test
    order = stream(seed, "contents split").permutation(len(test.rows))
    n_test = round(len(order) * TEST_SHARE)
    return _some(test, np.sort(order[n_test:])), _some(test, np.sort(order[:n_test]))


def _some(given: LabelledRows, places: np.ndarray) -> LabelledRows:
    """Return some of the rows."""
    return replace(given, rows=given.rows[places], present=given.present[places])
