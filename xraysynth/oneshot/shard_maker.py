"""One shard made: generator and segmenter loaded once, samples drawn, labelled and described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from xraysynth.errors import InputError
from xraysynth.files import sha256_file
from xraysynth.gan.checkpoint import generator_hash, load_generator
from xraysynth.gan.clutter import clutter_classes
from xraysynth.gan.contents import check_request, requested_labels, requested_names
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import EXPORTED_PSI, generated_images, latents
from xraysynth.oneshot.request import RequestRule, known_of
from xraysynth.oneshot.segmenter import Segmenter, check_belongs, load_segmenter
from xraysynth.oneshot.selection import select
from xraysynth.settings import Settings
from xraysynth.shards.describe import describe
from xraysynth.shards.samples import (
    DescribeConfig,
    ExportInfo,
    SampleArrays,
    check_names_fit,
    join_names,
    shard_name,
)
from xraysynth.shards.shardfile import write_shard

MOST_SHARDS = 1_000_000
"""Each is a file of one folder, and a line of its manifest."""


class ExportConfig(Settings):
    """What an export makes."""

    count: int = Field(256, ge=1, le=100_000_000)
    """Number of samples."""
    shard_size: int = Field(128, ge=1, le=65_536)
    """Samples a shard, which a worker holds in memory; the last one may have fewer. Drawn in full
    batches: less than one takes as long as one."""
    truncation_psi: float = Field(EXPORTED_PSI, ge=0, le=1)
    """1 is all that the generator can draw, smaller is safer and more alike."""
    batch: int = Field(16, ge=1, le=1024)
    """Samples that a worker draws at a time, always as many; another number rounds otherwise."""
    dtype: Literal["auto", "uint8", "uint16"] = "auto"
    """Type of the pixels; auto is that of the scans that the generator learned from."""
    contains: tuple[str, ...] = ()
    """What every scan is asked to hold, of the labels that the generator knows, or `none`."""
    balance: bool = False
    """Ask each label in turn, equally often; with `contains: [none]` every so often for none."""
    min_confidence: float = Field(0, ge=0, le=1)
    """Scans whose mean confidence off the background is below this are drawn anew."""
    use_request: bool = True
    """Whether labels follow what a scan was asked to hold; without a request it changes nothing."""
    use_clutter: bool = False
    """Whether, with `use_request`, they follow what clutter its latent says as well: where classes
    are named as by the scans that the generator learned from."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where generator and segmenter run."""
    describe: DescribeConfig = DescribeConfig()
    """How samples are measured and flagged."""

    @model_validator(mode="after")
    def _not_too_many_shards(self) -> ExportConfig:
        shards = -(-self.count // self.shard_size)
        if shards > MOST_SHARDS:
            raise ValueError(
                f"shard_size is {self.shard_size}, so that {self.count} samples make {shards} "
                f"shards; want at most {MOST_SHARDS}. Make shard_size larger"
            )
        return self


_DTYPES: dict[str, type[np.unsignedinteger] | None] = {
    "auto": None,
    "uint8": np.uint8,
    "uint16": np.uint16,
}


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard to make: numbers only, so that any worker can do it, again if need be."""

    number: int
    """Place of the shard in the export."""
    first_index: int
    """Index of its first sample."""
    count: int
    """Samples in it."""


@dataclass(frozen=True, kw_only=True)
class MadeShard:
    """What came of a task."""

    count: int
    """Samples in the shard."""
    rejected: int
    """Candidates that were not sure enough."""


class ShardMaker:
    """Generator and segmenter, loaded once a process, and the shards that they make."""

    def __init__(self, generator_file: str, segmenter_file: Path, config: ExportConfig) -> None:
        device = _device(config.device)
        # Building a network draws first weights from the global generator: leave that as it was.
        with torch.random.fork_rng(devices=[]):
            self.generator: Generator = load_generator(generator_file)
        self.segmenter: Segmenter = load_segmenter(segmenter_file)
        check_belongs(self.segmenter, self.generator)
        self._contains = check_request(
            self.generator.config, config.contains, config.balance, generator_file
        )
        check_names_fit(self._contains, "requested")
        self._clutter = self.generator.config.clutter if config.use_clutter else ()
        self._rule = self._request_rule(config) if config.use_request else None
        self._segmenter_hash = sha256_file(segmenter_file)[:16]
        self._generator_hash = generator_hash(self.generator)
        self.generator.to(device)
        self.segmenter = self.segmenter.to(device)
        self.config = config

    def info(self, seed: int) -> ExportInfo:
        """Return what all shards have in common."""
        facts, config = self.segmenter.facts, self.config
        return ExportInfo(
            class_names=self._rule.class_names if self._rule else facts.class_names,
            seed=seed,
            generator_hash=self._generator_hash,
            segmenter_hash=self._segmenter_hash,
            truncation_psi=config.truncation_psi,
            settings={
                **config.model_dump(mode="json", exclude={"count", "describe", "truncation_psi"}),
                "exemplar_ids": list(facts.exemplar_ids),
                "exemplar_origins": list(facts.exemplar_origins),
            },
            describe=config.describe,
        )

    def _request_rule(self, config: ExportConfig) -> RequestRule | None:
        """Return how labels follow from requests and latents, if either says anything."""
        network, classes = self.generator.config, self.segmenter.class_names
        clutter = clutter_classes(self._clutter)
        if not config.balance and not self._contains:
            return RequestRule.of(classes, (), (), clutter) if clutter else None
        # Asked to hold nothing, no content is there: the rule then only rules out.
        askable = network.contents if config.balance else self._contains
        askable = tuple(name for name in askable if name in network.contents)
        return RequestRule.of(classes, network.label_names, askable, clutter)

    def make(self, task: ShardTask, seed: int, out: Path) -> MadeShard:
        """Make one shard.

        Raises
        ------
        InputError
            If hardly any scan is as sure as the settings want.
        """
        indices = range(task.first_index, task.first_index + task.count)

        def draw(chosen: Sequence[int], attempts: Sequence[int]) -> SampleArrays:
            return self._samples(seed, chosen, attempts)

        selected = select(draw, indices, self.config.batch, self.config.min_confidence)
        info, name = self.info(seed), shard_name(task.number)
        samples = describe(selected.arrays, info, name, task.first_index, selected.n_rejected)
        samples.metadata["requested"] = [
            join_names(self._requested(index), "requested") for index in indices
        ]
        write_shard(out / name, samples, info)
        return MadeShard(count=task.count, rejected=int(selected.n_rejected.sum()))

    def _requested(self, index: int) -> list[str]:
        """Return what a sample is asked to hold."""
        names = requested_names(self.generator.config, self._contains, self.config.balance, index)
        return list(names)

    def _samples(self, seed: int, indices: Sequence[int], attempts: Sequence[int]) -> SampleArrays:
        """Return some samples."""
        config = self.config
        asked = requested_labels(self.generator.config, self._contains, config.balance, indices)
        with torch.no_grad():
            latent_z = latents(self.generator, seed, indices, attempts).to(_device(config.device))
            latent_w = self.generator.mapping(latent_z, config.truncation_psi, asked)
        images, scores = self.segmenter.segment(self.generator, latent_w)
        known = known_of(self._clutter, asked, latent_z)
        if self._rule is not None and known is not None:
            scores = self._rule.scores(scores, known)
        labels = self.segmenter.labels(scores)
        return SampleArrays(
            images=generated_images(self.generator, images, _DTYPES[config.dtype]),
            masks=labels.label_map,
            overlaps=labels.overlaps,
            confidence=labels.confidence,
        )


def _device(name: str) -> torch.device:
    """Return the device, or raise if this machine has none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("export.device is cuda, and this machine has no CUDA; set it to cpu.")
    return torch.device(name)
