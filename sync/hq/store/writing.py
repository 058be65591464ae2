"""The verbs of one writing transaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace

import sqlalchemy as sa

from sync.chain import GENESIS, next_head_of_leaf
from sync.hq.store import queries, tables
from sync.hq.store.queries import of_chain
from sync.hq.store.rows import Arrival, ItemRow, Mark, Span, StreamKey

LANDMARK_EVERY = 1_000
"""About so many leaves are hashed to find the head of a row; rows of the first schema have no landmarks."""


class Writing:
    """The verbs of one writing transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, station: str) -> None:
        """Keep other workers away from this station until the transaction ends."""
        self._connection.execute(
            sa.select(tables.station.c.id).where(tables.station.c.id == station).with_for_update()
        )

    def highest_epoch(self, station: str) -> int:
        return queries.highest_epoch(self._connection, station)

    def mismatched(self, station: str, epoch: int) -> int:
        return queries.mismatched(self._connection, station, epoch)

    def mark(self, key: StreamKey) -> Mark | None:
        """How far the stream is held; None before its first batch."""
        query = sa.select(tables.watermark.c.seq, tables.watermark.c.head).where(
            *of_chain(tables.watermark, key)
        )
        row = self._connection.execute(query).one_or_none()
        return Mark(row.seq, row.head) if row else None

    def set_mark(self, key: StreamKey, mark: Mark, at_ms: int, mismatched: int = 0) -> None:
        """Move the watermark; `mismatched` more awards on the way to it were computed otherwise."""
        figures = asdict(mark) | {"at_ms": at_ms}
        more = {"mismatched": tables.watermark.c.mismatched + mismatched}
        change = tables.watermark.update().where(*of_chain(tables.watermark, key)).values(figures | more)
        if self._connection.execute(change).rowcount == 0:
            first = {"mismatched": mismatched}
            self._connection.execute(tables.watermark.insert(), asdict(key) | figures | first)

    def begin(self, key: StreamKey, fork: Mark, former_epoch: int, at_ms: int) -> None:
        """A stream of a new epoch, which goes on behind `fork`; up to there it is `former_epoch`'s."""
        figures = asdict(fork) | {"at_ms": at_ms, "fork_seq": fork.seq, "fork_epoch": former_epoch}
        self._connection.execute(tables.watermark.insert(), asdict(key) | figures)
        self.add_landmark(key, fork)

    def spans(self, station: str, stream: str) -> list[Span]:
        """What each epoch holds of a stream, the newest first."""
        w = tables.watermark.c
        query = sa.select(w.epoch, w.fork_seq, w.seq).where(w.station == station, w.stream == stream)
        return [Span(*row) for row in self._connection.execute(query.order_by(w.epoch.desc()))]

    def add_landmark(self, key: StreamKey, mark: Mark) -> None:
        self._connection.execute(tables.landmark.insert(), asdict(key) | asdict(mark))

    def head_at(self, key: StreamKey, seq: int) -> bytes:
        """The head after a row that this epoch holds, computed from the nearest landmark before it."""
        near, leaf = tables.landmark.c, tables.item.c
        query = sa.select(near.seq, near.head).where(*of_chain(tables.landmark, key), near.seq <= seq)
        row = self._connection.execute(query.order_by(near.seq.desc()).limit(1)).one_or_none()
        start, head = (row.seq, row.head) if row else (0, GENESIS)
        leaves = sa.select(leaf.leaf).where(*of_chain(tables.item, key), leaf.seq > start, leaf.seq <= seq)
        leaves = leaves.order_by(leaf.seq).execution_options(yield_per=LANDMARK_EVERY)
        for one in self._connection.scalars(leaves):
            head = next_head_of_leaf(head, one)
        if seq - start > LANDMARK_EVERY:
            self.add_landmark(key, Mark(seq, head))
        return head

    def leaves(self, key: StreamKey, first: int, last: int) -> dict[int, bytes]:
        """The leaves already here in this range, judged or waiting, by seq."""
        found: dict[int, bytes] = {}
        for table in (tables.item, tables.waiting):
            query = sa.select(table.c.seq, table.c.leaf)
            query = query.where(*of_chain(table, key), table.c.seq.between(first, last))
            found.update((row.seq, row.leaf) for row in self._connection.execute(query))
        return found

    def hold(self, key: StreamKey, arrivals: Sequence[Arrival]) -> None:
        """Keep what came before its neighbour; the head said last counts."""
        self.forget_waiting(key, arrivals[0].seq, arrivals[-1].seq)
        self._connection.execute(tables.waiting.insert(), [asdict(key) | asdict(one) for one in arrivals])

    def waiting(self, key: StreamKey, after_seq: int) -> Iterator[Arrival]:
        """What waits behind `after_seq`, in order."""
        w = tables.waiting.c
        query = sa.select(w.seq, w.body, w.leaf, w.head_before).where(
            *of_chain(tables.waiting, key), w.seq > after_seq
        )
        for row in self._connection.execute(query.order_by(w.seq)):
            yield Arrival(*row)

    def forget_waiting(self, key: StreamKey, first: int, last: int) -> None:
        here = tables.waiting.c.seq.between(first, last)
        self._connection.execute(tables.waiting.delete().where(*of_chain(tables.waiting, key), here))

    def item(self, key: StreamKey, seq: int) -> tuple[str, bytes] | None:
        """(kind, body) of a judged item of this epoch, or of those that it continues; None if not here."""
        epoch: int | None = key.epoch
        while epoch is not None:
            here = replace(key, epoch=epoch)
            query = sa.select(tables.item.c.kind, tables.item.c.body).where(
                *of_chain(tables.item, here), tables.item.c.seq == seq
            )
            row = self._connection.execute(query).one_or_none()
            if row is not None:
                return row.kind, row.body
            epoch = self._former_epoch(here, seq)
        return None

    def _former_epoch(self, key: StreamKey, seq: int) -> int | None:
        """The epoch whose row `seq` is this one's too; None if this one parted from it before."""
        w = tables.watermark.c
        query = sa.select(w.fork_epoch).where(
            *of_chain(tables.watermark, key), w.fork_seq >= seq, w.fork_epoch > 0
        )
        return self._connection.scalar(query)

    def entity_leaves(self, station: str, entity_ids: Iterable[str]) -> dict[tuple[str, str], bytes]:
        """Leaf of the counted item of each (kind, entity id) that is already here."""
        i = tables.item.c
        query = sa.select(i.kind, i.entity_id, i.leaf)
        query = query.where(i.station == station, tables.counts, i.entity_id.in_(list(entity_ids)))
        return {(row.kind, row.entity_id): row.leaf for row in self._connection.execute(query)}

    def add_items(self, key: StreamKey, rows: Sequence[ItemRow], at_ms: int) -> None:
        common = asdict(key) | {"received_at_ms": at_ms}
        self._connection.execute(tables.item.insert(), [common | asdict(row) for row in rows])

    def alarm(self, station: str, code: str, detail: str, at_ms: int, count: int = 1) -> None:
        """Count an alarm; `station` "" for a message that names no known one."""
        shown = "".join(char if char.isprintable() else "?" for char in detail[:300])
        row = {"station": station, "code": code, "detail": shown, "count": count}
        times = {"first_at_ms": at_ms, "last_at_ms": at_ms}
        again = {"detail": shown, "last_at_ms": at_ms, "count": tables.alarm.c.count + count}
        change = (
            tables.alarm.update()
            .where(tables.alarm.c.station == station, tables.alarm.c.code == code)
            .values(again)
        )
        if self._connection.execute(change).rowcount == 0:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(tables.alarm.insert(), row | times)
            except sa.exc.IntegrityError:  # another worker was first: nothing locks a stranger's line
                self._connection.execute(change)

    def set_state(self, station: str, state: bytes, at_ms: int) -> None:
        """Keep a station's last birth or death message."""
        values = {"state": state, "state_at_ms": at_ms}
        self._connection.execute(tables.station.update().where(tables.station.c.id == station).values(values))
