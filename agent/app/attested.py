"""The machine's clock, doubted while headquarters' fresh word speaks against it."""

from collections.abc import Callable

from agent.clock import Clock, ClockQuality
from drivers.events import Monotonic

MOST_AHEAD_MS = 86_400_000
"""A day: no drift of a working clock and no wrong zone, but a dead battery or a slip of the hand."""


class AttestedClock:
    """`hq_ms()` is HQ's time by its last answer to a question of ours, None before the first.

    A clock that runs behind the books is found without HQ; one that was years ahead from the start is not,
    and would let every point lapse. A time service that has set the clock is believed before HQ.
    """

    def __init__(self, clock: Clock, hq_ms: Callable[[], int | None]) -> None:
        self._clock = clock
        self._hq_ms = hq_ms

    def wall_ms(self) -> int:
        return self._clock.wall_ms()

    def monotonic_ms(self) -> Monotonic:
        return self._clock.monotonic_ms()

    def quality(self, floor_ms: int) -> ClockQuality:
        quality, hq_ms = self._clock.quality(floor_ms), self._hq_ms()
        if quality is ClockQuality.HOLDOVER and hq_ms is not None:
            is_contradicted = self._clock.wall_ms() - hq_ms > MOST_AHEAD_MS
            return ClockQuality.UNTRUSTED if is_contradicted else quality
        return quality
