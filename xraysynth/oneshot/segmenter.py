"""The segmenter: one small matrix a site, applied while the generator draws.

What the head reads and the head learned from the exemplar are both linear, so they fold into
`classes x channels` weights a site: labels cost next to nothing beside the scan itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from xraysynth.errors import CheckpointError, SettingsError
from xraysynth.gan.checkpoint import (
    check_hashed,
    generator_hash,
    load_tensors,
    save_tensors,
    tensors_hash,
)
from xraysynth.gan.generator import Generator
from xraysynth.oneshot.calibration import LEVELS, levels
from xraysynth.oneshot.features import Interpolation, SiteMap, project
from xraysynth.oneshot.refine import RefineConfig, refined
from xraysynth.schema import MAX_CLASSES
from xraysynth.settings import Settings, settings_from_mapping

KIND = "segmenter"
_BUNDLED = {"bundled": "bundled-64", "bundled-64": "bundled-64"}
"""Segmenters that ship, each for the generator of its name."""
TABLE = "confidence"
"""Name of the tensor of calibrated levels."""
LARGEST = 1e12
"""Weights beyond it are no segmenter's, and scores from them may overflow."""


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
    refine: RefineConfig = RefineConfig()
    """How scores are then drawn to the edges of the scan."""
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
    levels: Tensor | None = None
    """(K + 1, 256) uint8: confidence by class and probability, as `calibration` gives it; the last
    row is for classes beyond those learned. None is the probability itself."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class ids."""
        return self.facts.class_names

    def segment(self, generator: Generator, latent_w: Tensor) -> tuple[Tensor, Tensor]:
        """Return scans (n, C, H, W) and class scores (n, K, H, W) of `latent_w`."""
        with torch.no_grad():
            images, scores = project(generator, latent_w, self.site_map, self.facts.interpolation)
            return images, finished(scores, images, self.facts.smoothing_px, self.facts.refine)

    def labels(self, scores: Tensor) -> PixelLabels:
        """Return label, confidence and crossed classes of each pixel of scores (n, K, H, W)."""
        probability = functional.softmax(scores, dim=1)
        highest, label = largest(probability)
        crossed = probability >= self.facts.overlap_threshold
        bits = torch.ones_like(label, dtype=torch.int32) << label.int()
        for class_id in range(probability.shape[1]):
            bits |= crossed[:, class_id].int() << class_id
        return PixelLabels(
            label_map=label.cpu().numpy(),
            confidence=self._confidence(highest, label).cpu().numpy(),
            overlaps=bits.cpu().numpy().view(np.uint32),
        )

    def _confidence(self, highest: Tensor, label: Tensor) -> Tensor:
        """Return confidence (n, H, W) uint8 of probabilities and labels."""
        level = levels(highest)
        if self.levels is None:
            return level.byte()
        row = label.long().clamp_max(len(self.levels) - 1)
        return self.levels.flatten()[row * LEVELS + level]

    def to(self, device: torch.device) -> Segmenter:
        """Return the segmenter on a device."""
        table = None if self.levels is None else self.levels.to(device)
        return Segmenter(site_map=self.site_map.to(device), facts=self.facts, levels=table)


