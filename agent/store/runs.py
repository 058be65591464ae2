"""Starts of the agent, and whether each of them ended as it should."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the agent, in wall time; `ended_at_ms` None if it runs, or did not end as it should.

    `boot`: which start of the machine it was.
    """

    run_id: int
    started_at_ms: int
    ended_at_ms: int | None
    boot: str


_LATEST = "SELECT run_id, started_at_ms, ended_at_ms, boot FROM run ORDER BY run_id DESC LIMIT 1"
_BEGIN = "INSERT INTO run (started_at_ms, boot) VALUES (?, ?) RETURNING run_id"
_END = "UPDATE run SET ended_at_ms = ? WHERE run_id = ?"


class Runs:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def latest(self) -> Run | None:
        row = self._connection.execute(_LATEST).fetchone()
        return Run(*row) if row else None

    def begin(self, at_ms: int, boot: str) -> int:
        """Note a start; returns its run id."""
        return int(self._connection.execute(_BEGIN, (at_ms, boot)).fetchone()[0])

    def end(self, run_id: int, at_ms: int) -> None:
        """Note that this run is ending as it should."""
        self._connection.execute(_END, (at_ms, run_id))
