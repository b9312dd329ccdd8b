"""Ctrl-C, as a person presses it."""

from __future__ import annotations

import signal
import subprocess


def interrupted(child: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and again if nothing happens; return what the process wrote to stderr.

    Python drops an interrupt that arrives within a callback of the garbage collector.
    """
    for _ in range(3):
        child.send_signal(signal.SIGINT)
        try:
            return child.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            continue
    child.kill()
    raise AssertionError("three times Ctrl-C did not end it")
