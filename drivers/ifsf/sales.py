"""Which sales are to be read, which are safe with the till, and which may be cleared.

A sale is believed when two readings agree, and cleared only straight after a reading that shows, byte for
byte, what is safe. All that waits is read before anything is cleared, so that a damaged clear can hit
nothing that nobody has read.
"""

from collections import deque

from drivers.ifsf.reading import LOCKED, Record

READINGS_LIMIT = 5
"""Readings of one sale in a row; then it waits for the next look."""
SAFE_LIMIT = 64
"""Safe sales that the device still offers, newest kept: more than 4 points can hold at 15 each."""


class SaleBook:
    """Keys are database addresses: point, 21, sequence number."""

    def __init__(self, *, clears: bool) -> None:
        self._clears = clears
        self._unread: dict[bytes, Record | None] = {}
        self._readings: dict[bytes, int] = {}
        self._safe: dict[bytes, Record] = {}
        self._clearable: deque[bytes] = deque()

    def offered(self, place: bytes, record: Record | None) -> None:
        """The device has this sale; `record` if it was shown whole."""
        if record is not None and self.is_safe(record):
            self._may_clear(record)
        elif place not in self._unread:
            self._unread[place] = record

    def next_unread(self) -> bytes | None:
        return next(iter(self._unread), None)

    def next_clearable(self) -> bytes | None:
        """Only when nothing is left to be read."""
        return self._clearable[0] if self._clearable and not self._unread else None

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
        while len(self._safe) > SAFE_LIMIT:
            self._safe.pop(next(iter(self._safe)))

    def clear_asked(self) -> bytes:
        """The next clear goes out; only another reading allows it again."""
        return self._clearable.popleft()

    def cleared(self, place: bytes) -> None:
        self._safe.pop(place, None)

    def looked(self, point_byte: int, seen: set[bytes]) -> None:
        """A whole look at a point: what it does not offer any more has been cleared, by whomever."""
        for place in [place for place in self._safe if place[0] == point_byte and place not in seen]:
            del self._safe[place]

    def forget_offers(self) -> None:
        """Silence or a pulled plug: what was offered must be read anew before anything is done about it."""
        self._unread.clear()
        self._readings.clear()
        self._clearable.clear()

    def _may_clear(self, record: Record) -> None:
        if self._clears and not record.is_in(LOCKED) and record.place not in self._clearable:
            self._clearable.append(record.place)
