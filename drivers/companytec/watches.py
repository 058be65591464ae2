"""Two small memories of the session: where the read pointer should be, and which nozzles flow.

`RingWatch` finds records that were stepped over without having been read: the step command has no
reply and no number, so a wire that repeats it, a late copy of it, or a second program on the same port
each lose a record unless somebody counts. `FlowWatch` turns repeated sightings into starts and ends.
"""

from collections import deque
from dataclasses import dataclass

from drivers.companytec.codec import RING, Pointers
from drivers.events import Monotonic

LOOK_BACK = 4
"""Records before the read pointer that are read again after a start: we may have died between a step
and the look at where it led. The till knows them as REPEATED."""
MISSED_AT_ONCE = 64
WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if the nozzle was seen flowing at most this long before."""
GLITCH_MS = 1_000
"""A nozzle that is away for longer and comes back has begun another fuelling."""
ENDED_WITHIN_MS = 10_000
"""A seen end belongs to a record that is read at most this long after it."""


class RingWatch:
    """Positions before `position` are safe with the till, as far as this session knows."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.missed: deque[int] = deque(maxlen=MISSED_AT_ONCE)
        self._durable: deque[int] = deque(maxlen=MISSED_AT_ONCE)
        self._surprise: int | None = None

    def durable(self, number: int | None) -> None:
        """The record of this number may be stepped over."""
        if number is not None:
            self._durable.append(number)

    def look(self, pointers: Pointers) -> bool:
        """Compare with where the device really is. True if that is settled; False: ask once more,
        because a surprise is believed only when it is said twice (the check value has 8 bits)."""
        start = (pointers.read - LOOK_BACK) % RING if self.position is None else self.position
        ahead = (pointers.read - start) % RING
        went_back = ahead > RING // 2
        passed = [(start + step) % RING for step in range(0 if went_back else min(ahead, MISSED_AT_ONCE))]
        missed = [position for position in passed if position not in self._durable]
        if (missed or went_back) and self._surprise != pointers.read:
            self._surprise = pointers.read
            return False
        self._surprise = None
        self.missed.extend(missed)
        self.position = pointers.read if went_back else (start + len(passed)) % RING
        return self.position == pointers.read


@dataclass(slots=True)
class _Flowing:
    started: Monotonic
    seen: Monotonic
    gone: Monotonic | None = None


class FlowWatch:
    """Nozzles in `(&V)`. Its answer has no check value, so a change is believed when seen twice."""

    def __init__(self) -> None:
        self._flowing: dict[str, _Flowing] = {}
        self._candidates: frozenset[str] = frozenset()

    def look(self, nozzles: frozenset[str], now: Monotonic) -> list[str]:
        """Take one answer; returns the nozzles whose fuelling has now begun."""
        for nozzle in nozzles & self._flowing.keys():
            gone = self._flowing[nozzle].gone
            if gone is not None and now - gone > GLITCH_MS:
                del self._flowing[nozzle]
        started = sorted((nozzles & self._candidates) - self._flowing.keys())
        self._candidates = nozzles
        for nozzle in started:
            self._flowing[nozzle] = _Flowing(now, now)
        for nozzle, flowing in self._flowing.items():
            if nozzle in nozzles:
                flowing.seen, flowing.gone = now, None
            elif flowing.gone is None:
                flowing.gone = now
        self._flowing = {
            nozzle: flowing
            for nozzle, flowing in self._flowing.items()
            if flowing.gone is None or now - flowing.gone <= ENDED_WITHIN_MS
        }
        return started

    def ended(self, nozzle: str, drained_at: Monotonic | None, now: Monotonic) -> Monotonic | None:
        """When the fuelling of a record just read was seen to end, if it was.

        `drained_at` is when the ring was last seen empty: only a record written after the fuelling was
        seen to begin can be that fuelling's.
        """
        flowing = self._flowing.pop(nozzle, None)
        if flowing is None or drained_at is None or drained_at < flowing.started:
            return None
        end = now if flowing.gone is None else flowing.gone
        watched = end - flowing.seen <= WATCHED_WITHIN_MS
        return end if watched and now - end <= ENDED_WITHIN_MS else None

    def forget(self) -> None:
        """The wire was gone: what flowed may have ended at any time."""
        self._flowing.clear()
        self._candidates = frozenset()
