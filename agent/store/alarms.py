"""What went wrong, counted by reason code and subject, for `status` and for HQ's eyes."""

import sqlite3

_RAISE = """
INSERT INTO alarm (code, subject, times, first_at_ms, last_at_ms, detail) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (code, subject) DO UPDATE
SET times = times + excluded.times, last_at_ms = excluded.last_at_ms, detail = excluded.detail
"""


class Alarms:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, code: str, subject: str, at_ms: int, detail: str = "", *, times: int = 1) -> None:
        """One more of `code` at `subject` (a nozzle, a register, a stream; never a person), or several."""
        self._connection.execute(_RAISE, (code, subject, times, at_ms, at_ms, detail))
