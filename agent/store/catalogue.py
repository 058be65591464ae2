"""HQ's own wordings, and which version of each list of HQ's is here."""

import sqlite3
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

List = Literal["revocations", "catalogue"]
Wordings = Mapping[tuple[str, str], str]
"""(reason code, language) → text."""

_VERSION = "SELECT version FROM list_version WHERE list = ?"
_TAKE = """
INSERT INTO list_version (list, version, taken_at_ms) VALUES (?, ?, ?)
ON CONFLICT (list) DO UPDATE SET version = excluded.version, taken_at_ms = excluded.taken_at_ms
"""
_CLEAR = "DELETE FROM wording"
_ADD = "INSERT INTO wording (code, language, text) VALUES (?, ?, ?)"
_ALL = "SELECT code, language, text FROM wording"


class Catalogue:
    """Read for every event of the till, so it is remembered between them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._wordings: Wordings | None = None

    def forget(self) -> None:
        """A change was taken back: the remembered wordings may be those of it."""
        self._wordings = None

    def version(self, of: List) -> int:
        """0 before the first one."""
        row = self._connection.execute(_VERSION, (of,)).fetchone()
        return int(row[0]) if row else 0

    def take(self, of: List, version: int, at_ms: int) -> None:
        """Note which version is here now; the caller replaces its rows."""
        self._connection.execute(_TAKE, (of, version, at_ms))

    def replace_all(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """(code, language, text), each pair of code and language once."""
        self._connection.execute(_CLEAR)
        for row in texts:
            self._connection.execute(_ADD, row)
        self._wordings = None

    def wordings(self) -> Wordings:
        if self._wordings is None:
            rows = self._connection.execute(_ALL)
            self._wordings = MappingProxyType({(code, language): text for code, language, text in rows})
        return self._wordings
