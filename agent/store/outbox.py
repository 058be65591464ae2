"""Rows waiting for HQ, in order and without gaps; and how far HQ has confirmed them.

The writer's half runs in the till's transaction: the row is as durable as the fact it tells of.
The reader's half is used by the courier on its own read-only connection.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from agent.store.forks import LEDGER_CHAIN
from sync.chain import GENESIS, next_head
from sync.outbox import MAX_BODY_BYTES, STREAMS, Backlog, OutboxRow

LEDGER = "ledger"
SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Watermark:
    """HQ has said, signed, that it holds everything up to `seq`."""

    seq: int
    head: bytes
    acked_at_ms: int


_TIP = """
SELECT seq, head FROM (
    SELECT seq, head FROM (SELECT seq, head FROM outbox WHERE stream = :stream ORDER BY seq DESC LIMIT 1)
    UNION ALL
    SELECT seq, head FROM fork WHERE chain = :stream AND epoch = (SELECT epoch FROM station)
) ORDER BY seq DESC LIMIT 1
"""
_ADD = "INSERT INTO outbox (stream, seq, kind, at_ms, body, head) VALUES (?, ?, ?, ?, ?, ?)"
_HEAD = "SELECT head FROM outbox WHERE stream = ? AND seq = ?"
_LAST_OF_KIND = "SELECT max(seq) FROM outbox WHERE stream = ? AND kind = ?"
_WATERMARK = "SELECT seq, head, acked_at_ms FROM watermark WHERE stream = ?"
_RAISE = """
INSERT INTO watermark (stream, seq, head, acked_at_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (stream) DO UPDATE
SET seq = excluded.seq, head = excluded.head, acked_at_ms = excluded.acked_at_ms
"""
_PRUNE = """
DELETE FROM outbox WHERE stream = ? AND seq IN (
    SELECT seq FROM outbox WHERE stream = ? AND seq < ? AND at_ms < ? ORDER BY seq LIMIT 500)
"""
_ROWS = "SELECT seq, body, at_ms FROM outbox WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
_FIRST = "SELECT seq FROM outbox WHERE stream = ? ORDER BY seq LIMIT 1"
_WAITING = """
SELECT count(*), coalesce(sum(size_bytes), 0), min(at_ms) FROM (
    SELECT length(body) AS size_bytes, at_ms FROM outbox WHERE stream = ? AND seq > ? ORDER BY seq LIMIT 500)
"""
_WAITING_SINCE = "SELECT at_ms FROM outbox WHERE stream = ? AND seq > ? ORDER BY seq LIMIT 1"
_EPOCH = "SELECT epoch FROM station"
_FORK_AT = "SELECT seq FROM fork WHERE chain = ? AND epoch = (SELECT epoch FROM station)"
_FORKS = """
SELECT chain, seq, head FROM fork WHERE epoch = (SELECT epoch FROM station) AND chain <> ?
"""


class OutboxWriter:
    """Nobody else writes these rows, so the end of each stream is read once and then remembered."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tips: dict[str, tuple[int, bytes]] = {}

    def forget(self) -> None:
        """A change was taken back: the remembered ends may be of rows that never came to be."""
        self._tips.clear()

    def next_seq(self, stream: str) -> int:
        return self._tip(stream)[0] + 1

    def put(self, stream: str, kind: str, body: bytes, at_ms: int) -> int:
        """Queue one item, exactly these bytes; returns its seq."""
        assert b"\n" not in body, "an item is one line"
        assert len(body) <= MAX_BODY_BYTES, "an item must fit into an envelope"
        seq, head = self._tip(stream)
        head = next_head(head, body)
        self._connection.execute(_ADD, (stream, seq + 1, kind, at_ms, body, head))
        self._tips[stream] = (seq + 1, head)
        return seq + 1

    def last_seq_of(self, stream: str, kind: str) -> int | None:
        """The newest item of a kind that is still kept; None without one. It reads the whole stream."""
        seq = self._connection.execute(_LAST_OF_KIND, (stream, kind)).fetchone()[0]
        return None if seq is None else int(seq)

    def watermark(self, stream: str) -> Watermark:
        row = self._connection.execute(_WATERMARK, (stream,)).fetchone()
        return Watermark(int(row[0]), bytes(row[1]), int(row[2])) if row else Watermark(0, GENESIS, 0)

    def head_at(self, stream: str, seq: int) -> bytes | None:
        """Stream head after `seq`; None if that row does not exist (any more)."""
        return _head_at(self._connection, stream, seq)

    def first_resendable(self, stream: str) -> int:
        """The oldest row that can be sent again: it and the head before it are kept. 0: there is none."""
        return _first_resendable(self._connection, stream)

    def waiting_since_ms(self, stream: str) -> int | None:
        """Wall time of the oldest row of the stream that HQ has not acknowledged; None if it has them all."""
        return _waiting_since_ms(self._connection, stream)

    def raise_watermark(self, stream: str, mark: Watermark) -> None:
        self._connection.execute(_RAISE, (stream, mark.seq, mark.head, mark.acked_at_ms))

    def prune(self, stream: str, kept_since_ms: int) -> int:
        """Drop at most 500 rows behind the watermark that are old enough; the watermark's own row stays."""
        mark = self.watermark(stream)
        return self._connection.execute(_PRUNE, (stream, stream, mark.seq, kept_since_ms)).rowcount

    def _tip(self, stream: str) -> tuple[int, bytes]:
        if stream not in self._tips:
            row = self._connection.execute(_TIP, {"stream": stream}).fetchone()
            self._tips[stream] = (int(row[0]), bytes(row[1])) if row else (0, GENESIS)
        return self._tips[stream]


class OutboxReader:
    """What the courier asks (`sync.outbox.Outbox`), answered from committed rows only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def epoch(self) -> int:
        return int(self._connection.execute(_EPOCH).fetchone()[0])

    def forks(self) -> Mapping[str, tuple[int, bytes]]:
        """Where each stream goes on from the former incarnation: (seq, head). Empty in the first."""
        rows = self._connection.execute(_FORKS, (LEDGER_CHAIN,))
        return {stream: (int(seq), bytes(head)) for stream, seq, head in rows}

    def last_seq(self, stream: str) -> int:
        row = self._connection.execute(_TIP, {"stream": stream}).fetchone()
        return int(row[0]) if row else 0

    def watermark(self, stream: str) -> int:
        return _watermark(self._connection, stream)

    def head_at(self, stream: str, seq: int) -> bytes | None:
        return _head_at(self._connection, stream, seq)

    def rows(self, stream: str, after_seq: int, limit: int) -> list[OutboxRow]:
        return [OutboxRow(*row) for row in self._connection.execute(_ROWS, (stream, after_seq, limit))]

    def oldest_unacknowledged_at_ms(self) -> int | None:
        since = (_waiting_since_ms(self._connection, stream) for stream in STREAMS)
        return min((at_ms for at_ms in since if at_ms is not None), default=None)

    def first_resendable(self, stream: str) -> int:
        return _first_resendable(self._connection, stream)

    def backlog(self, stream: str) -> Backlog:
        return backlog(self._connection, stream)


def backlog(connection: sqlite3.Connection, stream: str) -> Backlog:
    """How many rows wait for HQ follows from their numbers; how many bytes, from the first 500 of them."""
    seq = _watermark(connection, stream)
    tip = connection.execute(_TIP, {"stream": stream}).fetchone()
    items = int(tip[0]) - seq if tip else 0
    seen, size_bytes, oldest_at_ms = connection.execute(_WAITING, (stream, seq)).fetchone()
    return Backlog(items, size_bytes * items // seen if seen else 0, oldest_at_ms)


def _watermark(connection: sqlite3.Connection, stream: str) -> int:
    row = connection.execute(_WATERMARK, (stream,)).fetchone()
    return int(row[0]) if row else 0


def _waiting_since_ms(connection: sqlite3.Connection, stream: str) -> int | None:
    row = connection.execute(_WAITING_SINCE, (stream, _watermark(connection, stream))).fetchone()
    return int(row[0]) if row else None


def _first_resendable(connection: sqlite3.Connection, stream: str) -> int:
    row = connection.execute(_FIRST, (stream,)).fetchone()
    if row is None:
        return 0
    first = int(row[0])
    known = _head_at(connection, stream, first - 1) is not None or _fork_at(connection, stream) == first - 1
    return first if known else first + 1


def _fork_at(connection: sqlite3.Connection, stream: str) -> int | None:
    row = connection.execute(_FORK_AT, (stream,)).fetchone()
    return int(row[0]) if row else None


def _head_at(connection: sqlite3.Connection, stream: str, seq: int) -> bytes | None:
    if seq == 0:
        return GENESIS
    row = connection.execute(_HEAD, (stream, seq)).fetchone()
    return bytes(row[0]) if row else None
