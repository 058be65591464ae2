"""Small memories of the session: where the read pointer should be, when to look, which nozzles flow.

`RingWatch` finds records that were stepped over without having been read: the step command has no
reply and no number, so a wire that repeats it, a late copy of it, or a second program on the same port
each lose a record unless somebody counts. `FlowWatch` turns repeated sightings into starts and ends.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.companytec.codec import Pointers
from drivers.events import Monotonic

LOOK_BACK = 4
"""Records before the read pointer that are read again after a start: we may have died between a step
and the look at where it led. The till knows them as REPEATED."""
MISSED_AT_ONCE = 64
POINTER_CHECK_MS = 10_000
"""Time between two looks at the pointers on a quiet forecourt."""
POINTER_TRIES = 5
POINTERS_ABSENT_MS = 60_000
"""Firmware that does not answer the pointer question is asked again this much later."""
TAG_CHECK_MS = 2_000
TAGS_ABSENT_MS = 60_000
TAG_FRESH_MS = 10_000
"""Time between two looks at the unknown tags, and where the question is not answered."""
FETCH_TRIES = 25
"""Failures at one position, while other questions are answered, after which it is given up and counted."""
WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if the nozzle was seen flowing at most this long before."""
GLITCH_MS = 1_000
"""A nozzle that is away for longer and comes back has begun another fuelling."""
ENDED_WITHIN_MS = 10_000
"""A seen end belongs to a record that is read at most this long after it."""


class RingWatch:
    """Positions before `position` are safe with the till, as far as this session knows. There are `ring` of
    them; the device's own numbers are taken modulo that."""

    def __init__(self, ring: int) -> None:
        self._size = ring
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
        size, read = self._size, pointers.read % self._size
        start = (read - LOOK_BACK) % size if self.position is None else self.position
        ahead = (read - start) % size
        went_back = ahead > size // 2
        passed = [(start + step) % size for step in range(0 if went_back else min(ahead, MISSED_AT_ONCE))]
        missed = [position for position in passed if position not in self._durable]
        if (missed or went_back) and self._surprise != read:
            self._surprise = read
            return False
        self._surprise = None
        self.missed.extend(missed)
        self.position = read if went_back else (start + len(passed)) % size
        return self.position == read


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


class PointerTurn:
    """When the pointers are asked for: on a quiet forecourt now and then, after a step at once, and seldom
    where the firmware does not know the question (before CBC04)."""

    def __init__(self) -> None:
        self._due = Monotonic(0)
        self._failures = 0

    def is_due(self, now: Monotonic) -> bool:
        return now >= self._due

    def hurry(self, now: Monotonic) -> None:
        """Something moved the pointer, or may have."""
        if self._failures < POINTER_TRIES:
            self._due = now

    def renew(self, now: Monotonic) -> None:
        """The wire or the device is new: it may know the question after all."""
        self._failures, self._due = 0, now

    def answered(self, now: Monotonic, *, settled: bool) -> None:
        self._failures = 0
        self._due = Monotonic(now + POINTER_CHECK_MS) if settled else now

    def failed(self, now: Monotonic) -> None:
        self._failures += 1
        absent = self._failures >= POINTER_TRIES
        self._due = Monotonic(now + POINTERS_ABSENT_MS) if absent else now


class TagTurn:
    """When the unknown tags are asked for, if at all."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._due = Monotonic(0)
        self._empty_at: Monotonic | None = None
        self._card: Mapping[str, str] | None = None
        self._shown: Monotonic | None = None

    def is_due(self, now: Monotonic) -> bool:
        return self._is_on and now >= self._due

    def rest(self, now: Monotonic) -> None:
        """There is none."""
        self._due = Monotonic(now + TAG_CHECK_MS)
        self._empty_at = now

    def forget(self) -> None:
        """Nobody knows any more when the list was empty."""
        self._empty_at = None

    def shown(self, fields: Mapping[str, str], now: Monotonic) -> Monotonic | None:
        """When this card of the list was shown, if just now; the same however often it is read."""
        if self._card != fields:
            is_fresh = self._empty_at is not None and now - self._empty_at <= TAG_FRESH_MS
            self._card, self._shown = fields, now if is_fresh else None
        return self._shown

    def failed(self, now: Monotonic) -> None:
        """No answer: this firmware may not know the question."""
        self._due = Monotonic(now + TAGS_ABSENT_MS)


class FetchTries:
    """How often the first missed position has been asked for in vain, while other questions were answered."""

    def __init__(self, ring: RingWatch) -> None:
        self._ring = ring
        self._tries = 0
        self._heard_before_count = 0

    def silent(self, heard_count: int) -> bool:
        """No answer, `heard_count` valid frames since the start; True if it is given up."""
        if heard_count <= self._heard_before_count:
            return False
        self._heard_before_count = heard_count
        return self.useless()

    def useless(self) -> bool:
        """An answer that does not help; True if it is given up."""
        self._tries += 1
        is_enough = self._tries >= FETCH_TRIES
        if is_enough:
            self.over()
        return is_enough

    def over(self) -> None:
        """This position is done."""
        self._tries = 0
        self._ring.missed.popleft()
