"""HQ's database, and the only file that knows SQLAlchemy.

Tables: `station`, `item` (everything up to each watermark, judged), `waiting` (signed items that came
before their neighbour), `watermark` (one chain: how far, where it parted from a former one, how often
HQ computed otherwise), `landmark` (heads on the way), `alarm`. One schema serves SQLite (the default:
one file, WAL, synchronous FULL) and PostgreSQL; a database of a former schema is brought up when it
is opened. A writing transaction begins IMMEDIATE on SQLite and locks the station's row on PostgreSQL,
so that several workers may take batches of one station.

Database errors are not caught here: after one nothing was committed, so nothing is acknowledged.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sync.chain import GENESIS, next_head_of_leaf
from sync.hq.judging import AWARD, MISMATCH
from sync.hq.report import AlarmLine, Reconciliation, StationLine, StreamStanding, Total

SCHEMA_VERSION = 2
LANDMARK_EVERY = 1_000
"""About so many leaves are hashed to find the head of a row; rows of the first schema have no landmarks."""

_metadata = sa.MetaData()
_Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, _metadata, *parts, sqlite_strict=True)


def _whole(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, _Whole, nullable=False, autoincrement=False, **options)


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def _blob(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _stream_key() -> tuple[sa.Column[str], sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("station", sa.Text, sa.ForeignKey("station.id"), primary_key=True),
        _whole("epoch", primary_key=True),
        _text("stream", primary_key=True),
    )


_schema = _table("hq_schema", _whole("version", primary_key=True))

_station = _table(
    "station",
    _text("id", primary_key=True),
    _blob("public_key"),
    _whole("added_at_ms"),
    sa.Column("state", sa.LargeBinary),
    sa.Column("state_at_ms", _Whole),
)

_item = _table(
    "item",
    *_stream_key(),
    _whole("seq", primary_key=True),
    _text("kind"),
    sa.Column("entity_id", sa.Text),
    sa.Column("member", sa.Text),
    _whole("minor"),
    _text("verdict"),
    _whole("counted"),
    _blob("body"),
    _blob("leaf"),
    _whole("received_at_ms"),
)
_counts = _item.c.counted == 1
sa.Index(
    "one_item_per_entity",
    *(_item.c.station, _item.c.kind, _item.c.entity_id),
    unique=True,
    sqlite_where=_counts,
    postgresql_where=_counts,
)

_waiting = _table(
    "waiting",
    *_stream_key(),
    _whole("seq", primary_key=True),
    _blob("head_before"),
    _blob("body"),
    _blob("leaf"),
)

_SINCE_2 = (
    _whole("fork_seq", server_default=sa.text("0")),
    _whole("fork_epoch", server_default=sa.text("0")),
    _whole("mismatched", server_default=sa.text("0")),
)
_watermark = _table("watermark", *_stream_key(), _whole("seq"), _blob("head"), _whole("at_ms"), *_SINCE_2)

_landmark = _table("landmark", *_stream_key(), _whole("seq", primary_key=True), _blob("head"))

_alarm = _table(
    "alarm",
    _text("station", primary_key=True),
    _text("code", primary_key=True),
    _text("detail"),
    _whole("first_at_ms"),
    _whole("last_at_ms"),
    _whole("count"),
)


class HqStoreError(Exception):
    """The database cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One chain: the streams of one incarnation (epoch) of one station's database."""

    station: str
    epoch: int
    stream: str


