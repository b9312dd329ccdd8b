"""`evaluate gan`: how near generated scans come to scans that the generator has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from torch import nn

from xraysynth.evaluate.comparison import LEAST_SCANS, SPLITS, compare_with_halves, rounded
from xraysynth.evaluate.contents_classifier import ContentsClassifierConfig
from xraysynth.evaluate.feature_network import NAME, features_of, load_feature_network
from xraysynth.evaluate.frechet import frechet_distance
from xraysynth.evaluate.gan_material import (
    Material,
    Wanted,
    facts_of,
    made_pictures,
    material,
    real_pictures,
)
from xraysynth.evaluate.gan_pictures import write_nearest, write_samples
from xraysynth.evaluate.memorisation import copy_figures, nearest
from xraysynth.evaluate.picture_set import PictureSet, describe, simple_features
from xraysynth.evaluate.precision_recall import precision_recall
from xraysynth.evaluate.requested import requested_figures
from xraysynth.files import write_json
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.generator import Generator
from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings


class GanEvaluation(Settings):
    """What is measured of a generator, and on how much."""

    count: int = Field(500, ge=LEAST_SCANS // 2, le=10_000)
    """Generated scans; twice as many real ones are wanted, to be halved."""
    splits: int = Field(SPLITS, ge=1, le=50)
    """Times that the real set is halved at random."""
    psi: tuple[float, ...] = (0.5, 0.7, 0.85, 1.0)
    """Truncations of the sweep; it needs the network."""
    network: bool = True
    """Whether figures on features of EfficientNet-Lite0 are made: the slow ones."""
    requested: int = Field(200, ge=0, le=10_000)
    """Samples for each of its contents that a conditional generator is asked for; 0 asks none."""
    classifier: ContentsClassifierConfig = ContentsClassifierConfig()
    """Judges whether what was asked for is there."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that simulate; no figure depends on it."""


@dataclass(frozen=True, kw_only=True)
class GanSource:
    """A generator and scans to measure it against."""

    gan: str | Path
    """A file, or the name of a generator that ships."""
    scans: Path | None = None
    """Scans that it has not learned from; None simulates some, as its file says."""
    training: Path | None = None
    """Scans that it has learned from, to look for copies."""


def evaluate_gan(
    source: GanSource, config: GanEvaluation, seed: int, out: Path, progress: Progress = silent
) -> dict[str, Any]:
    """Write every figure to `out` as JSON, and two pictures beside it; return the figures.

    Parameters
    ----------
    source : what is measured, against what
    config : how
    seed : of samples, choice and halves
    out : JSON file; `OUT.samples.png` (generated above, real below) and `OUT.nearest.png` (pairs
        of a generated scan and the one most like it) appear beside it, `.json` cut off
    progress : called with what is done of each part

    Raises
    ------
    InputError
        If the scans are of another size, too few, or absent.
    """
    generator = load_generator(source.gan)
    asked = config.requested if generator.config.contents else 0
    wanted = Wanted(
        held_out=2 * config.count,
        labelled=config.classifier.scans if asked else 0,
        workers=config.workers,
    )
    files = (source.scans, source.training)
    with material(source.gan, files, wanted, seed, progress) as found:
        network = load_feature_network() if config.network else None
        judged = _requested(generator, found, asked, config, seed, progress)
        real = describe(
            real_pictures(found.held_out, generator, 2 * config.count, seed),
            network,
            progress=progress,
        )
        made = describe(made_pictures(generator, config.count, seed), network, progress=progress)
        report = {
            **_facts(source, generator, config, seed, found),
            "real_scans": len(real),
            **compare_with_halves(real, made, seed, splits=config.splits, progress=progress),
            "truncation": _sweep(generator, real, made, config, seed, network),
            "nearest": _copies(source, generator, real, made, seed, network, out),
            **judged,
        }
    write_samples(out.with_suffix(".samples.png"), made.pictures, real.pictures)
    write_json(out, report)
    return report


def _requested(  # noqa: PLR0913 (what the evaluation hands over)
    generator: Generator,
    found: Material,
    count: int,
    config: GanEvaluation,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Return the figures of what was asked for, under their name; nothing where none is asked."""
    if not count:
        return {}
    figures = requested_figures(generator, found, count, config.classifier, seed, progress)
    return {"requested": figures}


def _facts(
    source: GanSource, generator: Generator, config: GanEvaluation, seed: int, found: Material
) -> dict[str, Any]:
    """Return what was measured against what."""
    return {
        "generator": str(source.gan),
        "generator_hash": generator_hash(generator),
        **facts_of(generator),
        "held_out": found.origin,
        "seed": seed,
        "settings": config.model_dump(mode="json", exclude={"workers"}),
    }


def _sweep(  # noqa: PLR0913 (a sweep is over everything that was measured)
    generator: Generator,
    real: PictureSet,
    made: PictureSet,
    config: GanEvaluation,
    seed: int,
    network: nn.Module | None,
) -> list[dict[str, float]]:
    """Return distance, precision and recall at each truncation, against the same real scans."""
    if network is None or real.pooled is None or made.pooled is None:
        return []
    rows = []
    n_each = min(len(real) // 2, len(made))
    some_real = real.pooled[:: max(len(real) // n_each, 1)][:n_each]
    for psi in config.psi:
        pooled = made.pooled
        if psi != 1.0:
            pooled = features_of(made_pictures(generator, n_each, seed, psi), network).pooled
        shares = precision_recall(some_real, pooled[:n_each])
        rows.append(
            {
                "psi": psi,
                f"FD ({NAME})": rounded(frechet_distance(some_real, pooled[:n_each])),
                "precision": rounded(shares.precision),
                "recall": rounded(shares.recall),
            }
        )
    return rows


def _copies(  # noqa: PLR0913 (what the picture and its figures need)
    source: GanSource,
    generator: Generator,
    real: PictureSet,
    made: PictureSet,
    seed: int,
    network: nn.Module | None,
    out: Path,
) -> dict[str, Any]:
    """Write the scans most like generated ones, and return how like they are."""
    learned = real
    if source.training is not None:
        pictures = real_pictures(source.training, generator, 4 * len(made), seed)
        learned = describe(pictures, network)
    found = nearest(_looks(made), _looks(learned))
    fresh = nearest(_looks(real), _looks(learned), same=learned is real)
    order = np.argsort(found.distance)
    write_nearest(
        out.with_suffix(".nearest.png"),
        made.pictures[order],
        learned.pictures[found.index[order]],
    )
    return {
        "among": (
            f"{len(learned)} training scans"
            if source.training is not None
            else f"{len(learned)} held-out scans, which say nothing about copies; name the "
            "training scans with --training"
        ),
        "by": f"features of {NAME}" if network is not None else "colours, tones and spectrum",
        **copy_figures(found, fresh),
    }


def _looks(chosen: PictureSet) -> np.ndarray:
    """Return features by which scans are compared: the network's, else the small ones."""
    return simple_features(chosen) if chosen.pooled is None else chosen.pooled
