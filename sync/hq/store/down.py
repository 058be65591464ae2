"""What is issued to stations: numbers without a gap, what to hand to the broker, what became of it.

Whoever gives a number or hears a station holds that station's lock (`Writing.lock`). Workers that look
for something to send take a station's line of `down_stream`, and skip the lines that another has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from sync.hq.store.down_tables import down_item, down_stream

BEHIND = "DOWN_BEHIND"
"""Verdict of an item whose number the station had seen on another one: HQ was restored. Issue it again."""

_MOST_STATIONS = 200


@dataclass(frozen=True, slots=True)
class DownRow:
    """One item as it was signed. `said` is SHA-256 of kind and body: the same id never says two things."""

    down_seq: int
    id: str
    kind: str
    said: bytes
    document: bytes
    issued_at_ms: int
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The last number issued, handed to the broker, and known to be consumed."""

    issued_seq: int = 0
    sent_seq: int = 0
    obeyed_seq: int = 0


@dataclass(frozen=True, slots=True)
class DownLine:
    """One item as people see it. `verdict` None: nothing was heard of it yet; "": it took effect."""

    station: str
    down_seq: int
    id: str
    kind: str
    issued_at_ms: int
    not_after_ms: int
    published_at_ms: int | None
    verdict: str | None
    applied_at_ms: int | None


