"""Credentials that name nobody any more: HQ's newest list, as keyed hashes with the time since when."""

import sqlite3
from collections.abc import Iterable

_CLEAR = "DELETE FROM revocation"
_ADD = "INSERT INTO revocation (credential, since_ms) VALUES (?, ?)"
_IS_REVOKED = "SELECT 1 FROM revocation WHERE credential = ? AND since_ms <= ?"


class Revocations:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def replace_all(self, credentials: Iterable[tuple[str, int]]) -> None:
        """(keyed hash, wall time in ms since when), each hash once."""
        self._connection.execute(_CLEAR)
        for row in credentials:
            self._connection.execute(_ADD, row)

    def is_revoked(self, credential: str, at_ms: int) -> bool:
        """True if the credential named nobody at wall time `at_ms`."""
        return self._connection.execute(_IS_REVOKED, (credential, at_ms)).fetchone() is not None