@dataclass(frozen=True, slots=True)
class Mark:
    """HQ holds everything up to `seq`, and the chain's head there is `head`."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """What one epoch holds of a stream: the rows after `fork_seq` up to `seq`."""

    epoch: int
    fork_seq: int
    seq: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """One signed item and the chain's head before it, as its batch says."""

    seq: int
    body: bytes
    leaf: bytes
    head_before: bytes


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item as it is kept."""

    seq: int
    kind: str
    entity_id: str | None
    member: str | None
    minor: int
    verdict: str
    counted: int
    body: bytes
    leaf: bytes


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
            known = connection.scalar(sa.select(_station.c.public_key).where(_station.c.id == station))
            if known is None:
                row = {"id": station, "public_key": public_key, "added_at_ms": at_ms}
                connection.execute(_station.insert(), row)
            return known is None or known == public_key

    def public_key(self, station: str) -> bytes | None:
        """The station's public key; None if it is unknown here."""
        query = sa.select(_station.c.public_key).where(_station.c.id == station)
        with self._reading() as connection:
            key: bytes | None = connection.scalar(query)
            return key

    def marks(self, station: str, epoch: int) -> dict[str, Mark]:
        """How far each stream of this epoch is held."""
        mark = _watermark.c
        query = sa.select(mark.stream, mark.seq, mark.head)
        with self._reading() as connection:
            rows = connection.execute(query.where(mark.station == station, mark.epoch == epoch))
            return {row.stream: Mark(row.seq, row.head) for row in rows}

    def highest_epoch(self, station: str) -> int:
        """The newest epoch that has begun here; 0 before the first."""
        with self._reading() as connection:
            return _highest_epoch(connection, station)

    def mismatched(self, station: str, epoch: int) -> int:
        """How many awards of this epoch were computed otherwise here."""
        with self._reading() as connection:
            return _mismatched(connection, station, epoch)

    def stations(self) -> tuple[StationLine, ...]:
        """All known stations, by name."""
        s = _station.c
        query = sa.select(s.id, s.public_key, s.added_at_ms, s.state, s.state_at_ms).order_by(s.id)
        with self._reading() as connection:
            return tuple(StationLine(*row) for row in connection.execute(query))

    def standings(self, station: str | None = None) -> tuple[StreamStanding, ...]:
        """Watermarks and what waits ahead of them; of one station or of all."""
        w, a = _watermark.c, _waiting.c
        same = sa.and_(a.station == w.station, a.epoch == w.epoch, a.stream == w.stream)
        ahead = sa.select(sa.func.count()).select_from(_waiting).where(same).scalar_subquery()
        query = sa.select(w.station, w.epoch, w.stream, w.seq, w.head, w.at_ms, ahead)
        query = query.order_by(w.station, w.epoch, w.stream)
        with self._reading() as connection:
            rows = connection.execute(query if station is None else query.where(w.station == station))
            return tuple(StreamStanding(*row) for row in rows)

    def alarms(self, station: str | None = None) -> tuple[AlarmLine, ...]:
        """Alarms of one station or of all, newest first."""
        a = _alarm.c
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
        i = _item.c
        query = sa.select(i.body).where(i.station == station, i.kind == kind, i.counted == 1)
        with self._reading() as connection:
            return tuple(connection.scalars(query.order_by(i.epoch, i.stream, i.seq)))

    def _totals(self, station: str) -> tuple[Total, ...]:
        i = _item.c
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
            is_ours = sa.inspect(connection).has_table(_schema.name)
            if not (is_ours or create):
                raise HqStoreError("this database holds no HQ tables; start 'forecourt hq serve' on it once")
            version = connection.scalar(sa.select(_schema.c.version)) if is_ours else None
            if version == 1:
                _upgrade_from_1(connection)
            elif version not in (None, SCHEMA_VERSION):
                raise HqStoreError(f"HQ tables have version {version}, this program knows {SCHEMA_VERSION}")
            if create:
                _metadata.create_all(connection)
            if version is None:
                connection.execute(_schema.insert(), {"version": SCHEMA_VERSION})


