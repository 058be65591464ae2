"""Members who showed a credential at a point, until one fuelling uses it."""

import sqlite3

_REPEATED = """
SELECT 1 FROM presentation
WHERE point = ? AND credential = ? AND fact_id IS NULL AND (lifted_at_ms IS NOT NULL OR presented_at_ms >= ?)
"""
_ADD = "INSERT INTO presentation (point, credential, presented_at_ms) VALUES (?, ?, ?)"
_LIFT = """
UPDATE presentation SET lifted_at_ms = ?
WHERE point = ? AND fact_id IS NULL AND lifted_at_ms IS NULL AND presented_at_ms >= ?
"""
_USE = """
UPDATE presentation SET fact_id = ?
WHERE point = ? AND fact_id IS NULL AND presented_at_ms <= ?
  AND (lifted_at_ms IS NOT NULL OR presented_at_ms >= ?)
"""
_USED_BY = "SELECT DISTINCT credential FROM presentation WHERE fact_id = ? ORDER BY credential"


class Presentations:
    """`alive_since_ms`: an unlifted presentation older than this has lapsed (decisions.md 3: 5 minutes)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def is_open(self, point: str, credential: str, alive_since_ms: int) -> bool:
        return self._connection.execute(_REPEATED, (point, credential, alive_since_ms)).fetchone() is not None

    def add(self, point: str, credential: str, at_ms: int) -> None:
        self._connection.execute(_ADD, (point, credential, at_ms))

    def lift(self, point: str, at_ms: int, alive_since_ms: int) -> None:
        """A nozzle of this point was lifted: who is presented now stays presented until it ends."""
        self._connection.execute(_LIFT, (at_ms, point, alive_since_ms))

    def use(self, point: str, fact_id: bytes, until_ms: int, alive_since_ms: int) -> None:
        """Give the open presentations made until `until_ms` to this fuelling, for good."""
        self._connection.execute(_USE, (fact_id, point, until_ms, alive_since_ms))

    def of_fact(self, fact_id: bytes) -> list[str]:
        """The different credentials that were presented for this fuelling."""
        return [row[0] for row in self._connection.execute(_USED_BY, (fact_id,))]
