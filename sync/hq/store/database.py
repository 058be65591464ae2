"""HQ's database, opened. Database errors are not caught here: after one nothing was committed, so
nothing is acknowledged.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sync.hq.report import AlarmLine, Reconciliation, StationLine, StreamStanding, Total
from sync.hq.store import queries, tables
from sync.hq.store.families import Families
from sync.hq.store.migrations import alone, bring_up
from sync.hq.store.rows import Chains
from sync.hq.store.writing import Writing

SCHEMA_VERSION = 4
"""The newest revision in `migrations/versions`."""

_PUBLIC_KEY = sa.select(tables.station.c.public_key).where(tables.station.c.id == sa.bindparam("station"))


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
        self._one_question_engine = self._reading_engine
        if engine_url.get_backend_name() == "postgresql":  # three turns to the server become one
            self._one_question_engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with ExitStack() as undo:
            undo.callback(self._engine.dispose)
            self._open_schema(create)
            undo.pop_all()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator["Writing"]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._engine.begin() as connection:
            yield Writing(connection)

    @contextmanager
    def read(self) -> Iterator[Families]:
        """One transaction that only asks; it waits for nobody."""
        with self._reading_engine.begin() as connection:
            yield Families(connection)

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

    def replace_key(self, station: str, public_key: bytes) -> bool:
        """From now on the station signs with this key (32 bytes) alone. False if it is unknown here."""
        change = tables.station.update().where(tables.station.c.id == station)
        with self._engine.begin() as connection:
            return connection.execute(change.values(public_key=public_key)).rowcount > 0

    def public_key(self, station: str) -> bytes | None:
        """The station's public key; None if it is unknown here."""
        with self._reading() as connection:
            key: bytes | None = connection.scalar(_PUBLIC_KEY, {"station": station})
            return key

    def chains(self, station: str) -> Chains:
        """How far everything of a station is."""
        with self._reading() as connection:
            return queries.chains(connection, station)

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
        with self.read() as tx:
            imbalances = len(tx.members.imbalances(station))
        held = (self.standings(station), self._totals(station), self.alarms(station))
        return Reconciliation(station, *held, imbalances)

    def bodies(self, station: str, kind: str) -> tuple[bytes, ...]:
        """The bytes of every counted item of a kind, in the order of epochs and sequence numbers."""
        i = tables.item.c
        query = sa.select(i.body).where(i.station == station, i.kind == kind, i.counted == 1)
        with self._reading() as connection:
            return tuple(connection.scalars(query.order_by(i.epoch, i.stream, i.seq)))

    def published_rules(self, name: str, version: int) -> bytes | None:
        """The signed rule bundle that was published under this name and version."""
        with self.read() as asked:
            return asked.documents.document("bundle", name, version)

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
        """For one statement."""
        with self._one_question_engine.begin() as connection:
            yield connection

    def _open_schema(self, create: bool) -> None:
        with self._reading() as connection:
            if _version(connection) == SCHEMA_VERSION:
                return
        with self._engine.begin() as connection:
            alone(connection)
            version = _version(connection)
            if version is None and not create:
                raise HqStoreError("this database holds no HQ tables; start 'forecourt hq serve' on it once")
            if version is not None and version > SCHEMA_VERSION:
                raise HqStoreError(f"HQ tables have version {version}, this program knows {SCHEMA_VERSION}")
            assert bring_up(connection, version) == SCHEMA_VERSION
            connection.execute(tables.schema.delete())
            connection.execute(tables.schema.insert(), {"version": SCHEMA_VERSION})


def _version(connection: sa.Connection) -> int | None:
    """Of the tables that are here; None in a database that holds none of ours."""
    if not sa.inspect(connection).has_table(tables.schema.name):
        return None
    return connection.scalar(sa.select(tables.schema.c.version)) or 0


def _check_file(database: str | None, create: bool) -> None:
    if not database or database == ":memory:":
        raise HqStoreError("HQ's database must be a file or a PostgreSQL server: what is in memory is lost")
    if not create and not Path(database).exists():
        raise HqStoreError(
            f"no HQ database at {database}; check the path, or start 'forecourt hq serve' once"
        )


_MOST_WORKERS = 32


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Our own BEGIN instead of the driver's, a commit that survives a power cut, patience with others."""
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA synchronous=EXTRA")
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _keep_a_log(connection: Any) -> None:
    """WAL. Of workers that open a new file at once SQLite tells some that it is locked, without patience."""
    for _ in range(_MOST_WORKERS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except connection.OperationalError:
            connection.execute("BEGIN IMMEDIATE")  # this does wait for whoever has it
            connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
