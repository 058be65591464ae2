"""HQ's database, opened. Database errors are not caught here: after one nothing was committed, so
nothing is acknowledged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sync.hq.judging import AWARD, MISMATCH
from sync.hq.report import AlarmLine, Reconciliation, StationLine, StreamStanding, Total
from sync.hq.store import queries, tables
from sync.hq.store.rows import Mark
from sync.hq.store.writing import Writing

SCHEMA_VERSION = 2


class HqStoreError(Exception):
    """The database cannot be used; the text says why and what to do."""


class HqStore:
    """HQ's database, opened. `url` as SQLAlchemy writes it: sqlite:///hq.db, postgresql+psycopg://…"""

    def __init__(self, url: str, *, create: bool = True) -> None:
        """Open, and make the tables if `create`. Raises `HqStoreError` if there is no such database."""
        engine_url = sa.make_url(url)
        if engine_url.get_backend_name() == "sqlite":
            _check_file(engine_url.database, create)
        self._engine = sa.create_engine(engine_url)
        if engine_url.get_backend_name() == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        self._reading_engine = self._engine.execution_options(reading=True)
        self._open_schema(create)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator["Writing"]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._engine.begin() as connection:
            yield Writing(connection)

    def add_station(self, station: str, public_key: bytes, at_ms: int) -> bool:
        """Know a station and its Ed25519 public key (32 bytes). False if it is known with another key."""
        with self._engine.begin() as connection:
            known = connection.scalar(
                sa.select(tables.station.c.public_key).where(tables.station.c.id == station)
            )
            if known is None:
                row = {"id": station, "public_key": public_key, "added_at_ms": at_ms}
                connection.execute(tables.station.insert(), row)
            return known is None or known == public_key

    def public_key(self, station: str) -> bytes | None:
        """The station's public key; None if it is unknown here."""
        query = sa.select(tables.station.c.public_key).where(tables.station.c.id == station)
        with self._reading() as connection:
            key: bytes | None = connection.scalar(query)
            return key

    def marks(self, station: str, epoch: int) -> dict[str, Mark]:
        """How far each stream of this epoch is held."""
        mark = tables.watermark.c
        query = sa.select(mark.stream, mark.seq, mark.head)
        with self._reading() as connection:
            rows = connection.execute(query.where(mark.station == station, mark.epoch == epoch))
            return {row.stream: Mark(row.seq, row.head) for row in rows}

    def highest_epoch(self, station: str) -> int:
        """The newest epoch that has begun here; 0 before the first."""
        with self._reading() as connection:
            return queries.highest_epoch(connection, station)

    def mismatched(self, station: str, epoch: int) -> int:
        """How many awards of this epoch were computed otherwise here."""
        with self._reading() as connection:
            return queries.mismatched(connection, station, epoch)

    def stations(self) -> tuple[StationLine, ...]:
        """All known stations, by name."""
        s = tables.station.c
        query = sa.select(s.id, s.public_key, s.added_at_ms, s.state, s.state_at_ms).order_by(s.id)
        with self._reading() as connection:
            return tuple(StationLine(*row) for row in connection.execute(query))

    def standings(self, station: str | None = None) -> tuple[StreamStanding, ...]:
        """Watermarks and what waits ahead of them; of one station or of all."""
        w, a = tables.watermark.c, tables.waiting.c
        same = sa.and_(a.station == w.station, a.epoch == w.epoch, a.stream == w.stream)
        ahead = sa.select(sa.func.count()).select_from(tables.waiting).where(same).scalar_subquery()
        query = sa.select(w.station, w.epoch, w.stream, w.seq, w.head, w.at_ms, ahead)
        query = query.order_by(w.station, w.epoch, w.stream)
        with self._reading() as connection:
            rows = connection.execute(query if station is None else query.where(w.station == station))
            return tuple(StreamStanding(*row) for row in rows)

    def alarms(self, station: str | None = None) -> tuple[AlarmLine, ...]:
        """Alarms of one station or of all, newest first."""
        a = tables.alarm.c
        query = sa.select(a.station, a.code, a.detail, a.first_at_ms, a.last_at_ms, a.count)
        query = query.order_by(a.last_at_ms.desc(), a.station, a.code)
        with self._reading() as connection:
            rows = connection.execute(query if station is None else query.where(a.station == station))
            return tuple(AlarmLine(*row) for row in rows)

    def reconcile(self, station: str) -> Reconciliation | None:
        """Everything held of one station; None if it is unknown."""
        if self.public_key(station) is None:
            return None
        return Reconciliation(station, self.standings(station), self._totals(station), self.alarms(station))

    def bodies(self, station: str, kind: str) -> tuple[bytes, ...]:
        """The bytes of every counted item of a kind, in the order of epochs and sequence numbers."""
        i = tables.item.c
        query = sa.select(i.body).where(i.station == station, i.kind == kind, i.counted == 1)
        with self._reading() as connection:
            return tuple(connection.scalars(query.order_by(i.epoch, i.stream, i.seq)))

    def _totals(self, station: str) -> tuple[Total, ...]:
        i = tables.item.c
        query = (
            sa.select(i.kind, i.verdict, i.counted, sa.func.count(), sa.func.sum(i.minor))
            .where(i.station == station)
            .group_by(i.kind, i.verdict, i.counted)
            .order_by(i.kind, i.verdict, i.counted)
        )
        with self._reading() as connection:
            rows = connection.execute(query)
            return tuple(Total(kind, verdict, c == 1, n, int(minor)) for kind, verdict, c, n, minor in rows)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._reading_engine.begin() as connection:
            yield connection

    def _open_schema(self, create: bool) -> None:
        with self._engine.begin() as connection:
            is_ours = sa.inspect(connection).has_table(tables.schema.name)
            if not (is_ours or create):
                raise HqStoreError("this database holds no HQ tables; start 'forecourt hq serve' on it once")
            version = connection.scalar(sa.select(tables.schema.c.version)) if is_ours else None
            if version == 1:
                upgrade_from_1(connection)
            elif version not in (None, SCHEMA_VERSION):
                raise HqStoreError(f"HQ tables have version {version}, this program knows {SCHEMA_VERSION}")
            if create:
                tables.metadata.create_all(connection)
            if version is None:
                connection.execute(tables.schema.insert(), {"version": SCHEMA_VERSION})


def upgrade_from_1(connection: sa.Connection) -> None:
    """The first schema knew no forks and did not count mismatches. Of several workers one does it."""
    taken = tables.schema.update().where(tables.schema.c.version == 1).values(version=2)
    if connection.execute(taken).rowcount == 0:
        return
    tables.landmark.create(connection, checkfirst=True)
    for column in tables.SINCE_2:
        definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE watermark ADD COLUMN {definition}"))
    i, w = tables.item.c, tables.watermark.c
    of_stream = sa.and_(i.station == w.station, i.epoch == w.epoch, i.stream == w.stream)
    otherwise = sa.and_(of_stream, i.kind == AWARD, i.verdict == MISMATCH)
    count = sa.select(sa.func.count()).select_from(tables.item).where(otherwise).scalar_subquery()
    connection.execute(tables.watermark.update().values(mismatched=count))


def _check_file(database: str | None, create: bool) -> None:
    if not database or database == ":memory:":
        raise HqStoreError("HQ's database must be a file or a PostgreSQL server: what is in memory is lost")
    if not create and not Path(database).exists():
        raise HqStoreError(
            f"no HQ database at {database}; check the path, or start 'forecourt hq serve' once"
        )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Our own BEGIN instead of the driver's, a commit that survives a power cut, patience with others."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA synchronous=EXTRA")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
