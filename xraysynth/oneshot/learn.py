"""From a generator and a few exemplars to a segmenter.

A linear head reads each pixel's hidden features, the fine ones. It learns from the labelled scan,
and from others that nobody labelled (`unlabelled.py`), which hold rare classes back and, where the
generator was asked for what they hold, show more of it. The head may also read the projection that
clustering learned, or see each exemplar in many styles: rows of `latent_w` that do not move items
are swapped, and the label map stays true. Neither did better
(`docs/decisions/0011-unlabelled-scans.md`, `docs/decisions/0019-requests-teach-the-head.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.calibration import CalibrationConfig, Head, confidence_levels
from xraysynth.oneshot.clustering import ClusterConfig, learn_clusters, mapped_latents
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.oneshot.head import HeadConfig, LabelledPixels, LinearHead, fit_head
from xraysynth.oneshot.lesson import Lesson, lesson
from xraysynth.oneshot.reading import fine_features, standardised
from xraysynth.oneshot.refine import RefineConfig
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, finished
from xraysynth.oneshot.unlabelled import Unlabelled, unlabelled_pixels
from xraysynth.oneshot.views import draw_view, swap_rows, swappable_blocks
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream
from xraysynth.settings import Settings

CALIBRATION_VIEWS = 6
"""Views of each exemplar, not trained on, that probabilities are fitted on."""


class LearnConfig(Settings):
    """How a segmenter is learned."""

    interpolation: Interpolation = "bilinear"
    """How coarse maps grow to full size."""
    cluster: ClusterConfig = ClusterConfig()
    """The clustering without labels, where the head reads it."""
    head: HeadConfig = HeadConfig()
    """The part that sees labels."""
    calibration: CalibrationConfig = CalibrationConfig()
    """What makes confidence honest."""
    smoothing_px: int = Field(0, ge=0, le=8)
    """Scores are averaged this far around a pixel."""
    refine: RefineConfig = RefineConfig(steps=2)
    """How scores are then drawn to the edges of the scan."""
    overlap_threshold: float = Field(0.25, gt=0, lt=1)
    """A class with at least this probability is crossed, beside the label's own."""


def learn_segmenter(
    generator: Generator,
    exemplars: Sequence[Exemplar],
    config: LearnConfig,
    seed: int,
    progress: Progress = silent,
) -> Segmenter:
    """Learn a segmenter of this generator from one or more exemplars.

    Deterministic for a seed and a number of threads; the global generator is not touched.

    Raises
    ------
    InputError
        If there is no exemplar.
    CheckpointError
        If an exemplar is of another generator.
    """
    lesson(generator, exemplars)  # Refuses what cannot be learned before minutes are spent.
    read = read_map(generator, config, seed, progress)
    return learn_head(read, generator, exemplars, config, seed)


def read_map(
    generator: Generator, config: LearnConfig, seed: int, progress: Progress = silent
) -> SiteMap:
    """Return the map from hidden features to the values that the head reads; it needs no label."""
    if config.head.reads == "clusters":
        clusters = learn_clusters(generator, config.interpolation, config.cluster, seed, progress)
        return clusters.site_map
    return fine_features(generator, config.head.sites_from_px, config.head.dim, seed)


def learn_head(
    read: SiteMap,
    generator: Generator,
    exemplars: Sequence[Exemplar],
    config: LearnConfig,
    seed: int,
) -> Segmenter:
    """Learn a segmenter from exemplars and what is read of a pixel, which others may share.

    Raises
    ------
    InputError, CheckpointError
        As `learn_segmenter`.
    """
    taught = _Lesson(generator, lesson(generator, exemplars), config, seed)
    psi = config.cluster.truncation_psi
    standard = standardised(generator, read, config.interpolation, psi, seed)
    weight, bias = taught.head(standard)
    temperature = _temperature(taught, standard.folded(weight, bias))
    facts = SegmenterFacts(
        class_names=taught.known.class_names,
        exemplar_ids=tuple(exemplar.exemplar_id for exemplar in exemplars),
        exemplar_origins=tuple(exemplar.origin for exemplar in exemplars),
        generator_hash=generator_hash(generator),
        interpolation=config.interpolation,
        smoothing_px=config.smoothing_px,
        refine=config.refine,
        overlap_threshold=config.overlap_threshold,
        settings={**config.model_dump(mode="json"), "seed": seed},
    )
    site_map = standard.folded(weight / temperature, bias / temperature)
    levels = _calibrate(taught, standard, temperature)
    return Segmenter(site_map=site_map.to(torch.device("cpu")), facts=facts, levels=levels)


