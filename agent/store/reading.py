"""Reading beside the running agent: never writes, never blocks the till.

`mode=ro` works while the agent runs. With the agent stopped and no `-wal` left, SQLite wants to
make one and may not: only then is the file opened as immutable (decisions.md 10).
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.store.outbox import backlog
from sync.outbox import Backlog

Connection = sqlite3.Connection

WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""First and last SQLite that can corrupt a WAL which two connections reset at once (libraries.md 7)."""


class NoDatabase(Exception):
    """There is no database at this path yet, or it may not be read."""


def connect(path: Path, *, agent_runs: bool = True) -> sqlite3.Connection:
    """A read-only connection, for the thread it is handed to. Raises `NoDatabase`."""
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if agent_runs or wal.exists() else "immutable=1"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False)
        connection.execute("SELECT only_row FROM station").fetchone()
    except sqlite3.Error as error:
        raise NoDatabase(f"{path}: {error}") from error
    return connection


@contextmanager
def look(path: Path, *, agent_runs: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection on which everything is read as of one moment. Raises `NoDatabase`, also for damage."""
    connection = connect(path, agent_runs=agent_runs)
    try:
        connection.execute(_ONE_MOMENT)
        yield connection
    except sqlite3.DatabaseError as error:
        raise NoDatabase(f"{path}: {error}") from error
    finally:
        connection.close()


def sqlite_version() -> tuple[int, int, int]:
    """Of the library that Python uses here."""
    return sqlite3.sqlite_version_info


_ONE_MOMENT = "SAVEPOINT one_moment"
_COUNTS = """
SELECT (SELECT count(*) FROM fact WHERE kind <> 'gap'), (SELECT count(*) FROM award),
       (SELECT coalesce(sum(minor), 0) FROM award),
       (SELECT coalesce(sum(minor), 0) FROM refund), (SELECT count(*) FROM member),
       (SELECT count(*) FROM fact
        WHERE kind <> 'gap' AND NOT EXISTS (SELECT 1 FROM award WHERE award.fact_id = fact.fact_id)),
       (SELECT count(*) FROM pos_sale WHERE state IN ('CANDIDATE', 'AMBIGUOUS')),
       (SELECT count(*) FROM fact WHERE kind = 'gap')
"""
_QUEUES = """
SELECT tip.stream, tip.seq, coalesce(mark.seq, 0), mark.acked_at_ms
FROM (SELECT stream, max(seq) AS seq FROM outbox GROUP BY stream) AS tip
LEFT JOIN watermark AS mark ON mark.stream = tip.stream ORDER BY tip.stream
"""
_ALARMS = "SELECT code, subject, times, last_at_ms, detail FROM alarm ORDER BY last_at_ms DESC, code LIMIT 50"
_BUNDLE = """
SELECT bundle, version FROM bundle WHERE state IN ('ACTIVE', 'RETIRED') AND in_force_from_ms <= ?
ORDER BY version DESC LIMIT 1
"""
_WHO = "SELECT station, programme, epoch FROM station"
_SNAPSHOT = "SELECT version, members FROM snapshot ORDER BY version DESC LIMIT 1"
_LEDGER_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"


def summary(connection: sqlite3.Connection, at_ms: int) -> dict[str, object]:
    """What `status` shows of the store, from committed rows."""
    station, programme, epoch = connection.execute(_WHO).fetchone()
    counts = connection.execute(_COUNTS).fetchone()
    facts, awards, points, reversed_minor, members, without, waiting, gaps = counts
    return {
        "station": station,
        "programme": programme,
        "epoch": epoch,
        "facts": facts,
        "awards": awards,
        "facts_without_award": without,
        "waiting_sales": waiting,
        "gaps": gaps,
        "points_minor": points - reversed_minor,
        "members": members,
        "member_snapshot": _version(connection.execute(_SNAPSHOT).fetchone()),
        "bundle": " ".join(map(str, connection.execute(_BUNDLE, (at_ms,)).fetchone() or ())),
        "queues": queues(connection, at_ms),
        "alarms": [_alarm(row) for row in connection.execute(_ALARMS)],
    }


def queues(connection: sqlite3.Connection, at_ms: int) -> list[dict[str, object]]:
    """What waits for HQ, by stream; only those in which there is or was something."""
    rows = connection.execute(_QUEUES).fetchall()
    return [_queue(row, backlog(connection, row[0]), at_ms) for row in rows]


_BOOKS = """
SELECT (SELECT count(*) FROM fact WHERE kind <> 'gap'), (SELECT count(*) FROM award),
       (SELECT count(*) FROM binding WHERE member <> ''),
       (SELECT count(*) FROM fact WHERE kind <> 'gap' AND NOT EXISTS (
            SELECT 1 FROM binding WHERE binding.fact_id = fact.fact_id AND binding.member <> '')),
       (SELECT count(*) FROM binding WHERE reason = 'MEMBER_UNKNOWN'),
       (SELECT coalesce(sum(minor), 0) FROM award) - (SELECT coalesce(sum(minor), 0) FROM refund)
"""


def books(connection: Connection) -> dict[str, int]:
    """The sums that must equal headquarters'. `unbound`: facts without a known member."""
    names = ("facts", "awards", "bound", "unbound", "unknown_member", "points_minor")
    return dict(zip(names, connection.execute(_BOOKS).fetchone(), strict=True))


def ledger_tip(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """(last seq, head); (0, b"") while there is no entry."""
    row = connection.execute(_LEDGER_TIP).fetchone()
    return (int(row[0]), bytes(row[1])) if row else (0, b"")


def bundle_in_force(connection: sqlite3.Connection, at_ms: int) -> str:
    """Name and version, "" before the first bundle."""
    return " ".join(map(str, connection.execute(_BUNDLE, (at_ms,)).fetchone() or ()))


def _version(row: tuple[int, int] | None) -> Mapping[str, int] | None:
    return {"version": row[0], "members": row[1]} if row else None


def _queue(row: tuple[str, int, int, int | None], waiting: Backlog, at_ms: int) -> dict[str, object]:
    stream, last_seq, watermark, acked_at_ms = row
    return {
        "stream": stream,
        "last_seq": last_seq,
        "watermark": watermark,
        "waiting": waiting.items,
        "waiting_bytes": waiting.size_bytes,
        "oldest_waiting_ms": None if waiting.oldest_at_ms is None else at_ms - waiting.oldest_at_ms,
        "acked_at_ms": acked_at_ms,
    }


def _alarm(row: tuple[str, str, int, int, str]) -> dict[str, object]:
    return dict(zip(("code", "subject", "times", "last_at_ms", "detail"), row, strict=True))


_NEWEST = "SELECT coalesce(max(at_ms), 0) FROM outbox"
_SALES = """
SELECT fact.fact_id, fact.kind, fact.event_time_ms, fact.point, fact.device_key, fact.nozzle, fact.product,
       fact.volume_ml, fact.amount_fen, fact.flags, binding.register, binding.pos_sale_id, binding.member,
       coalesce(nullif(award.reason, ''), binding.reason), award.minor,
       (SELECT coalesce(sum(refund.minor), 0) FROM refund WHERE refund.fact_id = fact.fact_id),
       max(fact.stream_seq, coalesce(award.stream_seq, 0))
FROM fact LEFT JOIN binding ON binding.fact_id = fact.fact_id LEFT JOIN award ON award.fact_id = fact.fact_id
WHERE (:member = '' OR binding.member = :member) AND (:point = '' OR fact.point = :point)
ORDER BY fact.event_time_ms DESC, fact.stream_seq DESC LIMIT :last
"""
_WAITING = """
SELECT register, pos_sale_id, point, total_fen, state, paid_at_ms FROM pos_sale
WHERE fact_id IS NULL AND (:point = '' OR point = :point)
ORDER BY paid_at_ms DESC, register, pos_sale_id LIMIT :last
"""
_NAMED = "SELECT register, pos_sale_id FROM pos_sale WHERE pos_sale_id = ? ORDER BY register"
_REFUNDS = """
SELECT register, refund_id, pos_sale_id, amount_fen, minor, refunded_at_ms FROM refund
WHERE register = ? AND pos_sale_id = ? ORDER BY refunded_at_ms, refund_id
"""
_NEWEST_BUNDLE = "SELECT body FROM bundle ORDER BY version DESC LIMIT 1"
_OUTBOX = """
SELECT row.stream, row.seq, row.kind, row.at_ms, row.body, row.seq <= coalesce(mark.seq, 0)
FROM outbox AS row LEFT JOIN watermark AS mark ON mark.stream = row.stream
WHERE :stream = '' OR row.stream = :stream ORDER BY row.at_ms DESC, row.stream, row.seq DESC LIMIT :last
"""


@dataclass(frozen=True, slots=True)
class SaleRow:
    """A fact as `sale list` shows it. `minor` None: no award; `stream_seq`: its last item in the ledger."""

    fact_id: bytes
    kind: str
    event_time_ms: int
    point: str
    device_key: str
    nozzle: str
    product: str
    volume_ml: int
    amount_fen: int
    flags: str
    register: str | None
    pos_sale_id: str | None
    member: str | None
    reason: str | None
    minor: int | None
    reversed_minor: int
    stream_seq: int


@dataclass(frozen=True, slots=True)
class WaitingSale:
    """What a cashier sold and no fuelling was found for (yet)."""

    register: str
    pos_sale_id: str
    point: str
    total_fen: int
    state: str
    paid_at_ms: int


@dataclass(frozen=True, slots=True)
class RefundRow:
    register: str
    refund_id: str
    pos_sale_id: str
    amount_fen: int
    minor: int
    refunded_at_ms: int


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """`acknowledged`: HQ has said, signed, that it holds it."""

    stream: str
    seq: int
    kind: str
    at_ms: int
    body: bytes
    acknowledged: bool


def newest_at_ms(connection: sqlite3.Connection) -> int:
    """The latest wall time that was written: a clock below it cannot be right. 0 in a new file."""
    return int(connection.execute(_NEWEST).fetchone()[0])


def sales(connection: sqlite3.Connection, *, last: int, member: str = "", point: str = "") -> list[SaleRow]:
    """The last facts, newest first; "" does not filter."""
    wanted = {"member": member, "point": point, "last": last}
    return [SaleRow(*row) for row in connection.execute(_SALES, wanted)]


def waiting_sales(connection: sqlite3.Connection, *, last: int, point: str = "") -> list[WaitingSale]:
    """POS sales without a fact, newest first."""
    return [WaitingSale(*row) for row in connection.execute(_WAITING, {"point": point, "last": last})]


def sales_named(connection: sqlite3.Connection, pos_sale_id: str) -> list[tuple[str, str]]:
    """(register, POS sale id) of every register that used this id."""
    return [(str(row[0]), str(row[1])) for row in connection.execute(_NAMED, (pos_sale_id,))]


def refunds_of(connection: sqlite3.Connection, register: str, pos_sale_id: str) -> list[RefundRow]:
    return [RefundRow(*row) for row in connection.execute(_REFUNDS, (register, pos_sale_id))]


def newest_bundle(connection: sqlite3.Connection) -> bytes | None:
    """The signed bytes of the newest bundle, in force or not."""
    row = connection.execute(_NEWEST_BUNDLE).fetchone()
    return bytes(row[0]) if row else None


def outbox_items(connection: sqlite3.Connection, *, last: int, stream: str = "") -> list[OutboxItem]:
    """The last rows of one stream, or of all of them, newest first."""
    wanted = {"stream": stream, "last": last}
    return [_outbox_item(row) for row in connection.execute(_OUTBOX, wanted)]


def query(connection: sqlite3.Connection, sql: str) -> list[dict[str, object]]:
    """A technician's own question. Raises `ValueError` for what is no question or does not parse."""
    from sqlite_utils import Database

    connection.execute(_ONLY_QUESTIONS)
    try:
        return list(Database(connection).query(sql))
    except (sqlite3.Error, ValueError) as error:
        raise ValueError(str(error)) from error


_ONLY_QUESTIONS = "PRAGMA query_only=ON"


def _outbox_item(row: tuple[str, int, str, int, bytes, int]) -> OutboxItem:
    stream, seq, kind, at_ms, body, acknowledged = row
    return OutboxItem(stream, seq, kind, at_ms, body, bool(acknowledged))
