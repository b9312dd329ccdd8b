"""From a generator and a few exemplars to a segmenter.

First the clustering, without labels; then a linear head on its projection. One scan shows few
things that are not the threat, so pixels of scans without labels hold rare classes back
(`unlabelled.py`). The head may also see each exemplar in many styles: rows of `latent_w` that do
not move items are swapped, and the label map stays true; but what tells classes apart changes with
them, and one view does better (`docs/decisions/0011-unlabelled-scans.md`).
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
from xraysynth.oneshot.clustering import (
    ClusterConfig,
    Clustering,
    learn_clusters,
    mapped_latents,
)
from xraysynth.oneshot.exemplar import Exemplar
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.oneshot.lesson import Lesson, lesson
from xraysynth.oneshot.refine import RefineConfig
from xraysynth.oneshot.segmenter import Segmenter, SegmenterFacts, finished
from xraysynth.oneshot.unlabelled import (
    UnlabelledConfig,
    common_classes,
    common_loss,
    unlabelled_pixels,
)
from xraysynth.oneshot.views import ViewConfig, draw_view, swap_rows, swappable_blocks
from xraysynth.progress import Progress, silent
from xraysynth.randomness import stream
from xraysynth.settings import Settings

CALIBRATION_VIEWS = 6
"""Views of each exemplar, not trained on, that probabilities are fitted on."""


class HeadConfig(Settings):
    """How the head learns from the exemplars."""

    views: int = Field(1, ge=1)
    """Views of each exemplar: the first in its own style, the others restyled."""
    pixels: int = Field(65536, ge=64)
    """At most so many pixels of all views together are learned from."""
    steps: int = Field(60, ge=1)
    """Most iterations of L-BFGS; the problem is convex."""
    weight_decay: float = Field(0.01, ge=0)
    """Of the weights, which read standardised values."""
    balance: float = Field(0.5, ge=0, le=1)
    """Loss weight of a class is its share to the power of minus this."""
    swap: ViewConfig = ViewConfig(swap_from_px=16, flip_probability=0, rotation_deg=0, shift=0)
    """Which rows may be swapped; warps are not used."""
    unlabelled: UnlabelledConfig = UnlabelledConfig()
    """What scans without labels count."""


class LearnConfig(Settings):
    """How a segmenter is learned."""

    interpolation: Interpolation = "bilinear"
    """How coarse maps grow to full size."""
    cluster: ClusterConfig = ClusterConfig()
    """The self-supervised part."""
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
    clusters = learn_clusters(generator, config.interpolation, config.cluster, seed, progress)
    return learn_head(clusters, generator, exemplars, config, seed)


def learn_head(
    clusters: Clustering,
    generator: Generator,
    exemplars: Sequence[Exemplar],
    config: LearnConfig,
    seed: int,
) -> Segmenter:
    """Learn a segmenter from exemplars and a clustering, which other exemplars may share.

    Raises
    ------
    InputError, CheckpointError
        As `learn_segmenter`.
    """
    taught = _Lesson(generator, lesson(generator, exemplars), config, seed)
    standard = _standardised(generator, clusters.site_map, config, seed)
    weight, bias = _train_head(taught, standard)
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
        self.class_weights = known.class_weights(config.head.balance)
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


def _standardised(
    generator: Generator, site_map: SiteMap, config: LearnConfig, seed: int
) -> SiteMap:
    """Return the projection with each value at mean 0 and deviation 1 over generated scans."""
    cluster = config.cluster
    latent_w = mapped_latents(generator, 32, cluster.truncation_psi, seed, "standardise")
    with torch.no_grad():
        parts = [
            project(generator, w, site_map, config.interpolation)[1] for w in latent_w.split(8)
        ]
        pixels = torch.cat(parts)
    mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3)).clamp_min(1e-6)
    return site_map.folded(torch.diag(1 / std), -mean / std)


def _train_head(
    taught: _Lesson, site_map: SiteMap, part: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return weight (K, D) and bias (K,) of the head, by class-balanced cross-entropy.

    Only pixels of `part` (exemplars, H, W) bool are learned from; None is all.
    """
    config = taught.config.head
    _, pixels, labels = taught.views(site_map, "train", config.views)
    flat, classes = pixels.permute(0, 2, 3, 1).flatten(0, 2), labels.flatten()
    if part is not None:
        mine = part.to(flat.device).repeat(config.views, 1, 1).flatten()
        flat, classes = flat[mine], classes[mine]
    if len(flat) > config.pixels:
        rng = stream(taught.seed, "head pixels")
        chosen = torch.from_numpy(rng.permutation(len(flat))[: config.pixels]).to(flat.device)
        flat, classes = flat[chosen], classes[chosen]
    n_classes, device = taught.known.n_classes, flat.device
    weight = torch.zeros(n_classes, flat.shape[1], device=device, requires_grad=True)
    bias = torch.zeros(n_classes, device=device, requires_grad=True)
    unknown = unlabelled_pixels(
        taught.generator, site_map, taught.config.interpolation, config.unlabelled, taught.seed
    )
    common = common_classes(taught.known, config.unlabelled.common_share)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=config.steps, line_search_fn="strong_wolfe"
    )

    def loss() -> float:
        optimiser.zero_grad()
        scores = flat @ weight.T + bias
        entropy = functional.cross_entropy(scores, classes, weight=taught.class_weights)
        value = entropy + 0.5 * config.weight_decay * weight.square().sum()
        if config.unlabelled.weight:
            doubt = common_loss(unknown @ weight.T + bias, common)
            value = value + config.unlabelled.weight * doubt
        value.backward()
        return float(value.detach())

    optimiser.step(loss)
    return weight.detach(), bias.detach()


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
        weight, bias = _train_head(taught, standard, part)
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
