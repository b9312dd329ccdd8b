"""How long work tells its progress: a callable that the caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, note)`; `note` is a short text such as "31 images/s"."""


def silent(done: int, total: int, note: str = "") -> None:
    """Report nothing: the default wherever a `Progress` is taken."""
