"""The verbs of one writing transaction."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache

import sqlalchemy as sa

from sync.chain import GENESIS, next_head_of_leaf
from sync.hq.store import queries, tables
from sync.hq.store.families import Families
from sync.hq.store.queries import of_chain, upsert
from sync.hq.store.rows import Arrival, ItemRow, Mark, Span, StreamKey

LANDMARK_EVERY = 1_000
"""About so many leaves are hashed to find the head of a row; rows of the first schema have no landmarks."""


_LOCK = sa.select(tables.station.c.id).where(tables.station.c.id == sa.bindparam("locked")).with_for_update()
"""Here and below: what every batch asks is made once. Making it takes as long as asking it."""


_POSTGRESQL: sa.Dialect = sa.make_url("postgresql+psycopg://").get_dialect()()


@cache
def _entities(dialect: str) -> sa.Select[tuple[str, str, bytes | None]]:
    """One look into the index for each. A join may be planned to look through all that a station ever said,
    and without the kind it must be."""
    kind, entity_id = _given_lists() if dialect == "postgresql" else _given_pairs()
    i = tables.item.c
    same = (i.station == sa.bindparam("station"), i.kind == kind, i.entity_id == entity_id)
    leaf = sa.select(i.leaf).where(*same, i.counted == sa.literal_column("1")).scalar_subquery()
    return sa.select(kind.label("kind"), entity_id.label("entity_id"), leaf.label("leaf"))


def _given_lists() -> tuple[sa.ColumnElement[str], sa.ColumnElement[str]]:
    given = queries.unnested(tables.item, ("kind", "entity_id")).c
    return given.kind, given.entity_id


def _given_pairs() -> tuple[sa.ColumnElement[str], sa.ColumnElement[str]]:
    pair = sa.func.json_each(sa.bindparam("pairs")).table_valued("value").c.value
    return sa.func.json_extract(pair, "$[0]"), sa.func.json_extract(pair, "$[1]")


@cache
def _copy(names: tuple[str, ...]) -> tuple[str, list[str]]:
    """The statement, and what PostgreSQL calls the columns' types."""
    types = [str(tables.item.c[name].type.compile(dialect=_POSTGRESQL)).lower() for name in names]
    return f"COPY {tables.item.name} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)", types


class Writing(Families):
    """The verbs of one writing transaction."""

    def lock(self, station: str) -> None:
        """Keep other workers away from this station until the transaction ends."""
        self._connection.execute(_LOCK, {"locked": station})

    def set_mark(self, key: StreamKey, mark: Mark, at_ms: int, mismatched: int = 0) -> None:
        """Move the watermark; `mismatched` more awards on the way to it were computed otherwise."""
        figures = asdict(mark) | {"at_ms": at_ms, "mismatched": mismatched}
        line = asdict(key) | figures
        self._connection.execute(
            upsert(self._connection, tables.watermark, add=("mismatched",), put=("seq", "head", "at_ms")),
            line,
        )

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
        here = [
            sa.select(table.c.seq, table.c.leaf).where(
                *of_chain(table, key), table.c.seq.between(first, last)
            )
            for table in (tables.item, tables.waiting)
        ]
        return {row.seq: row.leaf for row in self._connection.execute(sa.union_all(*here))}

    def hold(self, key: StreamKey, arrivals: Sequence[Arrival]) -> None:
        """Keep what came before its neighbour; the head said last counts."""
        self.forget_waiting(key, arrivals[0].seq, arrivals[-1].seq)
        self._connection.execute(tables.waiting.insert(), [asdict(key) | one._asdict() for one in arrivals])

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

    def entity_leaves(
        self, station: str, entities: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], bytes]:
        """Leaf of the counted item of each of these (kind, entity id) that is already here."""
        if not entities:
            return {}
        wanted: dict[str, object] = {"station": station}
        if self._connection.dialect.name == "postgresql":
            wanted |= {"kind": [kind for kind, _ in entities], "entity_id": [name for _, name in entities]}
        else:
            wanted |= {"pairs": json.dumps(list(entities))}
        found = self._connection.execute(_entities(self._connection.dialect.name), wanted)
        return {(row.kind, row.entity_id): row.leaf for row in found if row.leaf is not None}

    def add_items(self, key: StreamKey, rows: Sequence[ItemRow], at_ms: int) -> None:
        """By COPY where there is one: an INSERT for every row costs PostgreSQL three times as much."""
        common = asdict(key) | {"received_at_ms": at_ms}
        if self._connection.dialect.name == "postgresql":
            self._copy_items(tuple(common), [(*common.values(), *row) for row in rows])
            return
        self._connection.execute(tables.item.insert(), [common | row._asdict() for row in rows])

    def _copy_items(self, common: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
        copying, types = _copy((*common, *ItemRow._fields))
        driver = self._connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

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
        """Keep a station's last birth or death message, and when it came first: brokers say it again."""
        values = {"state": state, "state_at_ms": at_ms}
        is_new = tables.station.c.state.is_distinct_from(state)
        change = tables.station.update().where(tables.station.c.id == station, is_new)
        self._connection.execute(change.values(values))