def largest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest of the scores (n, K, H, W) and its class, the first of equals, as uint8.

    The same as `scores.max(1)`, many times faster.
    """
    n_classes = scores.shape[1]
    highest = scores.amax(1)
    # The first class has the largest number, so that it wins among equals.
    number = torch.arange(n_classes, 0, -1, dtype=torch.uint8, device=scores.device)
    found = _equal(scores, highest[:, None]).view(torch.uint8).mul_(number[:, None, None])
    return highest, n_classes - found.amax(1)


def _equal(left: Tensor, right: Tensor) -> Tensor:
    """Return where both are equal; NumPy compares six times as fast on a processor."""
    if left.is_cuda:
        return left == right
    return torch.from_numpy(left.detach().numpy() == right.detach().numpy())


def finished(scores: Tensor, images: Tensor, smoothing_px: int, refine: RefineConfig) -> Tensor:
    """Return scores (n, K, H, W) smoothed, then drawn to the edges of the scans (n, C, H, W)."""
    return refined(smoothed(scores, smoothing_px), images, refine)


def smoothed(scores: Tensor, radius_px: int) -> Tensor:
    """Return scores (n, K, H, W) averaged over squares; what lies outside does not count.

    Rows, then columns, as sums of shifted copies: several times faster than pooling.
    """
    if radius_px == 0:
        return scores
    for axis in (2, 3):
        scores = _averaged(scores, radius_px, axis)
    return scores


def _averaged(scores: Tensor, radius_px: int, axis: int) -> Tensor:
    """Return scores averaged over `2 radius_px + 1` neighbours along one axis."""
    length = scores.shape[axis]
    total = scores.clone(memory_format=torch.contiguous_format)
    count = scores.new_ones(length)
    for shift in range(1, min(radius_px, length - 1) + 1):
        rest = length - shift
        for target, source in ((0, shift), (shift, 0)):
            total.narrow(axis, target, rest).add_(scores.narrow(axis, source, rest))
            count[target : target + rest] += 1
    return total.mul_((1 / count).reshape(-1, *(1,) * (3 - axis)))


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
    tensors["bias"] = segmenter.site_map.bias
    if segmenter.levels is not None:
        tensors[TABLE] = segmenter.levels
    save_tensors(path, tensors, {"kind": KIND, "facts": facts, "hash": tensors_hash(tensors)})


def segmenter_path(name: str | Path) -> Path:
    """Return the file behind a path or the name of a bundled segmenter.

    Examples
    --------
    >>> segmenter_path("bundled").name
    'bundled-64.safetensors'
    """
    text = str(name)
    if text not in _BUNDLED:
        return Path(text)
    return Path(
        str(resources.files("xraysynth.oneshot") / "bundled" / f"{_BUNDLED[text]}.safetensors")
    )


def load_segmenter(name: str | Path) -> Segmenter:
    """Read a segmenter, from a file or one that ships ("bundled"); nothing in it can run.

    Raises
    ------
    InputError
        If there is no such file.
    DamagedError
        If it is truncated, changed or not safetensors, or has lost its hash.
    CheckpointError
        If it holds something else, or tensors that do not fit its class names.
    """
    path = segmenter_path(name)
    tensors, metadata = load_tensors(path, KIND)
    try:
        facts = settings_from_mapping(SegmenterFacts, metadata.get("facts"), "facts")  # type: ignore[arg-type]
    except SettingsError as error:
        raise CheckpointError(f"{path}: {error} Learn the segmenter again.") from None
    table = tensors.pop(TABLE, None)
    n_sites = len(tensors) - 1
    names = [f"site{index}" for index in range(n_sites)]
    if n_sites < 1 or set(tensors) != {*names, "bias"}:
        raise CheckpointError(
            f"{path} holds the tensors {sorted(tensors)}; want bias and site0, site1, ..., and "
            f"perhaps {TABLE}. Learn again."
        )
    site_map = SiteMap(weights=tuple(tensors[name] for name in names), bias=tensors["bias"])
    _check_tensors(path, site_map, len(facts.class_names))
    _check_table(path, table, len(facts.class_names))
    check_hashed(metadata, path)
    return Segmenter(site_map=site_map, facts=facts, levels=table)


def _check_table(path: Path, table: Tensor | None, n_classes: int) -> None:
    """Raise unless the levels of confidence are bytes that never fall, a row a class and one."""
    if table is None:
        return
    shape = (n_classes + 1, LEVELS)
    sound = table.dtype == torch.uint8 and tuple(table.shape) == shape
    if not sound or bool((table[:, 1:] < table[:, :-1]).any()):
        raise CheckpointError(
            f"{path}: tensor {TABLE} is {table.dtype} {tuple(table.shape)}; want uint8 {shape}, "
            "rows that never fall. Learn again."
        )


def _check_tensors(path: Path, site_map: SiteMap, n_classes: int) -> None:
    """Raise unless weights and bias are matrices of sane floats, for this many classes."""
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
        if not bool((tensor.abs() <= LARGEST).all()):  # nor is NaN
            raise CheckpointError(
                f"{path}: tensor {name} holds values that are not finite, or beyond {LARGEST:g}. "
                "Learn again."
            )
