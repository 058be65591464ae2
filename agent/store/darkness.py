"""Spells without headquarters: when they began and ended, in wall time (ms UTC)."""

import sqlite3
from dataclasses import dataclass

Spell = tuple[int, int | None]
"""began_at_ms, ended_at_ms; None while it goes on"""

_SPELLS = """
SELECT began_at_ms, ended_at_ms FROM dark_spell
WHERE ended_at_ms IS NULL OR ended_at_ms >= ? ORDER BY began_at_ms
"""
_BEGIN = "INSERT OR IGNORE INTO dark_spell (began_at_ms) VALUES (?)"
_END = """
UPDATE dark_spell SET ended_at_ms = max(began_at_ms, ?) WHERE ended_at_ms IS NULL
RETURNING began_at_ms, ended_at_ms
"""
_AWARDS_BACKWARDS = "SELECT stream_seq, member, minor, settled_at_ms FROM award ORDER BY rowid DESC"
_IS_DARK = "SELECT 1 FROM dark_spell WHERE ended_at_ms IS NULL"


@dataclass(frozen=True, slots=True)
class DelayedAwards:
    """Awards that could not be confirmed at once: their rows of the ledger, how many, of how many members.

    0 and 0 for the rows where there were none.
    """

    first_seq: int
    last_seq: int
    awards: int
    members: int
    minor: int


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

    def end(self, at_ms: int) -> tuple[int, int] | None:
        """The road is back: when the spell began and ended. None, and nothing happens, if it was there."""
        row = self._connection.execute(_END, (at_ms,)).fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def awards_within(self, spell: tuple[int, int]) -> DelayedAwards:
        """The awards with points that were settled in the spell. Reads them and no older ones."""
        began_at_ms, ended_at_ms = spell
        seqs: list[int] = []
        members: set[str] = set()
        total_minor = 0
        for seq, member, minor, settled_at_ms in self._connection.execute(_AWARDS_BACKWARDS):
            if settled_at_ms < began_at_ms:
                break
            if minor and settled_at_ms <= ended_at_ms:
                seqs.append(seq)
                members.add(member)
                total_minor += minor
        return DelayedAwards(min(seqs, default=0), max(seqs, default=0), len(seqs), len(members), total_minor)

    def is_dark(self) -> bool:
        return self._connection.execute(_IS_DARK).fetchone() is not None