class _Lesson:
    """Restyled views of the exemplars and their labels, numbered."""

    def __init__(self, generator: Generator, known: Lesson, config: LearnConfig, seed: int) -> None:
        self.generator, self.known, self.config, self.seed = generator, known, config, seed
        self._unlabelled: Unlabelled | None = None
        self._blocks = swappable_blocks(generator, config.head.swap.swap_from_px)

    def views(self, site_map: SiteMap, purpose: str, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return scans, projected pixels (v, D, H, W) and labels (v, H, W) of exemplars' views."""
        parts, scans = [], []
        for number in range(count):
            plain = purpose == "train" and number == 0
            latent_w = self.known.latent_w if plain else self._restyled(purpose, number)
            with torch.no_grad():
                drawn = project(self.generator, latent_w, site_map, self.config.interpolation)
            scans.append(drawn[0])
            parts.append(drawn[1])
        return torch.cat(scans), torch.cat(parts), self.known.labels.repeat(count, 1, 1)

    def _restyled(self, purpose: str, number: int) -> Tensor:
        """Return the exemplars' latents with some rows swapped."""
        draw = draw_view(
            self.config.head.swap, self._blocks, stream(self.seed, "head", purpose, number)
        )
        psi, count = self.config.cluster.truncation_psi, len(self.known.latent_w)
        other = mapped_latents(self.generator, count, psi, self.seed, "head", purpose, number)
        return swap_rows(self.known.latent_w, other, draw)

    def head(self, site_map: SiteMap, part: Tensor | None = None) -> LinearHead:
        """Return the head on what a map reads, always the same map.

        Only pixels of `part` (exemplars, H, W) bool are learned from; None is all.
        """
        config = self.config.head
        if self._unlabelled is None:
            self._unlabelled = unlabelled_pixels(
                self.generator, site_map, self.config.interpolation, config.unlabelled, self.seed
            )
        _, pixels, labels = self.views(site_map, "train", config.views)
        flat, classes = pixels.permute(0, 2, 3, 1).flatten(0, 2), labels.flatten()
        if part is not None:
            mine = part.to(flat.device).repeat(config.views, 1, 1).flatten()
            flat, classes = flat[mine], classes[mine]
        if len(flat) > config.pixels:
            order = stream(self.seed, "head pixels").permutation(len(flat))
            chosen = torch.from_numpy(order[: config.pixels]).to(flat.device)
            flat, classes = flat[chosen], classes[chosen]
        labelled = LabelledPixels(pixels=flat, classes=classes)
        return fit_head(self.known, labelled, self._unlabelled, config)


def _calibrate(taught: _Lesson, standard: SiteMap, temperature: float) -> Tensor | None:
    """Return the segmenter's table of confidence, or None if none is wanted."""
    config, generator = taught.config, taught.generator
    own = config.calibration
    if not own.scans:
        return None
    latent_w = mapped_latents(generator, own.scans, own.truncation_psi, taught.seed, "agreement")

    def fresh(site_map: SiteMap) -> Iterator[Tensor]:
        for some in latent_w.split(8):
            with torch.no_grad():
                images, scores = project(generator, some, site_map, config.interpolation)
            scores = finished(scores, images, config.smoothing_px, config.refine)
            yield functional.softmax(scores, 1)

    def train(part: Tensor) -> Head:
        weight, bias = taught.head(standard, part)
        site_map = standard.folded(weight / temperature, bias / temperature)
        images, scores, _ = taught.views(site_map, "calibrate", CALIBRATION_VIEWS)
        scores = finished(scores, images, config.smoothing_px, config.refine)
        return Head(fresh=fresh(site_map), views=functional.softmax(scores, 1))

    labels = taught.known.labels.cpu().numpy()
    return torch.from_numpy(confidence_levels(labels, taught.known.n_classes, train, own))


def _temperature(taught: _Lesson, site_map: SiteMap) -> float:
    """Return the divisor of the scores with the least cross-entropy on views not trained on."""
    images, pixels, labels = taught.views(site_map, "calibrate", CALIBRATION_VIEWS)
    scores = finished(pixels, images, taught.config.smoothing_px, taught.config.refine)
    candidates = np.geomspace(0.25, 8, 41)
    losses = [float(functional.cross_entropy(scores / t, labels)) for t in candidates.tolist()]
    return float(candidates[int(np.argmin(losses))])
