"""Worker processes that end with the work: when it is done, interrupted or killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from xraysynth.errors import StageError

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def worker_pool(
    workers: int, start: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of single-threaded processes; leaving the block early stops them at once.

    Each process listens to a pipe whose other end only the parent holds. When that closes, be it
    that the block is left by an error, by Ctrl-C or by `kill -9`, the process ends: it must not
    write beside the parent's next run. Work must therefore leave whole files only.

    Parameters
    ----------
    workers : processes, at least 1
    start : called once in each process, with `arguments`
    arguments : must survive pickling

    Raises
    ------
    StageError
        If a worker was killed, as by lack of memory.

    Examples
    --------
    >>> with worker_pool(1) as pool:
    ...     pool.submit(abs, -3).result()
    3
    """
    # Spawned, not forked: the caller may have threads.
    context = multiprocessing.get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(lifeline, start, arguments)
    )
    try:
        with _one_thread():
            yield pool
            pool.shutdown(wait=True)
    except BrokenProcessPool:
        raise StageError(
            f"one of {workers} worker processes was killed, perhaps for lack of memory; what was "
            "finished stays. Run the same command again with fewer workers."
        ) from None
    finally:
        held.close()
        # Waiting for whole tasks is not needed any more: the processes are ending.
        pool.shutdown(wait=True, cancel_futures=True)
        lifeline.close()


def _begin(
    lifeline: Connection, start: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    """Prepare a worker process."""
    # Ctrl-C reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start inside the block compute with one thread each.

    More threads would share out sums differently and change their last bits.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
