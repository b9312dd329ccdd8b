"""How fast the run goes at present, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 30.0
"""Speed is that of so many seconds: it falls whenever the resolution grows."""


class Pace:
    """Images a second of late.

    Examples
    --------
    >>> seconds = iter([0.0, 1.0, 2.0])
    >>> pace = Pace(0, clock=lambda: next(seconds))
    >>> pace.after(50), pace.after(100)
    (50.0, 50.0)
    >>> pace.left(1600)
    '30 s left'
    """

    def __init__(self, images_seen: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen = deque([(clock(), images_seen)])
        self.images_per_second = 0.0

    def after(self, images_seen: int) -> float:
        """Return images a second, now that so many were seen."""
        now = self._clock()
        self._seen.append((now, images_seen))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_S:
            self._seen.popleft()
        seconds = max(now - self._seen[0][0], 1e-9)
        self.images_per_second = (images_seen - self._seen[0][1]) / seconds
        return self.images_per_second

    def restart(self) -> None:
        """Forget the speed so far: the resolution has changed."""
        self._seen = deque([(self._clock(), self._seen[-1][1])])

    def left(self, total: int) -> str:
        """Return the time that the rest takes at this speed, as text."""
        seconds = (total - self._seen[-1][1]) / max(self.images_per_second, 1e-9)
        if seconds < 100:
            return f"{max(seconds, 0):.0f} s left"
        return f"{seconds / 60:.0f} min left" if seconds < 6000 else f"{seconds / 3600:.1f} h left"
