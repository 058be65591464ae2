"""Which sales are to be read, which are safe with the till, and which may be cleared.

A sale is believed when two readings agree, and cleared only straight after a reading that shows, byte for
byte, what is safe. All that waits is read before anything is cleared, so that a damaged clear can hit
nothing that nobody has read.
"""

from collections import deque

from drivers.events import Monotonic
from drivers.ifsf.reading import LOCKED, Record

READINGS_LIMIT = 5
"""Readings of one sale in a row; then it waits for the next look."""
PLACES_LIMIT = 64
"""More than 4 points can hold at 15 each, and far fewer than the numbers there are. Of safe sales the newest
are kept, so none is there when its number comes again; of more than these offers the next look tells."""


class SaleBook:
    """Keys are database addresses: point, 21, sequence number."""

    def __init__(self, *, clears: bool) -> None:
        self._clears = clears
        self._unread: dict[bytes, Record | None] = {}
        self._later: dict[bytes, Monotonic] = {}
        self._readings: dict[bytes, int] = {}
        self._safe: dict[bytes, Record] = {}
        self._clearable: deque[bytes] = deque()

    def offered(self, place: bytes, record: Record | None) -> None:
        """The device has this sale; `record` if it was shown whole."""
        self._later.pop(place, None)
        if record is not None and self.is_safe(record):
            self._may_clear(record)
        elif place not in self._unread and len(self._unread) < PLACES_LIMIT:
            self._unread[place] = record

    def read_again(self, place: bytes, at: Monotonic) -> None:
        """Reported or safe: what stands there is read anew before anything else is done about it."""
        self._later[place] = at

    def next_unread(self, now: Monotonic) -> bytes | None:
        for place in [place for place, at in self._later.items() if at <= now]:
            self.offered(place, None)
        return next(iter(self._unread), None)

    def next_clearable(self) -> bytes | None:
        """Only when nothing is left to be read."""
        return self._clearable[0] if self._clearable and not self._unread else None

    def next_at(self) -> Monotonic | None:
        """When there is something to read or to clear; None if nothing is known."""
        if self._unread or self._clearable:
            return Monotonic(0)
        return min(self._later.values(), default=None)

    def differs(self, record: Record) -> bool:
        """True if another reading of this sale says something else."""
        first = self._unread.get(record.place)
        return first is not None and first != record

    def read(self, record: Record) -> bool:
        """Another reading. True: two agree, and nobody knows it yet."""
        if self.is_safe(record):
            self.leave(record.place)
            self._may_clear(record)
            return False
        if self._unread.get(record.place) == record:
            self.leave(record.place)
            return True
        self._unread[record.place] = record
        self.failed(record.place)
        return False

    def failed(self, place: bytes) -> None:
        """A reading that did not help; after some of them the sale waits for the next look."""
        self._readings[place] = self._readings.get(place, 0) + 1
        if self._readings[place] >= READINGS_LIMIT:
            self.leave(place)

    def leave(self, place: bytes) -> None:
        """Nothing more to read there for now."""
        self._unread.pop(place, None)
        self._readings.pop(place, None)

    def is_safe(self, record: Record) -> bool:
        return self._safe.get(record.place) == record

    def keep(self, record: Record) -> None:
        """It is safe with the till, or it is no fuelling."""
        self._safe.pop(record.place, None)
        self._safe[record.place] = record
        while len(self._safe) > PLACES_LIMIT:
            self._safe.pop(next(iter(self._safe)))

    def clear_asked(self) -> bytes:
        """The next clear goes out; only another reading allows it again."""
        return self._clearable.popleft()

    def forget_readings(self, read_again_at: Monotonic) -> None:
        """Silence or a pulled plug: what was offered must be read anew before anything is done about it."""
        self._later |= dict.fromkeys([*self._clearable, *self._unread], read_again_at)
        self._unread.clear()
        self._readings.clear()
        self._clearable.clear()

    def _may_clear(self, record: Record) -> None:
        if self._clears and not record.is_in(LOCKED) and record.place not in self._clearable:
            self._clearable.append(record.place)
