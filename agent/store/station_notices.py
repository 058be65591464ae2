"""Maintenance and price policy in HQ's words, for staff or for customers (feature S-108)."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StationNotice:
    """One row of `station_notice`: said from `from_ms` to before `until_ms`, unless both texts are ""."""

    notice_id: str
    version: int
    audience: str
    from_ms: int
    until_ms: int
    zh: str
    en: str

    def text(self, language: str) -> str:
        """In this language; "" where HQ gave none."""
        return self.zh if language == "zh" else self.en


_VERSION = "SELECT version FROM station_notice WHERE notice_id = ?"
_KEEP = """
INSERT INTO station_notice (notice_id, version, audience, from_ms, until_ms, zh, en)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (notice_id) DO UPDATE
SET version = excluded.version, audience = excluded.audience, from_ms = excluded.from_ms,
    until_ms = excluded.until_ms, zh = excluded.zh, en = excluded.en
"""
_NOW = """
SELECT notice_id, version, audience, from_ms, until_ms, zh, en FROM station_notice
WHERE audience = ? AND from_ms <= ? AND until_ms > ? ORDER BY from_ms, notice_id
"""


_FOR_STAFF = """
SELECT notice_id, version, audience, from_ms, until_ms, zh, en FROM station_notice
WHERE audience = 'staff' AND zh || en <> '' ORDER BY from_ms DESC, notice_id LIMIT 10
"""


class StationNotices:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def version(self, notice_id: str) -> int:
        """0 if it is not here."""
        row = self._connection.execute(_VERSION, (notice_id,)).fetchone()
        return int(row[0]) if row else 0

    def keep(self, notice: StationNotice) -> None:
        """In the place of its former version."""
        self._connection.execute(
            _KEEP,
            (
                *(notice.notice_id, notice.version, notice.audience),
                *(notice.from_ms, notice.until_ms, notice.zh, notice.en),
            ),
        )

    def for_staff(self) -> list[StationNotice]:
        """The last ten that HQ has not ended, over or not, the latest to begin first."""
        return [StationNotice(*row) for row in self._connection.execute(_FOR_STAFF)]

    def said(self, audience: str, now_ms: int) -> list[StationNotice]:
        """What is said to them at wall time `now_ms`, the longest said first."""
        return [StationNotice(*row) for row in self._connection.execute(_NOW, (audience, now_ms, now_ms))]
