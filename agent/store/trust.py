"""The lists of headquarters' keys that followed the configured ones, as they were signed."""

import sqlite3

_ALL = "SELECT document FROM trust ORDER BY version"
_NEWEST = "SELECT coalesce(max(version), 1) FROM trust"
_FORGET_FROM = "DELETE FROM trust WHERE version >= ?"
_ADD = "INSERT INTO trust (version, document, adopted_at_ms) VALUES (?, ?, ?)"


class TrustLists:
    """Version 1 is the configuration's and has no row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def documents(self) -> list[bytes]:
        """The signed lists from version 2 on, in order."""
        return [bytes(row[0]) for row in self._connection.execute(_ALL)]

    def newest_version(self) -> int:
        return int(self._connection.execute(_NEWEST).fetchone()[0])

    def adopt(self, version: int, document: bytes, at_ms: int) -> None:
        """Keep a verified list; later ones, which then descend from other keys, are forgotten."""
        self._connection.execute(_FORGET_FROM, (version,))
        self._connection.execute(_ADD, (version, document, at_ms))