class DownVerbs:
    """Verbs and questions about the road down, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def standing(self, station: str) -> Standing:
        s = down_stream.c
        query = sa.select(s.issued_seq, s.sent_seq, s.obeyed_seq).where(s.station == station)
        row = self._connection.execute(query).one_or_none()
        return Standing(*row) if row else Standing()

    def named(self, station: str, name: str) -> DownLine | None:
        """The newest item of this id."""
        query = _lines().where(down_item.c.station == station, down_item.c.id == name)
        row = self._connection.execute(query.order_by(down_item.c.down_seq.desc()).limit(1)).one_or_none()
        return DownLine(*row) if row else None

    def said(self, station: str, down_seq: int) -> bytes:
        """What an item that is here says: SHA-256 of its kind and body."""
        i = down_item.c
        query = sa.select(i.said).where(i.station == station, i.down_seq == down_seq)
        found: bytes = self._connection.execute(query).scalar_one()
        return found

    def issue(self, station: str, row: DownRow) -> None:
        """Keep an item under the number behind the last one."""
        standing = self.standing(station)
        assert row.down_seq == standing.issued_seq + 1
        self._connection.execute(down_item.insert(), {"station": station} | asdict(row))
        self._stand(station, issued_seq=row.down_seq)

    def hear(self, station: str, down_seq: int) -> int | None:
        """The station says which number it consumed last; what comes behind it is to be sent (again).

        If it has seen numbers that were never given here, numbering goes on behind them: returns how
        many items of ours lost their number (verdict `BEHIND`), else None.
        """
        standing = self.standing(station)
        self._stand(station, sent_seq=down_seq, obeyed_seq=down_seq)
        if down_seq <= standing.issued_seq:
            return None
        self._stand(station, issued_seq=down_seq)
        i = down_item.c
        unheard = down_item.update().where(i.station == station, i.verdict.is_(None))
        return self._connection.execute(unheard.values(verdict=BEHIND)).rowcount

    def due(self, station: str, window: int, at_ms: int) -> list[bytes]:
        """What may be handed to the broker now, in order: at most `window` behind what was consumed."""
        standing = self.standing(station)
        until = min(standing.issued_seq, standing.obeyed_seq + window)
        i = down_item.c
        here = (i.station == station, i.down_seq > standing.sent_seq, i.down_seq <= until)
        documents = list(self._connection.scalars(sa.select(i.document).where(*here).order_by(i.down_seq)))
        if documents:
            first = down_item.update().where(*here, i.published_at_ms.is_(None))
            self._connection.execute(first.values(published_at_ms=at_ms))
            self._stand(station, sent_seq=until)
        return documents

    def is_anything_due(self, window: int) -> bool:
        query = sa.select(down_stream.c.station).where(*_unsent(window)).limit(1)
        return self._connection.scalar(query) is not None

    def claim(self, window: int, at_ms: int) -> Iterator[tuple[str, bytes]]:
        """(station, document) of what no worker has handed over yet; what others hold is left to them."""
        query = sa.select(down_stream.c.station).where(*_unsent(window)).limit(_MOST_STATIONS)
        for station in list(self._connection.scalars(query.with_for_update(skip_locked=True))):
            for document in self.due(station, window, at_ms):
                yield station, document

    def applied(self, station: str, down_seq: int, name: str, verdict: str, at_ms: int) -> DownLine | None:
        """What became of an item; the item, or None if that number had another name here."""
        i = down_item.c
        here = (i.station == station, i.down_seq == down_seq, i.id == name)
        first = sa.func.coalesce(i.applied_at_ms, at_ms)
        change = down_item.update().where(*here).values(verdict=verdict, applied_at_ms=first)
        if self._connection.execute(change).rowcount == 0:
            return None
        self._stand(station, obeyed_seq=max(self.standing(station).obeyed_seq, down_seq))
        return self.named(station, name)

    def lose_number(self, station: str, down_seq: int) -> str:
        """The station had another item under this number: ours gets `BEHIND`. Its id; "" without one."""
        i = down_item.c
        here = (i.station == station, i.down_seq == down_seq, i.verdict.is_(None))
        lost = self._connection.scalar(sa.select(i.id).where(*here))
        self._connection.execute(down_item.update().where(*here).values(verdict=BEHIND))
        return lost or ""

    def unheard(self, station: str) -> list[tuple[int, bytes]]:
        """(down_seq, document) of every item of which no verdict came."""
        i = down_item.c
        query = sa.select(i.down_seq, i.document).where(i.station == station, i.verdict.is_(None))
        return [(row.down_seq, row.document) for row in self._connection.execute(query.order_by(i.down_seq))]

    def replace_document(self, station: str, down_seq: int, document: bytes) -> None:
        """The same item, signed by other keys."""
        i = down_item.c
        here = (i.station == station, i.down_seq == down_seq)
        self._connection.execute(down_item.update().where(*here).values(document=document))

    def unheard_by_station(self) -> dict[str, tuple[int, int]]:
        """(how many, issued when the oldest) of the items without a verdict, per station."""
        i = down_item.c
        query = sa.select(i.station, sa.func.count(), sa.func.min(i.issued_at_ms))
        rows = self._connection.execute(query.where(i.verdict.is_(None)).group_by(i.station))
        return {station: (n, oldest) for station, n, oldest in rows}

    def lines(self, station: str, limit: int) -> Sequence[DownLine]:
        """A station's last items, the newest first."""
        query = _lines().where(down_item.c.station == station)
        rows = self._connection.execute(query.order_by(down_item.c.down_seq.desc()).limit(limit))
        return [DownLine(*row) for row in rows]

    def _stand(self, station: str, **seqs: int) -> None:
        change = down_stream.update().where(down_stream.c.station == station).values(seqs)
        if self._connection.execute(change).rowcount == 0:
            row = {"station": station, **asdict(Standing()), **seqs}
            self._connection.execute(down_stream.insert(), row)


def _unsent(window: int) -> tuple[sa.ColumnElement[bool], ...]:
    s = down_stream.c
    return (s.sent_seq < s.issued_seq, s.sent_seq < s.obeyed_seq + window)


def _lines() -> sa.Select[Any]:
    i = down_item.c
    columns = (i.station, i.down_seq, i.id, i.kind, i.issued_at_ms, i.not_after_ms)
    return sa.select(*columns, i.published_at_ms, i.verdict, i.applied_at_ms)
