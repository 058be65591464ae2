"""Where the read pointer should be, and which records it passed that nobody read.

The step command has no number, and in CBC no reply, so a wire that repeats it, a late copy of it, or a
second program on the same port each lose a record unless somebody counts.
"""

from collections import deque

from drivers.companytec.codec import Pointers
from drivers.events import Monotonic

LOOK_BACK = 4
"""Records before the read pointer that are read again after a start: we may have died between a step
and the look at where it led. The till knows them as REPEATED."""
MISSED_AT_ONCE = 64
SALES_SLACK = 32
SALE_EVERY_MS = 2_000
"""No forecourt writes more records between two looks than one in this time, and the slack besides."""
FETCH_TRIES = 25
"""Failures at one position, while other questions are answered, after which it is given up and counted."""


class RingWatch:
    """Positions before `position` are safe with the till, as far as this session knows. There are `ring` of
    them; the device's own numbers are taken modulo that. `set_count`: how often the pointer was set."""

    def __init__(self, ring: int) -> None:
        self._size = ring
        self.position: int | None = None
        self.missed: deque[int] = deque()
        self.set_count = 0
        self._durable: deque[int] = deque(maxlen=MISSED_AT_ONCE)
        self._surprise: int | None = None
        self._unread = self._beyond = 0
        self._now = self._looked_at = Monotonic(0)

    def durable(self, number: int | None) -> None:
        """The record of this number may be stepped over; None: the one where the pointer should be."""
        known = self.position if number is None else number
        if known is not None:
            self._durable.append(known)

    def read_beyond(self) -> None:
        """The record at `position` cannot be read and stays there: those behind it are fetched meanwhile."""
        if self.position is None:
            return
        first = self._beyond + 1
        last = min(self._unread, first + MISSED_AT_ONCE - len(self.missed))
        self.missed.extend((self.position + step) % self._size for step in range(first, last))
        self._beyond = max(self._beyond, last - 1)

    def elapse(self, now: Monotonic) -> None:
        """So late it is: records may have been written meanwhile."""
        self._now = now

    def look(self, pointers: Pointers) -> bool:
        """Compare with where the device really is. True if that is settled; False: ask once more,
        because a surprise is believed only when it is said twice (the check value has 8 bits)."""
        size, read = self._size, pointers.read % self._size
        start = (read - LOOK_BACK) % size if self.position is None else self.position
        ahead = (read - start) % size
        was_set = ahead > self._most_ahead()
        room = 0 if was_set else MISSED_AT_ONCE - len(self.missed)
        passed = [(start + step) % size for step in range(min(ahead, room))]
        missed = [position for position in passed if position not in self._durable]
        if (missed or was_set) and self._surprise != read:
            self._surprise = read
            return False
        self._surprise = None
        if was_set:
            self.set_count += 1
            self._durable.clear()
        self.missed.extend(missed)
        if was_set or passed:
            self._beyond = 0
        self.position = read if was_set else (start + len(passed)) % size
        self._unread = (pointers.write - self.position) % size
        self._looked_at = self._now
        return self.position == read

    def _most_ahead(self) -> int:
        """Positions that the pointer can have passed. One that went further, or back, was set or is another
        device's: what lies between are not records that waited for us."""
        written = SALES_SLACK + (self._now - self._looked_at) // SALE_EVERY_MS
        return min(self._size // 2, self._unread + written)


class FetchTries:
    """How often the first missed position has been asked for in vain, while other questions were answered."""

    def __init__(self, ring: RingWatch) -> None:
        self._ring = ring
        self._tries = self._silent_tries = 0
        self._heard_before_count = self._bad_before_count = 0

    def failed(self, heard_count: int, bad_count: int) -> int:
        """No answer, `heard_count` valid and `bad_count` damaged frames since the start. Returns how many
        positions are given up: all of them where nothing at all was ever said to the question."""
        is_alive, is_damaged = heard_count > self._heard_before_count, bad_count > self._bad_before_count
        self._heard_before_count, self._bad_before_count = heard_count, bad_count
        if not is_alive:
            return 0
        if is_damaged:
            return self.useless()
        self._silent_tries += 1
        return self._over(len(self._ring.missed)) if self._silent_tries >= FETCH_TRIES else 0

    def useless(self) -> int:
        """An answer that does not help; returns how many positions are given up."""
        self._tries, self._silent_tries = self._tries + 1, 0
        return self._over(1) if self._tries >= FETCH_TRIES else 0

    def over(self) -> None:
        """This position is done."""
        self._over(1)

    def _over(self, count: int) -> int:
        self._tries = self._silent_tries = 0
        for _ in range(count):
            self._ring.missed.popleft()
        return count
