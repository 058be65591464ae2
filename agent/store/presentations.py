"""Members who showed a credential at a point, until one fuelling uses it."""

import sqlite3

_ADD = "INSERT INTO presentation (point, credential, presented_at_ms) VALUES (?, ?, ?)"
_LIFT = """
UPDATE presentation SET lifted_at_ms = ?
WHERE point = ? AND fact_id IS NULL AND lifted_at_ms IS NULL AND presented_at_ms >= ?
"""
_USE = """
UPDATE presentation SET fact_id = ?
WHERE point = ? AND fact_id IS NULL AND presented_at_ms <= ?
  AND (lifted_at_ms >= ? OR (lifted_at_ms IS NULL AND presented_at_ms >= ?))
"""
_USE_UNLIFTED = """
UPDATE presentation SET fact_id = ?
WHERE point = ? AND fact_id IS NULL AND lifted_at_ms IS NULL AND presented_at_ms >= ?
"""
_PUT_AWAY = """
UPDATE presentation SET fact_id = ?
WHERE point = ? AND credential = ? AND fact_id IS NULL AND lifted_at_ms IS NULL
"""
_USED_BY = "SELECT DISTINCT credential FROM presentation WHERE fact_id = ? ORDER BY credential"


class Presentations:
    """`alive_since_ms`: an unlifted presentation older than this has lapsed (decisions.md 3: 5 minutes)."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, point: str, credential: str, at_ms: int) -> None:
        self._connection.execute(_ADD, (point, credential, at_ms))

    def lift(self, point: str, at_ms: int, alive_since_ms: int) -> None:
        """A nozzle of this point was lifted: who is presented now stays presented until it ends."""
        self._connection.execute(_LIFT, (at_ms, point, alive_since_ms))

    def use(
        self, point: str, fact_id: bytes, until_ms: int, lifted_since_ms: int, alive_since_ms: int
    ) -> None:
        """Give the open presentations made until `until_ms` to this fuelling, for good.

        Whose nozzle was lifted before `lifted_since_ms` went away without fuelling.
        """
        self._connection.execute(_USE, (fact_id, point, until_ms, lifted_since_ms, alive_since_ms))

    def use_unlifted(self, point: str, fact_id: bytes, alive_since_ms: int) -> None:
        """Give it those who were presented since it ended and have not begun to fuel again."""
        self._connection.execute(_USE_UNLIFTED, (fact_id, point, alive_since_ms))

    def put_away(self, point: str, credential: str, fact_id: bytes) -> None:
        """Whoever showed a card again for this fuelling must not leave it to the next car."""
        self._connection.execute(_PUT_AWAY, (fact_id, point, credential))

    def of_fact(self, fact_id: bytes) -> list[str]:
        """The different credentials that were presented for this fuelling."""
        return [row[0] for row in self._connection.execute(_USED_BY, (fact_id,))]
