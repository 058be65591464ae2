"""Rule bundles as their signed bytes, and which one was in force at an instant."""

import sqlite3
from dataclasses import dataclass

from agent.points.rules import Bundle, BundleRefused, parse_bundle


@dataclass(frozen=True, slots=True)
class StoredBundle:
    bundle: str
    version: int
    sha256: bytes
    effective_from_ms: int
    body: bytes


_ADD = """
INSERT INTO bundle (bundle, version, sha256, effective_from_ms, body, adopted_at_ms) VALUES (?, ?, ?, ?, ?, ?)
"""
_HASH = "SELECT sha256 FROM bundle WHERE bundle = ? AND version = ?"
_NEWEST_VERSION = "SELECT max(version) FROM bundle"
_ALL = """
SELECT bundle, version, effective_from_ms, body FROM bundle ORDER BY effective_from_ms DESC, version DESC
"""


class Bundles:
    """Parsed bundles are kept between transactions: parsing one costs more than a sale."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parsed: list[tuple[int, Bundle]] | None = None

    def forget(self) -> None:
        """A change was taken back: what was parsed may never have been stored."""
        self._parsed = None

    def in_force(self, at_ms: int) -> Bundle | None:
        """The newest bundle whose time had come at `at_ms`, however late the question is asked."""
        for effective_from_ms, bundle in self._all():
            if effective_from_ms <= at_ms:
                return bundle
        return None

    def hash_of(self, bundle: str, version: int) -> bytes | None:
        row = self._connection.execute(_HASH, (bundle, version)).fetchone()
        return bytes(row[0]) if row else None

    def newest_version(self) -> int:
        """0 before the first bundle."""
        return int(self._connection.execute(_NEWEST_VERSION).fetchone()[0] or 0)

    def add(self, stored: StoredBundle, at_ms: int) -> None:
        self._connection.execute(
            _ADD,
            (stored.bundle, stored.version, stored.sha256, stored.effective_from_ms, stored.body, at_ms),
        )
        self.forget()

    def _all(self) -> list[tuple[int, Bundle]]:
        if self._parsed is None:
            self._parsed = []
            for name, version, effective_from_ms, body in self._connection.execute(_ALL):
                parsed = parse_bundle(body)
                assert not isinstance(parsed, BundleRefused), f"stored bundle {name} {version} does not parse"
                self._parsed.append((effective_from_ms, parsed))
        return self._parsed
