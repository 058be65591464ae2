"""The only place that reads clocks. Everyone else is given a time, or this clock as a value.

Wall time is milliseconds UTC and is for records; monotonic time is for waiting and never stored.
How far the wall clock may be believed is said by `ClockQuality`; what follows from that is the
caller's business (sync.md 5: an UNTRUSTED clock goes on earning and may not spend under grants).
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from drivers.events import Monotonic

SYNCHRONISED_MARK = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd whenever it has set the clock; in /run, so gone after a boot."""

SYNC_HOLDS_MS = 3 * 3_600_000
"""timesyncd asks at least every 2048 s by default: three hours are several missed answers."""

STEP_MS = 120_000
"""A jump of wall against monotonic time beyond this was not drift (decisions.md 2 uses the same bound)."""


class ClockQuality(StrEnum):
    SYNCED = "SYNCED"
    """A time service has set the clock lately."""
    HOLDOVER = "HOLDOVER"
    """Nobody vouches for the time, and nothing contradicts it."""
    UNTRUSTED = "UNTRUSTED"
    """The time contradicts what this station knows: it lies below the floor, or it was stepped."""


class Clock(Protocol):
    """What the parts of the agent that need time are given."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC as the machine believes; may step in both directions."""

    def monotonic_ms(self) -> Monotonic:
        """Milliseconds of a clock that never steps."""

    def quality(self, floor_ms: int) -> ClockQuality:
        """How far `wall_ms` may be believed. `floor_ms`: the latest wall time known to be past."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment for one whole story: wall time in milliseconds UTC and how far it may be believed."""

    wall_ms: int
    quality: ClockQuality = ClockQuality.SYNCED


def instant(clock: Clock, floor_ms: int) -> Instant:
    """Now, but never before `floor_ms`: the order of what was written must not turn round."""
    quality = clock.quality(floor_ms)
    return Instant(max(clock.wall_ms(), floor_ms), quality)


class SystemClock:
    """The machine's clocks.

    A step is noticed against the offset between both clocks at construction, or at the last time
    the machine was SYNCED. The sandbox of the unit forbids adjtimex(2) (ProtectClock=), so a time
    service that leaves no mark like timesyncd's is not seen: the quality is HOLDOVER then.
    """

    def __init__(self, mark: Path = SYNCHRONISED_MARK) -> None:
        self._mark = mark
        self._offset_ms = self.wall_ms() - self.monotonic_ms()

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(time.monotonic_ns() // 1_000_000)

    def quality(self, floor_ms: int) -> ClockQuality:
        wall_ms = self.wall_ms()
        offset_ms = wall_ms - self.monotonic_ms()
        quality = judge(wall_ms, floor_ms, _set_at_ms(self._mark), offset_ms - self._offset_ms)
        if quality is ClockQuality.SYNCED:
            self._offset_ms = offset_ms
        return quality


def judge(wall_ms: int, floor_ms: int, set_at_ms: int | None, stepped_ms: int) -> ClockQuality:
    """The quality of a wall time: pure, so that every case can be tried.

    `set_at_ms`: wall time at which a time service last set the clock since boot, None if never.
    `stepped_ms`: how far wall time has moved against monotonic time since it was last good.

    A year is not a sign: with a dead RTC systemd starts at its own build date (reliability.md 0.7),
    so only the floor finds it.
    """
    if wall_ms < floor_ms:
        return ClockQuality.UNTRUSTED
    if set_at_ms is not None and 0 <= wall_ms - set_at_ms <= SYNC_HOLDS_MS:
        return ClockQuality.SYNCED
    return ClockQuality.UNTRUSTED if abs(stepped_ms) > STEP_MS else ClockQuality.HOLDOVER


def _set_at_ms(mark: Path) -> int | None:
    try:
        return mark.stat().st_mtime_ns // 1_000_000
    except OSError:
        return None
