"""Reading beside the running agent: never writes, never blocks the till.

`mode=ro` works while the agent runs. With the agent stopped and no `-wal` left, SQLite wants to
make one and may not: only then is the file opened as immutable (decisions.md 10).
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

Connection = sqlite3.Connection


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


_COUNTS = """
SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM award), (SELECT coalesce(sum(minor), 0) FROM award),
       (SELECT coalesce(sum(minor), 0) FROM refund), (SELECT count(*) FROM member),
       (SELECT count(*) FROM fact WHERE NOT EXISTS (SELECT 1 FROM award WHERE award.fact_id = fact.fact_id)),
       (SELECT count(*) FROM pos_sale WHERE state IN ('CANDIDATE', 'AMBIGUOUS'))
"""
_QUEUES = """
SELECT tip.stream, tip.seq, coalesce(mark.seq, 0), mark.acked_at_ms,
       (SELECT min(at_ms) FROM outbox AS row
        WHERE row.stream = tip.stream AND row.seq > coalesce(mark.seq, 0))
FROM (SELECT stream, max(seq) AS seq FROM outbox GROUP BY stream) AS tip
LEFT JOIN watermark AS mark ON mark.stream = tip.stream ORDER BY tip.stream
"""
_ALARMS = "SELECT code, subject, times, last_at_ms, detail FROM alarm ORDER BY last_at_ms DESC, code LIMIT 50"
_BUNDLE = """
SELECT bundle, version FROM bundle WHERE effective_from_ms <= ?
ORDER BY effective_from_ms DESC, version DESC LIMIT 1
"""
_WHO = "SELECT station, programme, epoch FROM station"
_SNAPSHOT = "SELECT version, members FROM snapshot ORDER BY version DESC LIMIT 1"
_LEDGER_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"


def summary(connection: sqlite3.Connection, at_ms: int) -> dict[str, object]:
    """What `status` shows of the store, from committed rows."""
    station, programme, epoch = connection.execute(_WHO).fetchone()
    facts, awards, points, reversed_minor, members, without, waiting = connection.execute(_COUNTS).fetchone()
    return {
        "station": station,
        "programme": programme,
        "epoch": epoch,
        "facts": facts,
        "awards": awards,
        "facts_without_award": without,
        "waiting_sales": waiting,
        "points_minor": points - reversed_minor,
        "members": members,
        "member_snapshot": _version(connection.execute(_SNAPSHOT).fetchone()),
        "bundle": " ".join(map(str, connection.execute(_BUNDLE, (at_ms,)).fetchone() or ())),
        "queues": [_queue(row, at_ms) for row in connection.execute(_QUEUES)],
        "alarms": [_alarm(row) for row in connection.execute(_ALARMS)],
    }


_BOOKS = """
SELECT (SELECT count(*) FROM fact), (SELECT count(*) FROM award),
       (SELECT count(*) FROM binding WHERE member <> ''),
       (SELECT count(*) FROM fact WHERE NOT EXISTS (
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


def _queue(row: tuple[str, int, int, int | None, int | None], at_ms: int) -> dict[str, object]:
    stream, last_seq, watermark, acked_at_ms, oldest_at_ms = row
    return {
        "stream": stream,
        "last_seq": last_seq,
        "watermark": watermark,
        "waiting": last_seq - watermark,
        "oldest_waiting_ms": None if oldest_at_ms is None else at_ms - oldest_at_ms,
        "acked_at_ms": acked_at_ms,
    }


def _alarm(row: tuple[str, str, int, int, str]) -> dict[str, object]:
    return dict(zip(("code", "subject", "times", "last_at_ms", "detail"), row, strict=True))
