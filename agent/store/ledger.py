"""The double-entry ledger: entries that sum to zero, each hashed onto the one before.

The chain is that of the streams (`sync/chain.py`). The bytes are stored as hashed, so nothing has to
be rebuilt canonically to check them.

An entry is about one lot, `ref`, which may not be the only one it moves. Its kinds: award,
activation, refund, expiry, redemption, return (of a redemption), repayment (of a debt), goodwill (points
given by HQ's decision), adjustment (points taken by it; `ref` is no lot's then), correction (of an award:
taken back, or borne by the programme).
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.points.ledger import Posting
from sync.chain import GENESIS, next_head

EntryKind = Literal[
    "award",
    "activation",
    "refund",
    "expiry",
    "redemption",
    "return",
    "repayment",
    "goodwill",
    "adjustment",
    "correction",
]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry, with its postings in the order they were made. `ref`: the id of an award or adjustment."""

    seq: int
    kind: str
    ref: bytes
    at_ms: int
    postings: tuple[Posting, ...]


_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"
_ADD_ENTRY = "INSERT INTO ledger_entry (seq, kind, ref, at_ms, body, head) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_POSTING = "INSERT INTO posting (seq, account, minor) VALUES (?, ?, ?)"
_FIRST_AT = "SELECT at_ms FROM ledger_entry ORDER BY seq LIMIT 1"
_BALANCE = "SELECT minor FROM account WHERE account = ?"
_ENTRIES = "SELECT seq, kind, ref, at_ms, body FROM ledger_entry WHERE seq BETWEEN ? AND ? ORDER BY seq"
_MOVE = """
INSERT INTO account (account, minor) VALUES (?, ?)
ON CONFLICT (account) DO UPDATE SET minor = minor + excluded.minor
"""


class Ledger:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tip(self) -> tuple[int, bytes]:
        """(last seq, head); (0, GENESIS) before the first entry."""
        row = self._connection.execute(_TIP).fetchone()
        return (int(row[0]), bytes(row[1])) if row else (0, GENESIS)

    def first_at_ms(self) -> int | None:
        """When the first entry was written (wall time); None before it."""
        row = self._connection.execute(_FIRST_AT).fetchone()
        return int(row[0]) if row else None

    def balance(self, account: str) -> int:
        """Sum of the account's postings here, minor units; 0 for one that was never posted to."""
        row = self._connection.execute(_BALANCE, (account,)).fetchone()
        return int(row[0]) if row else 0

    def post(self, kind: EntryKind, ref: bytes, postings: tuple[Posting, ...], at_ms: int) -> int:
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

    def entries(self, first: int, last: int) -> Iterator[LedgerEntry]:
        """The entries with these sequence numbers, both included."""
        for seq, kind, ref, at_ms, body in self._connection.execute(_ENTRIES, (first, last)):
            postings = tuple(Posting(account, minor) for account, minor in json.loads(body)["postings"])
            yield LedgerEntry(seq, kind, ref, at_ms, postings)


def entry_bytes(seq: int, kind: str, ref: bytes, postings: tuple[Posting, ...], at_ms: int) -> bytes:
    accounts = [[posting.account, posting.minor] for posting in postings]
    content = {"seq": seq, "kind": kind, "ref": ref.hex(), "at_ms": at_ms, "postings": accounts}
    return json.dumps(content, separators=(",", ":")).encode()
