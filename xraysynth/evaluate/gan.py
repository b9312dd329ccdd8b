"""`evaluate gan`: how near generated scans come to scans that the generator has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from xraysynth.errors import InputError
from xraysynth.evaluate.clutter import clutter_figures
from xraysynth.evaluate.comparison import LEAST_SCANS, SPLITS, compare_with_halves, rounded
from xraysynth.evaluate.contents_batches import ContentsClassifierConfig
from xraysynth.evaluate.feature_network import features_of
from xraysynth.evaluate.frechet import frechet_distance
from xraysynth.evaluate.gan_material import (
    Material,
    Wanted,
    asked_as,
    facts_of,
    made_pictures,
    material,
    real_pictures,
)
from xraysynth.evaluate.gan_pictures import write_nearest, write_samples
from xraysynth.evaluate.kept import Kept
from xraysynth.evaluate.memorisation import at_no_distance, copy_figures, nearest
from xraysynth.evaluate.picture_set import PictureSet, describe, simple_features
from xraysynth.evaluate.precision_recall import precision_recall
from xraysynth.evaluate.repeats import fingerprints, repeats
from xraysynth.evaluate.requested import requested_figures
from xraysynth.files import check_writable, write_json
from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.efficientnet import NAME, load_feature_network
from xraysynth.gan.generator import Generator
from xraysynth.progress import Progress, noted, silent
from xraysynth.settings import Settings


class GanEvaluation(Settings):
    """What is measured of a generator, and on how much."""

    count: int = Field(500, ge=LEAST_SCANS // 2, le=10_000)
    """Generated scans; twice as many real ones are wanted, to be halved."""
    splits: int = Field(SPLITS, ge=1, le=50)
    """Times that the real set is halved at random."""
    psi: tuple[float, ...] = (0.5, 0.7, 0.85, 1.0, 1.25)
    """Truncations of the sweep; it needs the network."""
    network: bool = True
    """Whether figures on features of EfficientNet-Lite0 are made: the slow ones."""
    requested: int = Field(200, ge=0, le=10_000)
    """Samples for each of its contents that a conditional generator is asked for; 0 asks none."""
    classifier: ContentsClassifierConfig = ContentsClassifierConfig()
    """Judges whether what was asked for is there."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that simulate; no figure depends on it."""
    cache: Path | None = None
    """Folder where simulated scans, features of real scans and the classifier are kept between
    runs; no figure depends on it."""


@dataclass(frozen=True, kw_only=True)
class GanSource:
    """A generator and scans to measure it against."""

    gan: str | Path
    """A file, or the name of a generator that ships."""
    scans: Path | None = None
    """Scans that it has not learned from; None simulates some, as its file says."""
    training: Path | None = None
    """Scans that it has learned from, to look for copies."""


