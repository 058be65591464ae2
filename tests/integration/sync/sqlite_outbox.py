"""A station's outbox in a real SQLite file that can be copied, put back and cut. For tests.

Its tables are the ones of the station's database that the road to HQ needs.
"""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from sync.envelope import GENESIS, next_head
from sync.outbox import STREAMS, Backlog, OutboxRow

_SCHEMA = """
CREATE TABLE station (epoch INTEGER NOT NULL) STRICT;
CREATE TABLE outbox (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, head BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE watermark (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, head BLOB NOT NULL) STRICT;
CREATE TABLE fork (
    epoch INTEGER NOT NULL, chain TEXT NOT NULL, seq INTEGER NOT NULL, head BLOB NOT NULL,
    PRIMARY KEY (epoch, chain)
) STRICT, WITHOUT ROWID;
INSERT INTO station VALUES (1);
"""
_RAISE = """
INSERT INTO watermark VALUES (?1, ?2, ?3)
ON CONFLICT (stream) DO UPDATE SET seq = ?2, head = ?3 WHERE seq < ?2
"""
_FORK = """
INSERT INTO fork SELECT epoch, watermark.stream, watermark.seq, watermark.head FROM station, watermark
"""
_FORKS = "SELECT chain, seq, head FROM fork JOIN station USING (epoch)"
_END = """
SELECT seq, head FROM outbox WHERE stream = ?1
UNION ALL SELECT seq, head FROM fork JOIN station USING (epoch) WHERE chain = ?1
ORDER BY seq DESC LIMIT 1
"""


class SqliteOutbox:
    """Rows are put and watermarks raised on one connection, under a lock; the courier reads on another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        is_new = not path.exists()
        self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        if is_new:
            self._writer.executescript("PRAGMA journal_mode=WAL;" + _SCHEMA)
        self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    # ---- what the courier reads

    def epoch(self) -> int:
        return int(self._reader.execute("SELECT epoch FROM station").fetchone()[0])

    def forks(self) -> dict[str, tuple[int, bytes]]:
        return {chain: (seq, head) for chain, seq, head in self._reader.execute(_FORKS)}

    def last_seq(self, stream: str) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM outbox WHERE stream = ?"
        return int(self._reader.execute(query, (stream,)).fetchone()[0])

    def watermark(self, stream: str) -> int:
        row = self._reader.execute("SELECT seq FROM watermark WHERE stream = ?", (stream,)).fetchone()
        return int(row[0]) if row else 0

    def head_at(self, stream: str, seq: int) -> bytes | None:
        if seq == 0:
            return GENESIS
        query = "SELECT head FROM outbox WHERE stream = ? AND seq = ?"
        row = self._reader.execute(query, (stream, seq)).fetchone()
        return bytes(row[0]) if row else None

    def rows(self, stream: str, after_seq: int, limit: int) -> list[OutboxRow]:
        query = "SELECT seq, body, 0 FROM outbox WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?"
        return [OutboxRow(*row) for row in self._reader.execute(query, (stream, after_seq, limit))]

    def first_resendable(self, stream: str) -> int:
        return 1 if self.rows(stream, 0, 1) else 0

    def backlog(self, stream: str) -> Backlog:
        waiting = self.rows(stream, self.watermark(stream), 1_000_000)
        return Backlog(len(waiting), sum(len(row.body) for row in waiting), 0 if waiting else None)

    def oldest_unacknowledged_at_ms(self) -> int | None:
        return 0 if any(self.watermark(s) < self.last_seq(s) for s in STREAMS) else None

    # ---- what the till writes

    def put(self, stream: str, body: bytes) -> int:
        with self._lock:
            row = self._writer.execute(_END, (stream,)).fetchone()
            seq, head = row or (0, GENESIS)
            added = (stream, seq + 1, body, next_head(head, body))
            self._writer.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", added)
            return int(seq) + 1

    def raise_watermark(self, stream: str, seq: int, head: bytes) -> None:
        with self._lock:
            self._writer.execute(_RAISE, (stream, seq, head))

    # ---- what happens to files

    def copy_to(self, path: Path) -> None:
        """A backup while it runs."""
        with closing(sqlite3.connect(path)) as copy, self._lock:
            self._writer.backup(copy)

    def cut(self, stream: str, after_seq: int) -> None:
        """The end of the stream is lost; the watermark is not."""
        self._writer.execute("DELETE FROM outbox WHERE stream = ? AND seq > ?", (stream, after_seq))

    def raise_epoch(self) -> None:
        """What a station does that finds its database put back or cut."""
        self._writer.execute("UPDATE station SET epoch = epoch + 1")
        self._writer.execute(_FORK)
