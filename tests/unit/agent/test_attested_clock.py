"""Unit: whom does the agent believe about the time: a time service, headquarters, or its own clock?"""

import pytest

from agent.app.attested import MOST_AHEAD_MS, AttestedClock
from agent.clock import ClockQuality
from drivers.events import Monotonic

NOW_MS = 1_783_476_000_000
SYNCED, HOLDOVER, UNTRUSTED = ClockQuality


class Machine:
    def __init__(self, said: ClockQuality) -> None:
        self._said = said

    def wall_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(5)

    def quality(self, floor_ms: int) -> ClockQuality:
        return UNTRUSTED if floor_ms > NOW_MS else self._said


@pytest.mark.parametrize(
    ("own", "hq_ms", "believed"),
    [
        (HOLDOVER, None, HOLDOVER),
        (HOLDOVER, NOW_MS, HOLDOVER),
        (HOLDOVER, NOW_MS - MOST_AHEAD_MS, HOLDOVER),
        (HOLDOVER, NOW_MS - MOST_AHEAD_MS - 1, UNTRUSTED),
        (HOLDOVER, NOW_MS + 10 * MOST_AHEAD_MS, HOLDOVER),
        (SYNCED, NOW_MS - 10 * MOST_AHEAD_MS, SYNCED),
        (UNTRUSTED, NOW_MS, UNTRUSTED),
    ],
)
def test_a_clock_that_nobody_set_is_doubted_where_headquarters_is_a_day_behind(
    own: ClockQuality, hq_ms: int | None, believed: ClockQuality
) -> None:
    clock = AttestedClock(Machine(own), lambda: hq_ms)
    assert clock.quality(0) is believed
    assert (clock.wall_ms(), clock.monotonic_ms()) == (NOW_MS, 5)


def test_the_floor_of_the_books_is_held_against_it_too() -> None:
    assert AttestedClock(Machine(HOLDOVER), lambda: NOW_MS).quality(NOW_MS + 1) is UNTRUSTED
