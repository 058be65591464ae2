"""What HQ has booked, in the order of each chain, and how far each consumer has fetched it.

A chain is one stream of one incarnation of a station's database. Its rows are there without a gap up to
its watermark and never change, so a cursor is one number per chain.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from sync.hq.store.down_tables import export_cursor
from sync.hq.store.queries import of_chain
from sync.hq.store.rows import StreamKey
from sync.hq.store.tables import item, watermark


@dataclass(frozen=True, slots=True)
class Booking:
    """One booked item: what HQ makes of it, and the bytes that the station signed."""

    seq: int
    kind: str
    entity_id: str | None
    member: str | None
    minor: int
    verdict: str
    counted: int
    received_at_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Behind:
    """A chain of which the consumer has everything up to `fetched_seq`, and HQ more."""

    chain: StreamKey
    fetched_seq: int
    held_seq: int


class ExportVerbs:
    """Verbs and questions about cursors, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def behind(self, consumer: str) -> Sequence[Behind]:
        """The chains with rows that the consumer has not got, by station, epoch and stream."""
        w, c = watermark.c, export_cursor.c
        same = sa.and_(
            c.consumer == consumer, c.station == w.station, c.epoch == w.epoch, c.stream == w.stream
        )
        fetched = sa.func.coalesce(c.seq, w.fork_seq)
        query = sa.select(w.station, w.epoch, w.stream, fetched, w.seq)
        query = query.select_from(watermark.outerjoin(export_cursor, same)).where(w.seq > fetched)
        rows = self._connection.execute(query.order_by(w.station, w.epoch, w.stream))
        return [Behind(StreamKey(*row[:3]), row[3], row[4]) for row in rows]

    def bookings(self, chain: StreamKey, after_seq: int, limit: int) -> Sequence[Booking]:
        i = item.c
        columns = (i.seq, i.kind, i.entity_id, i.member, i.minor, i.verdict, i.counted, i.received_at_ms)
        query = sa.select(*columns, i.body).where(*of_chain(item, chain), i.seq > after_seq)
        return [Booking(*row) for row in self._connection.execute(query.order_by(i.seq).limit(limit))]

    def move(self, consumer: str, chain: StreamKey, from_seq: int, to_seq: int) -> bool:
        """The consumer has everything up to `to_seq`. False if the cursor is not where it was read."""
        c = export_cursor.c
        here = (c.consumer == consumer, *of_chain(export_cursor, chain))
        change = export_cursor.update().where(*here, c.seq == from_seq).values(seq=to_seq)
        if self._connection.execute(change).rowcount == 1:
            return True
        row = {"consumer": consumer, **asdict(chain), "seq": to_seq}
        try:
            with self._connection.begin_nested():
                self._connection.execute(export_cursor.insert(), row)
        except sa.exc.IntegrityError:
            return False
        return True

    def cursors(self, consumer: str) -> dict[StreamKey, int]:
        c = export_cursor.c
        query = sa.select(c.station, c.epoch, c.stream, c.seq).where(c.consumer == consumer)
        return {StreamKey(*row[:3]): row[3] for row in self._connection.execute(query)}
