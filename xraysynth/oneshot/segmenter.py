"""The segmenter: one small matrix a site, applied while the generator draws.

Clustering's projection and the head learned from the exemplar are both linear, so they fold into
`classes x channels` weights a site: labels cost next to nothing beside the scan itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.errors import CheckpointError, SettingsError
from xraysynth.gan.checkpoint import generator_hash, load_tensors, save_tensors
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.schema import MAX_CLASSES
from xraysynth.settings import Settings, settings_from_mapping

KIND = "segmenter"


class SegmenterFacts(Settings):
    """What a segmenter's file says beside its weights."""

    class_names: tuple[str, ...] = Field(min_length=2, max_length=MAX_CLASSES)
    """The place is the class id in every mask it makes."""
    exemplar_ids: tuple[str, ...]
    """Exemplars that it learned from."""
    exemplar_origins: tuple[str, ...]
    """Who or what labelled them."""
    generator_hash: str
    """The generator that it reads."""
    interpolation: Interpolation = "bilinear"
    """How coarse maps grow."""
    smoothing_px: int = Field(0, ge=0, le=8)
    """Scores are averaged this far around a pixel."""
    overlap_threshold: float = Field(0.25, gt=0, lt=1)
    """A class with at least this probability is crossed, beside the label's own."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """How it was learned."""


@dataclass(frozen=True, kw_only=True)
class PixelLabels:
    """Labels of some scans."""

    label_map: np.ndarray
    """(n, H, W) uint8: index into the class names."""
    confidence: np.ndarray
    """(n, H, W) uint8: 0 to 255 for a probability of 0 to 1."""
    overlaps: np.ndarray
    """(n, H, W) uint32: bit c is set where class c is crossed, the label's own always."""


@dataclass(frozen=True, kw_only=True)
class Segmenter:
    """Scans and class scores from one pass of the generator that it belongs to."""

    site_map: SiteMap
    """Hidden features to class scores."""
    facts: SegmenterFacts
    """Class names, origin, generator."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class ids."""
        return self.facts.class_names

    def segment(self, generator: Generator, latent_w: Tensor) -> tuple[Tensor, Tensor]:
        """Return scans (n, C, H, W) and class scores (n, K, H, W) of `latent_w`."""
        with torch.no_grad():
            images, scores = project(generator, latent_w, self.site_map, self.facts.interpolation)
            return images, smoothed(scores, self.facts.smoothing_px)

    def labels(self, scores: Tensor) -> PixelLabels:
        """Return label, confidence and crossed classes of each pixel of scores (n, K, H, W)."""
        probability = functional.softmax(scores, dim=1)
        highest, label = probability.max(dim=1)
        crossed = probability >= self.facts.overlap_threshold
        crossed.scatter_(1, label[:, None], True)
        bits = torch.arange(probability.shape[1], device=scores.device)[:, None, None]
        return PixelLabels(
            label_map=label.cpu().numpy().astype(np.uint8),
            confidence=(highest * 255).round().cpu().numpy().astype(np.uint8),
            overlaps=(crossed.long() << bits).sum(1).cpu().numpy().astype(np.uint32),
        )

    def to(self, device: torch.device) -> Segmenter:
        """Return the segmenter on a device."""
        return Segmenter(site_map=self.site_map.to(device), facts=self.facts)


def smoothed(scores: Tensor, radius_px: int) -> Tensor:
    """Return scores (n, K, H, W) averaged over squares; what lies outside does not count."""
    if radius_px == 0:
        return scores
    return functional.avg_pool2d(
        scores, 2 * radius_px + 1, stride=1, padding=radius_px, count_include_pad=False
    )


def check_belongs(segmenter: Segmenter, generator: Generator) -> None:
    """Check that a segmenter reads this generator.

    Raises
    ------
    CheckpointError
        Another generator, by hash or by shape.
    """
    found = generator_hash(generator)
    if segmenter.facts.generator_hash != found:
        raise CheckpointError(
            f"the segmenter was learned on generator {segmenter.facts.generator_hash}; this one is "
            f"{found}. Use the generator that it was learned on, or learn again on this one.",
            code="segmenter-generator",
        )
    want = [site.channels for site in generator.sites]
    got = [int(weight.shape[1]) for weight in segmenter.site_map.weights]
    if got != want:
        raise CheckpointError(
            f"the segmenter reads sites of {got} channels; this generator has {want}. Learn again.",
            code="segmenter-generator",
        )


def save_segmenter(segmenter: Segmenter, path: Path) -> None:
    """Write a segmenter to one safetensors file with its facts as JSON; equal ones, equal bytes."""
    tensors = {f"site{index}": w for index, w in enumerate(segmenter.site_map.weights)}
    facts = segmenter.facts.model_dump(mode="json")
    save_tensors(path, {**tensors, "bias": segmenter.site_map.bias}, {"kind": KIND, "facts": facts})


def load_segmenter(path: Path) -> Segmenter:
    """Read a segmenter; nothing in the file can run.

    Raises
    ------
    InputError
        If there is no such file.
    DamagedError
        If it is truncated or not safetensors.
    CheckpointError
        If it holds something else, or tensors that do not fit its class names.
    """
    tensors, metadata = load_tensors(path, KIND)
    try:
        facts = settings_from_mapping(SegmenterFacts, metadata.get("facts"), "facts")  # type: ignore[arg-type]
    except SettingsError as error:
        raise CheckpointError(f"{path}: {error} Learn the segmenter again.") from None
    n_sites = len(tensors) - 1
    names = [f"site{index}" for index in range(n_sites)]
    if n_sites < 1 or set(tensors) != {*names, "bias"}:
        raise CheckpointError(
            f"{path} holds the tensors {sorted(tensors)}; want bias and site0, site1, ... "
            "Learn again."
        )
    site_map = SiteMap(weights=tuple(tensors[name] for name in names), bias=tensors["bias"])
    _check_tensors(path, site_map, len(facts.class_names))
    return Segmenter(site_map=site_map, facts=facts)


def _check_tensors(path: Path, site_map: SiteMap, n_classes: int) -> None:
    """Raise unless weights and bias are finite float matrices of this many classes."""
    for name, tensor, n_axes in [
        ("bias", site_map.bias, 1),
        *((f"site{index}", weight, 2) for index, weight in enumerate(site_map.weights)),
    ]:
        shape = tuple(tensor.shape)
        if tensor.dtype != torch.float32 or len(shape) != n_axes or shape[0] != n_classes:
            raise CheckpointError(
                f"{path}: tensor {name} is {tensor.dtype} {shape}; want float32 with {n_classes} "
                "rows, one a class. Learn again."
            )
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{path}: tensor {name} holds values that are not finite. Learn again."
            )
