"""Are the contents that were asked for there? A classifier judges, its own figures beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xraysynth.evaluate.contents_batches import (
    ContentsClassifierConfig,
    LabelledRows,
    labelled_rows,
)
from xraysynth.evaluate.contents_classifier import (
    kept_contents_classifier,
    own_figures,
    recognised,
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
        By name `recognised` (share of samples asked for it in which it is found), `ceiling` (the
        same of held-out scans that hold it: what a perfect generator would reach), `of_ceiling`
        (their ratio), `false_alarms` (share of samples asked for something else in which it is
        found) and `false_alarms_of_real`; `classifier` with all figures of held-out scans.

    Notes
    -----
    The classifier never saw a generated scan: where it fails on them, either may be at fault.
    """
    names = generator.config.contents
    learn, test = learn_and_test(found, partial(labelled_rows, names=names), seed)
    model = kept_contents_classifier(learn, names, config, seed, found.kept, progress)
    held_out = own_figures(model, test)
    found_in = {}
    for place, name in enumerate(names):
        progress(place, len(names), "samples of each of the contents")
        labels = requested_labels(generator.config, [name], False, range(count))
        own_seed = stream_seed(seed, "evaluate gan, requested", name)
        images = sample_images(generator, own_seed, count, labels=labels)
        found_in[name] = recognised(model, images) > 0
    figures = {
        name: beside_ceiling(
            round(float(found_in[name][:, place].mean()), 4),
            _false_alarms(found_in, name, place),
            held_out[name],
        )
        for place, name in enumerate(names)
    }
    return {
        "samples_each": count,
        "contents": figures,
        **{
            f"least_{key}": min((entry[key] or 0.0 for entry in figures.values()), default=0.0)
            for key in ("recognised", "of_ceiling", "ceiling")
        },
        "classifier": {"training_scans": len(learn.rows), "held_out": held_out},
    }


def beside_ceiling(
    share: float, false_alarms: float | None, held_out: dict[str, Any]
) -> dict[str, float | None]:
    """Return the figures of one of the contents beside those of real scans."""
    ceiling = held_out["recognised"]
    return {
        "recognised": share,
        "ceiling": ceiling,
        "of_ceiling": round(share / ceiling, 4) if ceiling else None,
        "false_alarms": false_alarms,
        "false_alarms_of_real": held_out["false_alarms"],
    }


def _false_alarms(found_in: dict[str, np.ndarray], name: str, place: int) -> float | None:
    """Return the share of samples asked for other contents in which one is found."""
    others = [found[:, place] for other, found in found_in.items() if other != name]
    return round(float(np.concatenate(others).mean()), 4) if others else None


def learn_and_test(
    found: Material, rows_of: Callable[[Path], LabelledRows], seed: int
) -> tuple[LabelledRows, LabelledRows]:
    """Return rows to learn from and rows to test on, as `rows_of` files; never the same."""
    test = rows_of(found.held_out)
    if found.labelled is not None:
        return rows_of(found.labelled), test
    order = stream(seed, "contents split").permutation(len(test.rows))
    n_test = round(len(order) * TEST_SHARE)
    return _some(test, np.sort(order[n_test:])), _some(test, np.sort(order[:n_test]))


def _some(given: LabelledRows, places: np.ndarray) -> LabelledRows:
    """Return some of the rows."""
    return replace(given, rows=given.rows[places], present=given.present[places])
