"""Scans and labels by the thousand, shard by shard, in worker processes.

A shard is a task of its own: its samples depend on seed and index, its batches never reach into
another shard, and every worker computes with one thread. So the bytes depend neither on the number
of workers, nor on their order, nor on interruptions.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from xraysynth.errors import InputError, StageError
from xraysynth.files import sha256_file
from xraysynth.gan.checkpoint import generator_hash, generator_path, load_generator
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import latents, to_images
from xraysynth.oneshot.segmenter import Segmenter, check_belongs, load_segmenter
from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings
from xraysynth.shards.describe import describe
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.samples import DescribeConfig, ExportInfo, SampleArrays, shard_name
from xraysynth.shards.writer import finish, is_whole_shard, prepare_folder, write_shard


class ExportConfig(Settings):
    """What an export makes."""

    count: int = Field(256, ge=1)
    """Number of samples."""
    shard_size: int = Field(128, ge=1)
    """Samples a shard; the last one may have fewer."""
    truncation_psi: float = Field(0.95, ge=0, le=1)
    """1 is all that the generator can draw, smaller is safer and more alike."""
    batch: int = Field(16, ge=1)
    """Samples that a worker draws at a time."""
    dtype: Literal["uint8", "uint16"] = "uint8"
    """Type of the pixels."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where generator and segmenter run."""
    describe: DescribeConfig = DescribeConfig()
    """How samples are measured and flagged."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard to make: numbers only, so that any worker can do it, again if need be."""

    number: int
    """Place of the shard in the export."""
    first_index: int
    """Index of its first sample."""
    count: int
    """Samples in it."""


class ShardMaker:
    """Generator and segmenter, loaded once a process, and the shards that they make."""

    def __init__(self, generator_file: str, segmenter_file: Path, config: ExportConfig) -> None:
        device = _device(config.device)
        # Building a network draws first weights from the global generator: leave that as it was.
        with torch.random.fork_rng(devices=[]):
            self.generator: Generator = load_generator(generator_file)
        self.segmenter: Segmenter = load_segmenter(segmenter_file)
        check_belongs(self.segmenter, self.generator)
        self._segmenter_hash = sha256_file(segmenter_file)[:16]
        self._generator_hash = generator_hash(self.generator)
        self.generator.to(device)
        self.segmenter = self.segmenter.to(device)
        self.config = config

    def info(self, seed: int) -> ExportInfo:
        """Return what all shards have in common."""
        facts, config = self.segmenter.facts, self.config
        return ExportInfo(
            class_names=facts.class_names,
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

    def make(self, task: ShardTask, seed: int, out: Path) -> int:
        """Make one shard and return its number of samples."""
        batch, last = self.config.batch, task.first_index + task.count
        parts = [
            self._samples(seed, range(start, min(start + batch, last)))
            for start in range(task.first_index, last, batch)
        ]
        joined = {
            name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])
        }
        info, name = self.info(seed), shard_name(task.number)
        samples = describe(SampleArrays(**joined), info, name, task.first_index)
        write_shard(out / name, samples, info)
        return task.count

    def _samples(self, seed: int, indices: range) -> SampleArrays:
        """Return some samples."""
        dtype = np.uint16 if self.config.dtype == "uint16" else np.uint8
        with torch.no_grad():
            latent_z = latents(self.generator, seed, indices).to(_device(self.config.device))
            latent_w = self.generator.mapping(latent_z, self.config.truncation_psi)
        images, scores = self.segmenter.segment(self.generator, latent_w)
        labels = self.segmenter.labels(scores)
        return SampleArrays(
            images=to_images(images, dtype),
            masks=labels.label_map,
            overlaps=labels.overlaps,
            confidence=labels.confidence,
        )


def export(  # noqa: PLR0913 (what the command line and the pipeline stage name)
    generator_file: str | Path,
    segmenter_file: str | Path,
    config: ExportConfig,
    seed: int,
    out: Path,
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> Manifest:
    """Write `config.count` labelled scans to `out` as shards, tables and manifest.

    Shards of the same export that lie there whole are kept.

    Parameters
    ----------
    generator_file : a checkpoint or the name of a bundled generator
    segmenter_file : learned on that generator
    seed : sample i comes from the stream (seed, "latent", i)
    workers : processes; the result does not depend on it

    Raises
    ------
    CheckpointError
        If the segmenter is of another generator.
    InputError
        If `out` holds another export, or there is no CUDA where it was asked for.
    StageError
        If a worker was killed; the whole shards stay, and the same call goes on.
    """
    files = (str(generator_path(generator_file)), Path(segmenter_file))
    with single_threaded():
        maker = ShardMaker(*files, config)
        info = maker.info(seed)
        tasks = shard_tasks(config)
        prepare_folder(out, info, len(tasks))
        missing = [t for t in tasks if not _is_done(t, out, info)]
        done = config.count - sum(task.count for task in missing)
        progress(done, config.count, "")
        if workers == 1 or len(missing) <= 1:
            made: Iterator[int] = (maker.make(task, seed, out) for task in missing)
        else:
            made = _made_by_workers(missing, files, config, seed, (out, workers))
        started, before = time.monotonic(), done
        for count in made:
            done += count
            rate = (done - before) / max(time.monotonic() - started, 1e-6)
            progress(done, config.count, f"{rate:.0f} scans/s")
    return finish(out, info)


def shard_tasks(config: ExportConfig) -> list[ShardTask]:
    """Return the shards of an export.

    Examples
    --------
    >>> [task.count for task in shard_tasks(ExportConfig(count=25, shard_size=10))]
    [10, 10, 5]
    """
    starts = range(0, config.count, config.shard_size)
    return [
        ShardTask(
            number=number, first_index=start, count=min(config.shard_size, config.count - start)
        )
        for number, start in enumerate(starts)
    ]


@contextmanager
def single_threaded() -> Iterator[None]:
    """Compute with one thread inside the block: sums over threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_done(task: ShardTask, out: Path, info: ExportInfo) -> bool:
    """Tell whether a shard of an earlier run can stay."""
    return is_whole_shard(out / shard_name(task.number), info, task.first_index, task.count)


def _device(name: str) -> torch.device:
    """Return the device, or raise if this machine has none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("export.device is cuda, and this machine has no CUDA; set it to cpu.")
    return torch.device(name)


def _made_by_workers(
    tasks: list[ShardTask],
    files: tuple[str, Path],
    config: ExportConfig,
    seed: int,
    where: tuple[Path, int],
) -> Iterator[int]:
    """Yield the number of samples of each shard as worker processes finish it."""
    out, workers = where
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(*files, config, os.getpid()),
    )
    try:
        futures: list[Future[int]] = [pool.submit(_work, task, seed, out) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise StageError(
            "a worker process was killed or ran out of memory; the finished shards stay. Run the "
            "same command again, with fewer workers if memory is short."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_MAKER: list[ShardMaker] = []
"""The maker of this worker process."""


def _start_worker(
    generator_file: str, segmenter_file: Path, config: ExportConfig, parent: int
) -> None:
    """Load generator and segmenter into a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    _MAKER[:] = [ShardMaker(generator_file, segmenter_file, config)]


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, lest it write beside the parent's next run."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _work(task: ShardTask, seed: int, out: Path) -> int:
    """Make one shard in a worker process."""
    return _MAKER[0].make(task, seed, out)
