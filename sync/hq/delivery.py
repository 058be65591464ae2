"""What goes down to stations, and when: after a hello, after an `applied`, and when something was issued.

A worker claims what it will send, commits, and only then sends. One that dies in between has claimed in
vain: the station's next hello names the number that it has, and everything behind it is sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from sync import topics, wire
from sync.hq.store import HqStore, Writing
from sync.hq.store.down import Standing
from sync.refusal import Refusal

WINDOW = 20
"""Items on the way to one station; the next follow when it has dealt with these."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The newest number given to a station, the messages that follow its hello, the alarm DOWN_BEHIND if
    it has a number that HQ never gave."""

    issued_seq: int
    items: list[tuple[str, bytes]] = field(default_factory=list)
    alarm: Refusal | None = None


class Delivery:
    """Hands out (topic, bytes) for the caller to publish, QoS 1, after its transaction."""

    def __init__(self, store: HqStore, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._wall_ms = wall_ms

    def after_hello(self, ask: wire.HelloAsk, standing: Standing) -> Behind:
        """What lies behind the number that the station has; `standing` is what HQ has of it."""
        if ask.down_seq == standing.issued_seq == standing.obeyed_seq:
            return Behind(standing.issued_seq)
        now = self._wall_ms()
        with self._store.write() as tx:
            tx.lock(ask.station)
            lost = tx.down.hear(ask.station, ask.down_seq)
            items = self._items(tx, ask.station, now)
            issued_seq = tx.down.standing(ask.station).issued_seq
            alarm = None if lost is None else _behind(ask.down_seq, standing.issued_seq, lost)
            if alarm:
                tx.alarm(ask.station, alarm.reason, alarm.detail, now)
        return Behind(issued_seq, items, alarm)

    def after_applied(self, tx: Writing, station: str) -> list[tuple[str, bytes]]:
        """The next items, now that some were dealt with."""
        return self._items(tx, station, self._wall_ms())

    def new(self) -> list[tuple[str, bytes]]:
        """What was issued since and no worker has taken."""
        with self._store.read() as asked:
            if not asked.down.is_anything_due(WINDOW):
                return []
        with self._store.write() as tx:
            claimed = tx.down.claim(WINDOW, self._wall_ms())
            return [(topics.down_items(station), document) for station, document in claimed]

    def new_for_all(self) -> list[tuple[str, bytes]]:
        """The rules of every programme if there are newer ones than before, to be retained."""
        with self._store.read() as asked:
            if not asked.documents.is_anything_unpublished():
                return []
        with self._store.write() as tx:
            is_mine = tx.documents.claim_unpublished(self._wall_ms())
        return self.for_all() if is_mine else []

    def for_all(self) -> list[tuple[str, bytes]]:
        """The newest rules of every programme, to be retained: brokers forget."""
        with self._store.read() as asked:
            return [(topics.bundle(name), document) for name, document in asked.documents.retained()]

    def _items(self, tx: Writing, station: str, at_ms: int) -> list[tuple[str, bytes]]:
        topic = topics.down_items(station)
        return [(topic, document) for document in tx.down.due(station, WINDOW, at_ms)]


def _behind(said: int, issued: int, lost: int) -> Refusal:
    text = f"the station has {said}, here {issued} was the newest: numbering goes on behind it; "
    return Refusal("DOWN_BEHIND", f"{text}{lost} items are to be issued again")
