"""Ending a long loop between two steps, when somebody asks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl+C, and what schedulers send before they kill."""


@contextmanager
def stop_between_steps(*, possible: bool) -> Iterator[Callable[[], bool]]:
    """Inside, a first signal to end only makes what this yields say so; a second acts at once.

    The loop asks after each step. Where that is not `possible`, and in other threads than the main
    one, signals stay as they are.
    """
    if not possible or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = False
    # None stands for a handler of another language, which Python cannot put back.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        restore()
