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
from pathlib import Path

import torch

from xraysynth.errors import StageError
from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.checkpoint import generator_path
from xraysynth.lock import locked
from xraysynth.oneshot.segmenter import segmenter_path
from xraysynth.oneshot.shard_maker import ExportConfig, MadeShard, ShardMaker, ShardTask
from xraysynth.progress import Progress, silent
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.samples import ExportInfo, shard_name
from xraysynth.shards.writer import finish, is_whole_shard, prepare_folder

__all__ = ["ExportConfig", "ShardMaker", "ShardTask", "export", "shard_tasks", "single_threaded"]


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
        If `out` holds another export, another process writes there, the generator cannot be asked
        for what `config` names, there is no CUDA where it was asked for, or hardly any scan
        reaches `min_confidence`.
    StageError
        If a worker was killed; the whole shards stay, and the same call goes on.
    """
    files = (str(generator_path(generator_file)), segmenter_path(segmenter_file))
    keep_freed_memory()
    with single_threaded():
        maker = ShardMaker(*files, config)
        info = maker.info(seed)
        with locked(out, stays=False):
            tasks = shard_tasks(config)
            prepare_folder(out, info, len(tasks), samples=config.count)
            missing = [t for t in tasks if not _is_done(t, out, info)]
            if workers == 1 or len(missing) <= 1:
                made: Iterator[MadeShard] = (maker.make(task, seed, out) for task in missing)
            else:
                made = _made_by_workers(missing, files, config, seed, (out, workers))
            _follow(made, config, config.count - sum(task.count for task in missing), progress)
            return finish(out, info)


def _follow(made: Iterator[MadeShard], config: ExportConfig, done: int, progress: Progress) -> None:
    """Have the shards made, and tell how far that is; `done` samples lay there already."""
    progress(done, config.count, "")
    started, before, rejected = time.monotonic(), done, 0
    for shard in made:
        done, rejected = done + shard.count, rejected + shard.rejected
        rate = (done - before) / max(time.monotonic() - started, 1e-6)
        share = rejected / (done - before + rejected)
        more = f", {share:.1%} rejected" if config.min_confidence else ""
        progress(done, config.count, f"{rate:.0f} scans/s{more}")


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


def _made_by_workers(
    tasks: list[ShardTask],
    files: tuple[str, Path],
    config: ExportConfig,
    seed: int,
    where: tuple[Path, int],
) -> Iterator[MadeShard]:
    """Yield what came of each shard as worker processes finish it."""
    out, workers = where
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(*files, config, os.getpid()),
    )
    try:
        futures: list[Future[MadeShard]] = [pool.submit(_work, task, seed, out) for task in tasks]
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
    keep_freed_memory()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    _MAKER[:] = [ShardMaker(generator_file, segmenter_file, config)]


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, lest it write beside the parent's next run."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _work(task: ShardTask, seed: int, out: Path) -> MadeShard:
    """Make one shard in a worker process."""
    return _MAKER[0].make(task, seed, out)
