"""How long work tells its progress: a callable that the caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, note)`; `note` is a short text such as "31 images/s"."""


def silent(done: int, total: int, note: str = "") -> None:
    """Report nothing: the default wherever a `Progress` is taken."""


def noted(progress: Progress, what: str) -> Progress:
    """Return a progress that says of what: for work of several parts.

    Examples
    --------
    >>> noted(lambda *told: print(told), "held-out scans")(3, 9, "features")
    (3, 9, 'held-out scans: features')
    """

    def told(done: int, total: int, note: str = "") -> None:
        progress(done, total, f"{what}: {note}" if note else what)

    return told
