"""Which nozzles flow: repeated sightings become starts and ends."""

from dataclasses import dataclass

from drivers.events import Fuelling, Monotonic, RawDigits

WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if the nozzle was seen flowing at most this long before."""
GLITCH_MS = 1_000
"""A nozzle that is away for longer and comes back has begun another fuelling."""
ENDED_WITHIN_MS = 10_000
"""A seen end belongs to a record that is read at most this long after it."""


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
        self._drained_at: Monotonic | None = None
        self._last: tuple[RawDigits, Monotonic | None] | None = None

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

    def drained(self, now: Monotonic) -> None:
        """The ring is empty: only a record written from now on can be that of a fuelling that flows."""
        self._drained_at = now

    def ended(self, fuelling: Fuelling, now: Monotonic, *, is_new: bool) -> Monotonic | None:
        """When the fuelling of a record just read was seen to end, if it was; the same however often it is
        read. `is_new`: it was read where the next record waits, not looked up."""
        if self._last is None or self._last[0] != fuelling.raw:
            self._last = (fuelling.raw, self._end_at(fuelling.nozzle, now) if is_new else None)
        return self._last[1]

    def _end_at(self, nozzle: str, now: Monotonic) -> Monotonic | None:
        flowing = self._flowing.pop(nozzle, None)
        if flowing is None or self._drained_at is None or self._drained_at < flowing.started:
            return None
        end = now if flowing.gone is None else flowing.gone
        watched = end - flowing.seen <= WATCHED_WITHIN_MS
        return end if watched and now - end <= ENDED_WITHIN_MS else None

    def forget(self) -> None:
        """The wire was gone: what flowed may have ended at any time."""
        self._flowing.clear()
        self._candidates = frozenset()