@dataclass(frozen=True, kw_only=True)
class _Study:
    """What every part of the evaluation needs."""

    source: GanSource
    config: GanEvaluation
    seed: int
    generator: Generator
    network: nn.Module | None
    found: Material
    learned: frozenset[bytes]
    """Fingerprints of the training scans, if the user named them."""
    progress: Progress


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
        If the scans are of another size, too few, or absent, or none of the held-out ones is new.
    """
    keep_freed_memory()
    check_writable(out)
    generator = load_generator(source.gan)
    asked = config.requested if generator.config.contents or generator.config.clutter else 0
    wanted = Wanted(
        held_out=2 * config.count,
        labelled=config.classifier.scans if asked else 0,
        workers=config.workers,
        kept=Kept(config.cache),
    )
    files = (source.scans, source.training)
    with material(source.gan, files, wanted, seed, progress) as found:
        network = load_feature_network() if config.network else None
        study = _Study(
            source=source,
            config=config,
            seed=seed,
            generator=generator,
            network=network,
            found=found,
            learned=_learned(source, progress),
            progress=progress,
        )
        _check_held_out(study)
        judged = _requested(study, asked)
        real = _described(study, found.held_out, 2 * config.count, "held-out scans")
        labels = asked_as(found.held_out, generator, config.count, seed)
        made = describe(
            made_pictures(generator, config.count, seed, 1.0, labels),
            network,
            progress=noted(progress, "generated scans"),
        )
        report = {
            **_facts(study),
            "real_scans": len(real),
            **compare_with_halves(real, made, seed, splits=config.splits, progress=progress),
            "truncation": _sweep(study, real, made, labels),
            "nearest": _copies(study, real, made, out),
            **judged,
        }
    write_samples(out.with_suffix(".samples.png"), made.pictures, real.pictures)
    write_json(out, report)
    return report


def _learned(source: GanSource, progress: Progress) -> frozenset[bytes]:
    """Return the fingerprints of all training scans that the user named."""
    return fingerprints(source.training, progress) if source.training else frozenset()


def _check_held_out(study: _Study) -> None:
    """Raise if the generator has learned from every held-out scan."""
    if not study.learned:
        return
    held_out, most = study.found.held_out, 2 * study.config.count
    pictures = real_pictures(held_out, study.generator, most, study.seed)
    if repeats(pictures, study.learned).all():
        raise InputError(
            f"the scans of {held_out} are all in {study.source.training} as well; want held-out "
            "scans that the generator has not learned from. Name others with --scans."
        )


def _described(study: _Study, scans: Path, most: int, note: str) -> PictureSet:
    """Return scans of a file with all that is measured of each; features are kept."""
    pictures = real_pictures(scans, study.generator, most, study.seed)
    kept, told = study.found.kept, noted(study.progress, note)
    return describe(pictures, study.network, kept=kept, progress=told)


def _requested(study: _Study, count: int) -> dict[str, Any]:
    """Return the figures of what was asked for, and of clutter, where the generator knows such."""
    if not count:
        return {}
    classifier = study.config.classifier
    sizes, found = study.generator.config, {}
    if sizes.contents:
        found["requested"] = requested_figures(
            study.generator, study.found, count, classifier, study.seed, study.progress
        )
    if sizes.clutter:
        found["clutter"] = clutter_figures(
            study.generator, study.found, max(count // 2, 1), classifier, study.seed, study.progress
        )
    return {name: figures for name, figures in found.items() if figures}


def _facts(study: _Study) -> dict[str, Any]:
    """Return what was measured against what."""
    return {
        "generator": str(study.source.gan),
        "generator_hash": generator_hash(study.generator),
        **facts_of(study.generator),
        "held_out": study.found.origin,
        "seed": study.seed,
        "settings": study.config.model_dump(mode="json", exclude={"workers", "cache"}),
    }


def _sweep(
    study: _Study, real: PictureSet, made: PictureSet, labels: Tensor | None
) -> list[dict[str, float]]:
    """Return distance, precision and recall at each truncation, against the same real scans."""
    if study.network is None or real.pooled is None or made.pooled is None:
        return []
    rows = []
    n_each = min(len(real) // 2, len(made))
    some_real = real.pooled[:: max(len(real) // n_each, 1)][:n_each]
    for psi in study.config.psi:
        pooled = made.pooled
        if psi != 1.0:
            asked = None if labels is None else labels[:n_each]
            pictures = made_pictures(study.generator, n_each, study.seed, psi, asked)
            told = noted(study.progress, f"scans of truncation {psi}")
            pooled = features_of(pictures, study.network, told).pooled
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


def _copies(study: _Study, real: PictureSet, made: PictureSet, out: Path) -> dict[str, Any]:
    """Write the scans most like generated ones, and return how like they are."""
    training, learned = study.source.training, real
    if training is not None:
        learned = _described(study, training, 4 * len(made), "training scans")
    found = nearest(_looks(made), _looks(learned))
    fresh = nearest(_looks(real), _looks(learned), same=learned is real)
    found = at_no_distance(found, repeats(made.pictures, study.learned))
    fresh = at_no_distance(fresh, repeats(real.pictures, study.learned))
    order = np.argsort(found.distance)
    write_nearest(
        out.with_suffix(".nearest.png"),
        made.pictures[order],
        learned.pictures[found.index[order]],
    )
    return {
        "among": (
            f"{len(learned)} training scans"
            if training is not None
            else f"{len(learned)} held-out scans, which say nothing about copies; name the "
            "training scans with --training"
        ),
        "by": f"features of {NAME}" if study.network is not None else "colours, tones, spectrum",
        **copy_figures(found, fresh),
    }


def _looks(chosen: PictureSet) -> np.ndarray:
    """Return features by which scans are compared: the network's, else the small ones."""
    return simple_features(chosen) if chosen.pooled is None else chosen.pooled