class Writing:
    """The verbs of one writing transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, station: str) -> None:
        """Keep other workers away from this station until the transaction ends."""
        self._connection.execute(sa.select(_station.c.id).where(_station.c.id == station).with_for_update())

    def highest_epoch(self, station: str) -> int:
        return _highest_epoch(self._connection, station)

    def mismatched(self, station: str, epoch: int) -> int:
        return _mismatched(self._connection, station, epoch)

    def mark(self, key: StreamKey) -> Mark | None:
        """How far the stream is held; None before its first batch."""
        query = sa.select(_watermark.c.seq, _watermark.c.head).where(*_of(_watermark, key))
        row = self._connection.execute(query).one_or_none()
        return Mark(row.seq, row.head) if row else None

    def set_mark(self, key: StreamKey, mark: Mark, at_ms: int, mismatched: int = 0) -> None:
        """Move the watermark; `mismatched` more awards on the way to it were computed otherwise."""
        figures = asdict(mark) | {"at_ms": at_ms}
        more = {"mismatched": _watermark.c.mismatched + mismatched}
        change = _watermark.update().where(*_of(_watermark, key)).values(figures | more)
        if self._connection.execute(change).rowcount == 0:
            first = {"mismatched": mismatched}
            self._connection.execute(_watermark.insert(), asdict(key) | figures | first)

    def begin(self, key: StreamKey, fork: Mark, former_epoch: int, at_ms: int) -> None:
        """A stream of a new epoch, which goes on behind `fork`; up to there it is `former_epoch`'s."""
        figures = asdict(fork) | {"at_ms": at_ms, "fork_seq": fork.seq, "fork_epoch": former_epoch}
        self._connection.execute(_watermark.insert(), asdict(key) | figures)
        self.add_landmark(key, fork)

    def spans(self, station: str, stream: str) -> list[Span]:
        """What each epoch holds of a stream, the newest first."""
        w = _watermark.c
        query = sa.select(w.epoch, w.fork_seq, w.seq).where(w.station == station, w.stream == stream)
        return [Span(*row) for row in self._connection.execute(query.order_by(w.epoch.desc()))]

    def add_landmark(self, key: StreamKey, mark: Mark) -> None:
        self._connection.execute(_landmark.insert(), asdict(key) | asdict(mark))

    def head_at(self, key: StreamKey, seq: int) -> bytes:
        """The head after a row that this epoch holds, computed from the nearest landmark before it."""
        near, leaf = _landmark.c, _item.c
        query = sa.select(near.seq, near.head).where(*_of(_landmark, key), near.seq <= seq)
        row = self._connection.execute(query.order_by(near.seq.desc()).limit(1)).one_or_none()
        start, head = (row.seq, row.head) if row else (0, GENESIS)
        leaves = sa.select(leaf.leaf).where(*_of(_item, key), leaf.seq > start, leaf.seq <= seq)
        leaves = leaves.order_by(leaf.seq).execution_options(yield_per=LANDMARK_EVERY)
        for one in self._connection.scalars(leaves):
            head = next_head_of_leaf(head, one)
        if seq - start > LANDMARK_EVERY:
            self.add_landmark(key, Mark(seq, head))
        return head

    def leaves(self, key: StreamKey, first: int, last: int) -> dict[int, bytes]:
        """The leaves already here in this range, judged or waiting, by seq."""
        found: dict[int, bytes] = {}
        for table in (_item, _waiting):
            query = sa.select(table.c.seq, table.c.leaf)
            query = query.where(*_of(table, key), table.c.seq.between(first, last))
            found.update((row.seq, row.leaf) for row in self._connection.execute(query))
        return found

    def hold(self, key: StreamKey, arrivals: Sequence[Arrival]) -> None:
        """Keep what came before its neighbour; the head said last counts."""
        self.forget_waiting(key, arrivals[0].seq, arrivals[-1].seq)
        self._connection.execute(_waiting.insert(), [asdict(key) | asdict(one) for one in arrivals])

    def waiting(self, key: StreamKey, after_seq: int) -> Iterator[Arrival]:
        """What waits behind `after_seq`, in order."""
        w = _waiting.c
        query = sa.select(w.seq, w.body, w.leaf, w.head_before).where(*_of(_waiting, key), w.seq > after_seq)
        for row in self._connection.execute(query.order_by(w.seq)):
            yield Arrival(*row)

    def forget_waiting(self, key: StreamKey, first: int, last: int) -> None:
        here = _waiting.c.seq.between(first, last)
        self._connection.execute(_waiting.delete().where(*_of(_waiting, key), here))

    def item(self, key: StreamKey, seq: int) -> tuple[str, bytes] | None:
        """(kind, body) of a judged item of this epoch, or of those that it continues; None if not here."""
        epoch: int | None = key.epoch
        while epoch is not None:
            here = replace(key, epoch=epoch)
            query = sa.select(_item.c.kind, _item.c.body).where(*_of(_item, here), _item.c.seq == seq)
            row = self._connection.execute(query).one_or_none()
            if row is not None:
                return row.kind, row.body
            epoch = self._former_epoch(here, seq)
        return None

    def _former_epoch(self, key: StreamKey, seq: int) -> int | None:
        """The epoch whose row `seq` is this one's too; None if this one parted from it before."""
        w = _watermark.c
        query = sa.select(w.fork_epoch).where(*_of(_watermark, key), w.fork_seq >= seq, w.fork_epoch > 0)
        return self._connection.scalar(query)

    def entity_leaves(self, station: str, entity_ids: Iterable[str]) -> dict[tuple[str, str], bytes]:
        """Leaf of the counted item of each (kind, entity id) that is already here."""
        i = _item.c
        query = sa.select(i.kind, i.entity_id, i.leaf)
        query = query.where(i.station == station, _counts, i.entity_id.in_(list(entity_ids)))
        return {(row.kind, row.entity_id): row.leaf for row in self._connection.execute(query)}

    def add_items(self, key: StreamKey, rows: Sequence[ItemRow], at_ms: int) -> None:
        common = asdict(key) | {"received_at_ms": at_ms}
        self._connection.execute(_item.insert(), [common | asdict(row) for row in rows])

    def alarm(self, station: str, code: str, detail: str, at_ms: int, count: int = 1) -> None:
        """Count an alarm; `station` "" for a message that names no known one."""
        shown = "".join(char if char.isprintable() else "?" for char in detail[:300])
        row = {"station": station, "code": code, "detail": shown, "count": count}
        times = {"first_at_ms": at_ms, "last_at_ms": at_ms}
        again = {"detail": shown, "last_at_ms": at_ms, "count": _alarm.c.count + count}
        change = _alarm.update().where(_alarm.c.station == station, _alarm.c.code == code).values(again)
        if self._connection.execute(change).rowcount == 0:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(_alarm.insert(), row | times)
            except sa.exc.IntegrityError:  # another worker was first: nothing locks a stranger's line
                self._connection.execute(change)

    def set_state(self, station: str, state: bytes, at_ms: int) -> None:
        """Keep a station's last birth or death message."""
        values = {"state": state, "state_at_ms": at_ms}
        self._connection.execute(_station.update().where(_station.c.id == station).values(values))


