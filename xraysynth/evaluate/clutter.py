"""Is the clutter there that a latent says? A classifier judges, its own figures beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xraysynth.evaluate.contents_batches import (
    LEAST_SCANS,
    ContentsClassifierConfig,
    LabelledRows,
)
from xraysynth.evaluate.contents_classifier import (
    kept_contents_classifier,
    own_figures,
    recognised,
)
from xraysynth.evaluate.gan_material import Material, asked_as
from xraysynth.evaluate.requested import beside_ceiling, learn_and_test
from xraysynth.gan.clutter import agreeing, clutter_held, read_contents
from xraysynth.gan.config import Clutter
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream_seed

BLOCK = 16
"""Scans drawn at a time."""


def clutter_figures(  # noqa: PLR0913 (what the evaluation hands over)
    generator: Generator,
    found: Material,
    count: int,
    config: ContentsClassifierConfig,
    seed: int,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Draw scans whose latents say that they hold a kind of clutter, and let a classifier look.

    Parameters
    ----------
    generator : one that knows clutter
    found : scans that say what they hold besides what is asked for
    count : samples for each kind; what else they hold is left to chance and to requests as in
        held-out scans

    Returns
    -------
    dict
        By name what `requested_figures` has; empty where the scans to learn from do not name
        clutter, or the held-out ones do not say what they hold.
    """
    clutter = generator.config.clutter
    learn, test = learn_and_test(found, partial(rows_with_clutter, clutter=clutter), seed)
    if len(learn.rows) < LEAST_SCANS or not learn.present.any() or not len(test.rows):
        return {}
    names = [kind.name for kind in clutter]
    model = kept_contents_classifier(learn, names, config, seed, found.kept, progress)
    held_out, seen, said = own_figures(model, test), [], []
    for place, name in enumerate(names):
        progress(place, len(names), "samples of each kind of clutter")
        latent_z = _latents_with(generator, place, count, stream_seed(seed, "clutter", name))
        labels = asked_as(found.held_out, generator, count, seed)
        seen.append(recognised(model, _drawn(generator, latent_z, labels)) > 0)
        said.append((latent_z[:, : len(names)] > generator.mapping.thresholds).numpy())
    figures = {}
    for place, name in enumerate(names):
        without = np.concatenate(seen)[~np.concatenate(said)[:, place], place]
        share, alarms = seen[place][:, place].mean(), without.mean() if without.size else None
        figures[name] = beside_ceiling(
            round(float(share), 4),
            None if alarms is None else round(float(alarms), 4),
            held_out[name],
        )
    return {"samples_each": count, "contents": figures}


def rows_with_clutter(scans: Path, clutter: Clutter) -> LabelledRows:
    """Return the rows of a file that say what they hold, and which kinds of clutter."""
    held = clutter_held(read_contents(scans), clutter)
    rows = np.flatnonzero(~np.isnan(held).any(1))
    return LabelledRows(scans=scans, rows=rows, present=held[rows].astype(np.uint8))


def _latents_with(generator: Generator, place: int, count: int, seed: int) -> Tensor:
    """Return latents that say a kind is there, and leave the others to chance."""
    clutter = generator.config.clutter
    held = torch.full((count, len(clutter)), torch.nan)
    held[:, place] = 1.0
    rng = torch.Generator().manual_seed(seed)
    return agreeing(latents(generator, seed, range(count)), held, clutter, rng)


@torch.no_grad()
def _drawn(generator: Generator, latent_z: Tensor, labels: Tensor | None) -> np.ndarray:
    """Return scans (n, h, w, c) of latents, asked for by labels if there are any."""
    device, parts = generator.mapping.w_avg.device, []
    for start in range(0, len(latent_z), BLOCK):
        some = slice(start, start + BLOCK)
        wanted = None if labels is None else labels[some].to(device)
        images = generator(latent_z[some].to(device), 1.0, wanted)
        parts.append(generated_images(generator, images))
    return np.concatenate(parts)
