"""Spells without headquarters: when they began and ended, in wall time (ms UTC)."""

import sqlite3

Spell = tuple[int, int | None]
"""began_at_ms, ended_at_ms; None while it goes on"""

_SPELLS = """
SELECT began_at_ms, ended_at_ms FROM dark_spell
WHERE ended_at_ms IS NULL OR ended_at_ms >= ? ORDER BY began_at_ms
"""
_BEGIN = "INSERT OR IGNORE INTO dark_spell (began_at_ms) VALUES (?)"
_END = "UPDATE dark_spell SET ended_at_ms = max(began_at_ms, ?) WHERE ended_at_ms IS NULL"
_IS_DARK = "SELECT 1 FROM dark_spell WHERE ended_at_ms IS NULL"


class Darkness:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def spells(self, since_ms: int) -> list[Spell]:
        """The spells that were not over before `since_ms`, oldest first."""
        return [(began, ended) for began, ended in self._connection.execute(_SPELLS, (since_ms,))]

    def begin(self, at_ms: int) -> None:
        """Headquarters has not been heard of since `at_ms`; nothing happens if it is dark already."""
        if not self.is_dark():
            self._connection.execute(_BEGIN, (at_ms,))

    def end(self, at_ms: int) -> None:
        """The road is back; nothing happens if it was there."""
        self._connection.execute(_END, (at_ms,))

    def is_dark(self) -> bool:
        return self._connection.execute(_IS_DARK).fetchone() is not None
