"""What each station said last of itself: brokers say retained messages again to every worker that comes.

A line that is kept already was verified when it was kept, and changes nothing, whoever says it again. So
a worker that starts beside ten thousand stations asks its database once instead of ten thousand times.
"""

import hashlib

from sync.hq.store import HqStore


class LastStates:
    """Remembers 32 bytes for each station; knows from the database what other workers kept before it came."""

    def __init__(self, store: HqStore) -> None:
        self._store = store
        self._kept: dict[str, bytes] | None = None

    def is_kept(self, station: str, line: bytes) -> bool:
        """Whether `line` is what the station said last, as far as it is known here."""
        return self._all().get(station) == _digest(line)

    def keep(self, station: str, line: bytes, at_ms: int) -> None:
        """`line` is a verified state without its signature."""
        with self._store.write() as tx:
            tx.set_state(station, line, at_ms)
        self._all()[station] = _digest(line)

    def _all(self) -> dict[str, bytes]:
        if self._kept is None:
            lines = self._store.stations()
            self._kept = {line.station: _digest(line.state) for line in lines if line.state is not None}
        return self._kept


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()
