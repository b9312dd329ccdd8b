"""Share work out over processes; the results come in the order of the tasks, few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from xraysynth.processes import worker_pool

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
AHEAD = 3
"""Tasks under way or waiting a worker: enough to keep them busy, few enough to stay small."""


def in_order(
    function: Callable[[TaskT], ResultT], tasks: Iterable[TaskT], workers: int
) -> Iterator[ResultT]:
    """Yield `function(task)` for every task, in order, whatever the number of workers.

    Parameters
    ----------
    function : importable by name, so that another process finds it
    workers : processes; with 1 the work is done here

    Raises
    ------
    StageError
        If a worker was killed, as by lack of memory.

    Examples
    --------
    >>> list(in_order(abs, [-2, 1, -3], 1))
    [2, 1, 3]
    """
    if workers <= 1:
        yield from map(function, tasks)
        return
    with worker_pool(workers) as pool:
        waiting: deque[Future[ResultT]] = deque()
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