def _of(table: sa.Table, key: StreamKey) -> tuple[sa.ColumnElement[bool], ...]:
    c = table.c
    return (c.station == key.station, c.epoch == key.epoch, c.stream == key.stream)


def _highest_epoch(connection: sa.Connection, station: str) -> int:
    query = sa.select(sa.func.max(_watermark.c.epoch)).where(_watermark.c.station == station)
    return connection.scalar(query) or 0


def _mismatched(connection: sa.Connection, station: str, epoch: int) -> int:
    w = _watermark.c
    query = sa.select(sa.func.sum(w.mismatched)).where(w.station == station, w.epoch == epoch)
    return int(connection.scalar(query) or 0)


def _upgrade_from_1(connection: sa.Connection) -> None:
    """The first schema knew no forks and did not count mismatches. Of several workers one does it."""
    taken = _schema.update().where(_schema.c.version == 1).values(version=2)
    if connection.execute(taken).rowcount == 0:
        return
    _landmark.create(connection, checkfirst=True)
    for column in _SINCE_2:
        definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE watermark ADD COLUMN {definition}"))
    i, w = _item.c, _watermark.c
    of_stream = sa.and_(i.station == w.station, i.epoch == w.epoch, i.stream == w.stream)
    otherwise = sa.and_(of_stream, i.kind == AWARD, i.verdict == MISMATCH)
    count = sa.select(sa.func.count()).select_from(_item).where(otherwise).scalar_subquery()
    connection.execute(_watermark.update().values(mismatched=count))


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
