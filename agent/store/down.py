"""What headquarters told this station, by its number: consumed once, in order, each with its verdict."""

import sqlite3
from dataclasses import dataclass
from typing import Final

KEPT: Final = 10_000
"""Items that are remembered with their bytes' hash: years of commands, weeks of member deltas."""


@dataclass(frozen=True, slots=True)
class DownItem:
    """One row of `down_item`. `verdict` is "" where it took effect; `sha256` is of the signed message."""

    down_seq: int
    id: str
    kind: str
    sha256: bytes
    verdict: str
    detail: str
    issued_at_ms: int
    consumed_at_ms: int


_COLUMNS = "down_seq, id, kind, sha256, verdict, detail, issued_at_ms, consumed_at_ms"
_LAST = "SELECT coalesce(max(down_seq), 0) FROM down_item"
_AT = f"SELECT {_COLUMNS} FROM down_item WHERE down_seq = ?"
_TOOK_EFFECT = "SELECT min(down_seq) FROM down_item WHERE id = ? AND verdict = ''"
_ADD = f"INSERT INTO down_item ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM down_item WHERE down_seq <= ?"
_LATEST = f"SELECT {_COLUMNS} FROM down_item ORDER BY down_seq DESC LIMIT ?"


class DownItems:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last_seq(self) -> int:
        """The number of the last item that was consumed; 0 before the first."""
        return int(self._connection.execute(_LAST).fetchone()[0])

    def at(self, down_seq: int) -> DownItem | None:
        """The item that had this number; None if there was none, or it is no longer kept."""
        row = self._connection.execute(_AT, (down_seq,)).fetchone()
        return DownItem(*row) if row else None

    def took_effect(self, id: str) -> int | None:
        """Under which number HQ's item of this name took effect here."""
        found = self._connection.execute(_TOOK_EFFECT, (id,)).fetchone()[0]
        return None if found is None else int(found)

    def add(self, item: DownItem) -> None:
        """Consume a number; the item must follow the last one."""
        assert item.down_seq == self.last_seq() + 1
        values = (item.down_seq, item.id, item.kind, item.sha256, item.verdict, item.detail)
        self._connection.execute(_ADD, (*values, item.issued_at_ms, item.consumed_at_ms))
        self._connection.execute(_FORGET, (item.down_seq - KEPT,))

    def latest(self, last: int) -> list[DownItem]:
        """The last items, newest first."""
        return [DownItem(*row) for row in self._connection.execute(_LATEST, (last,))]
