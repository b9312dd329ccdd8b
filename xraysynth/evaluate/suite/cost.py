"""What each piece of the suite cost, kept beside it, so that a run in parts can tell its sum."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xraysynth.files import read_json, write_json

Cost = dict[str, float]
"""`cpu_seconds` of this process and `wall_seconds`."""


@contextmanager
def measured() -> Iterator[Cost]:
    """Yield what holds the seconds of the block once it is left."""
    cost: Cost = {}
    cpu, wall = time.process_time(), time.perf_counter()
    yield cost
    cost["cpu_seconds"] = round(time.process_time() - cpu, 3)
    cost["wall_seconds"] = round(time.perf_counter() - wall, 3)


@contextmanager
def costing(path: Path) -> Iterator[None]:
    """Write what the block, which makes a file, cost beside that file."""
    with measured() as cost:
        yield
    write_json(path.with_name(f"{path.name}.cost.json"), cost)


def costs_in(folder: Path, pattern: str = "*") -> Cost:
    """Return the sum of what the files of a folder cost, as far as it was written."""
    found = sorted(folder.rglob(f"{pattern}.cost.json"))
    return total(read_json(path) for path in found)


def total(costs: Iterable[Mapping[str, Any]]) -> Cost:
    """Return the sum.

    Examples
    --------
    >>> total([{"cpu_seconds": 1.0, "wall_seconds": 2.0}, {"cpu_seconds": 3.0}])
    {'cpu_seconds': 4.0, 'wall_seconds': 2.0}
    """
    kept = list(costs)
    return {
        name: round(sum(cost.get(name, 0.0) for cost in kept), 3)
        for name in ("cpu_seconds", "wall_seconds")
    }
