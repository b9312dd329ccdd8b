"""What the user sees: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from xraysynth.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
"""Where stderr is no terminal, long work says how far it is this often."""


class Meter(Protocol):
    """Something that shows progress until it is closed."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show `done` of `total`."""

    def close(self) -> None:
        """Stop showing it."""


class LineMeter:
    """Progress as a line now and then, for logs."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._last = clock()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Print a line unless the last one is younger than ten seconds."""
        now = self._clock()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        share = f" ({100 * done // total} %)" if total else ""
        tell(f"{self._label}: {done}/{total}{share}{', ' if note else ''}{note}")

    def close(self) -> None:
        """Leave the lines as they are."""


class BarMeter:
    """Progress as a bar on a terminal."""

    def __init__(self, label: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=label, leave=False, dynamic_ncols=True)

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Move the bar."""
        self._bar.total = total
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.close()


def meter(label: str) -> Meter:
    """Return a bar where stderr is a terminal, lines elsewhere."""
    return BarMeter(label) if sys.stderr.isatty() else LineMeter(label)


@contextmanager
def watched(label: str) -> Iterator[Progress]:
    """Show the progress of one long piece of work."""
    shown = meter(label)
    try:
        yield shown
    finally:
        shown.close()


class StageObserver:
    """Tells which stage of a pipeline runs, why, and how long it took."""

    def __init__(self, n_stages: int) -> None:
        self._n_stages = n_stages
        self._index = 0
        self._meter: Meter | None = None

    def skipped(self, stage: str) -> None:
        """Say that a stage is up to date."""
        self._index += 1
        tell(f"[{self._index}/{self._n_stages}] {stage}: up to date")

    def started(self, stage: str, reason: str) -> Progress:
        """Say that a stage starts, and why."""
        self._index += 1
        tell(f"[{self._index}/{self._n_stages}] {stage}: {reason}")
        self._meter = meter(stage)
        return self._meter

    def finished(self, stage: str, seconds: float) -> None:
        """Say how long a stage took."""
        self.close()
        tell(f"[{self._index}/{self._n_stages}] {stage}: done in {seconds:.1f} s")

    def close(self) -> None:
        """Take away the bar of a stage that was interrupted."""
        if self._meter is not None:
            self._meter.close()
        self._meter = None


def tell(text: str) -> None:
    """Print one line to stderr; a name out of a file may not steer the terminal."""
    safe = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    print(safe, file=sys.stderr, flush=True)


def say(text: str = "") -> None:
    """Print one line of the result to stdout."""
    print(text)


def show_json(value: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(value, indent=2, sort_keys=True, default=str))


def show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same keys as aligned columns.

    Examples
    --------
    >>> show_table([{"stage": "learn", "seconds": 3.25}, {"stage": "audit", "seconds": 12.0}])
    stage  seconds
    learn     3.25
    audit       12
    """
    if not rows:
        return
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    right = [isinstance(rows[0][name], (int, float)) for name in names]
    for line in cells:
        padded = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        say("  ".join(padded).rstrip())


def _text(value: Any) -> str:
    """Return a table cell; four digits are enough to read."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
