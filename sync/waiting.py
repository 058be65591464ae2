"""Waiting that can be watched and ended: no single wait is longer than a second."""

import threading
from collections.abc import Callable

_LONGEST_MS = 1_000


class Waiting:
    """`clock` is monotonic milliseconds. `ticked` is when a wait last began: what the watchdog reads."""

    def __init__(self, clock: Callable[[], int], stop: threading.Event) -> None:
        self.clock = clock
        self.stop = stop
        self.ticked = clock()

    def slice_s(self, left_ms: int) -> float:
        """How long to block now, in seconds, if `left_ms` are left in all."""
        self.ticked = self.clock()
        return min(max(left_ms, 0), _LONGEST_MS) / 1_000

    def sleep(self, seconds: float) -> None:
        """A pause in slices; `stop` ends it at once."""
        until = self.clock() + int(seconds * 1_000)
        while (left_ms := until - self.clock()) > 0 and not self.stop.wait(self.slice_s(left_ms)):
            continue

    @property
    def stopped(self) -> bool:
        return self.stop.is_set()
