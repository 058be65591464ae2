"""The double-entry ledger: entries that sum to zero, each hashed onto the one before.

leaf = SHA-256(0x00 ‖ entry bytes), head = SHA-256(0x01 ‖ head before ‖ leaf) (decisions.md 6). The
bytes are stored as hashed, so nothing has to be rebuilt canonically to check them.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from agent.points.ledger import Posting

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    body: bytes
    head: bytes


def leaf(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def next_head(head: bytes, body: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + head + leaf(body)).digest()


_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"
_ADD_ENTRY = "INSERT INTO ledger_entry (seq, kind, ref, at_ms, body, head) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_POSTING = "INSERT INTO posting (seq, account, minor) VALUES (?, ?, ?)"
_MOVE = """
INSERT INTO account (account, minor) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET minor = minor + excluded.minor
"""
_BALANCE = "SELECT minor FROM account WHERE account = ?"
_ENTRIES = "SELECT seq, body, head FROM ledger_entry ORDER BY seq"


class Ledger:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tip(self) -> tuple[int, bytes]:
        """(last seq, head); (0, GENESIS) before the first entry."""
        row = self._connection.execute(_TIP).fetchone()
        return (int(row[0]), bytes(row[1])) if row else (0, GENESIS)

    def balance(self, account: str) -> int:
        row = self._connection.execute(_BALANCE, (account,)).fetchone()
        return int(row[0]) if row else 0

    def post(self, kind: str, ref: bytes, postings: tuple[Posting, ...], at_ms: int) -> int:
        """Write one entry; returns its seq. An entry without postings is not written (0 points)."""
        assert postings, "an entry without postings says nothing"
        assert sum(posting.minor for posting in postings) == 0, "an entry must sum to zero"
        seq, head = self.tip()
        seq += 1
        body = entry_bytes(seq, kind, ref, postings, at_ms)
        self._connection.execute(_ADD_ENTRY, (seq, kind, ref, at_ms, body, next_head(head, body)))
        for posting in postings:
            self._connection.execute(_ADD_POSTING, (seq, posting.account, posting.minor))
            self._connection.execute(_MOVE, (posting.account, posting.minor))
        return seq

    def entries(self) -> Iterator[Entry]:
        for seq, body, head in self._connection.execute(_ENTRIES):
            yield Entry(seq, body, head)


def entry_bytes(seq: int, kind: str, ref: bytes, postings: tuple[Posting, ...], at_ms: int) -> bytes:
    accounts = [[posting.account, posting.minor] for posting in postings]
    content = {"seq": seq, "kind": kind, "ref": ref.hex(), "at_ms": at_ms, "postings": accounts}
    return json.dumps(content, separators=(",", ":")).encode()
