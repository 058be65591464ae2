"""How fast HQ takes what waits, and so when nothing will wait any more. Pure."""

from collections import deque

_WINDOW_MS = 300_000
_GRAIN_MS = 1_000
_HOUR_MS = 3_600_000


class AckRate:
    """Items that HQ acknowledged in the last five minutes, as far as it answered during them.

    Bounded: at most one sample a second is kept. Times are monotonic milliseconds.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque()
        self._open_since: int | None = None

    def opened(self, now: int) -> None:
        """HQ answers: from here on its silence counts, too."""
        if self._open_since is None:
            self._open_since = now

    def closed(self) -> None:
        """HQ does not answer any more: what it once took says nothing about now."""
        self._open_since = None
        self._samples.clear()

    def note(self, items: int, now: int) -> None:
        """HQ acknowledged so many items more."""
        if self._samples and now - self._samples[-1][0] < _GRAIN_MS:
            at, before = self._samples[-1]
            self._samples[-1] = (at, before + items)
        else:
            self._samples.append((now, items))
        self._forget(now)

    def items_per_hour(self, now: int) -> int:
        """0 while HQ does not answer, and in its first moment."""
        if self._open_since is None:
            return 0
        self._forget(now)
        span_ms = max(_GRAIN_MS, min(now - self._open_since, _WINDOW_MS))
        return sum(items for _, items in self._samples) * _HOUR_MS // span_ms

    def _forget(self, now: int) -> None:
        while self._samples and now - self._samples[0][0] > _WINDOW_MS:
            self._samples.popleft()


def clears_in_ms(items: int, items_per_hour: int) -> int | None:
    """How long until `items` have gone at that rate; None: it cannot be told."""
    if items == 0:
        return 0
    return items * _HOUR_MS // items_per_hour if items_per_hour else None
