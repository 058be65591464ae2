"""What was usual on each line, kept over a restart."""

import sqlite3
from collections.abc import Mapping
from dataclasses import astuple

from drivers.quality import Usual

_ALL = "SELECT line, heard_count, damaged_count, unanswered_count, answered_count, answers_ms FROM line_usual"
_KEEP = """
INSERT OR REPLACE INTO line_usual (line, heard_count, damaged_count, unanswered_count, answered_count,
                                   answers_ms, kept_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class LineUsuals:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> dict[str, Usual]:
        """By the line's name."""
        return {line: Usual(*counts) for line, *counts in self._connection.execute(_ALL)}

    def keep(self, usuals: Mapping[str, Usual], at_ms: int) -> None:
        rows = ((line, *astuple(usual), at_ms) for line, usual in usuals.items())
        self._connection.executemany(_KEEP, rows)
