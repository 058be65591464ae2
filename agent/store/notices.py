"""What a member is told without having asked: once per stage that points lapse, and any decrease."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One row of `notice`. `code`: POINTS_LAPSED, MEMBER_FROZEN, …; `minor`: points it is about, or 0."""

    notice_id: int
    member: str
    code: str
    minor: int
    at_ms: int
    shown_at_ms: int | None = None


_ADD = "INSERT INTO notice (member, code, minor, at_ms) VALUES (?, ?, ?, ?)"
_WAITING = """
SELECT notice_id, member, code, minor, at_ms, shown_at_ms FROM notice
WHERE member = ? AND shown_at_ms IS NULL ORDER BY notice_id
"""
_WITHDRAW = "DELETE FROM notice WHERE member = ? AND code = ? AND shown_at_ms IS NULL"
_SHOWN = "UPDATE notice SET shown_at_ms = ? WHERE notice_id = ? AND shown_at_ms IS NULL"
_REMINDED = "SELECT 1 FROM reminder WHERE member = ? AND lapses_on = ? AND stage_days = ?"
_REMIND = "INSERT INTO reminder (member, lapses_on, stage_days, shown_at_ms) VALUES (?, ?, ?, ?)"


class Notices:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, member: str, code: str, minor: int, at_ms: int) -> None:
        """Keep one to be shown when the member next comes; `minor` >= 0."""
        self._connection.execute(_ADD, (member, code, minor, at_ms))

    def withdraw(self, member: str, code: str) -> bool:
        """It is not so any more: True if nobody had told the member yet, and now nobody will."""
        return self._connection.execute(_WITHDRAW, (member, code)).rowcount > 0

    def waiting(self, member: str) -> list[StoredNotice]:
        """What the member has not been told yet, oldest first."""
        return [StoredNotice(*row) for row in self._connection.execute(_WAITING, (member,))]

    def shown(self, notice_id: int, at_ms: int) -> None:
        self._connection.execute(_SHOWN, (at_ms, notice_id))

    def was_reminded(self, member: str, lapses_on: str, stage_days: int) -> bool:
        """True if the member was told of points that lapse that day, at this stage (days before)."""
        return self._connection.execute(_REMINDED, (member, lapses_on, stage_days)).fetchone() is not None

    def remind(self, member: str, lapses_on: str, stage_days: int, at_ms: int) -> None:
        """Note that the member was told, once per stage."""
        self._connection.execute(_REMIND, (member, lapses_on, stage_days, at_ms))
