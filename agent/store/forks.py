"""The incarnation of this file (`epoch`), and where its incarnations part.

A file that was put back from an older copy would use sequence numbers a second time. It begins a new
epoch instead, which goes on from where headquarters and the file agree (decisions.md 6).
"""

import sqlite3

from sync.chain import GENESIS

LEDGER_CHAIN = "ledger_entry"
"""The name of the ledger's own chain among those of the streams."""

_EPOCH = "SELECT epoch FROM station"
_RAISE = "UPDATE station SET epoch = ?, mismatched = 0"
_MISMATCHED = "SELECT mismatched FROM station"
_NOTE_MISMATCHED = "UPDATE station SET mismatched = ?"
_LEDGER_TIP = "SELECT seq, head FROM ledger_entry ORDER BY seq DESC LIMIT 1"
_STREAMS = """
SELECT name, coalesce(watermark.seq, 0), watermark.head
FROM (SELECT DISTINCT stream AS name FROM outbox UNION SELECT stream FROM watermark)
LEFT JOIN watermark ON watermark.stream = name ORDER BY name
"""
_ADD = "INSERT INTO fork (epoch, chain, seq, head, forked_at_ms) VALUES (?, ?, ?, ?, ?)"
_INCLUDED = "SELECT min(seq) FROM fork WHERE chain = ? AND epoch > ?"


class Forks:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._epoch: int | None = None

    def forget(self) -> None:
        """A change was taken back: the epoch may be the former one again."""
        self._epoch = None

    @property
    def epoch(self) -> int:
        if self._epoch is None:
            self._epoch = int(self._connection.execute(_EPOCH).fetchone()[0])
        return self._epoch

    def raise_epoch(self, at_ms: int, *, beyond: int = 0) -> int:
        """Begin a new incarnation after the present one and after epoch `beyond`; returns it.

        `beyond`: the highest epoch that anybody else (the heads file, headquarters) has seen of this
        station. The ledger goes on from its end, each stream from what HQ has acknowledged.
        """
        epoch = max(self.epoch, beyond) + 1
        seq, head = self._connection.execute(_LEDGER_TIP).fetchone() or (0, GENESIS)
        self._connection.execute(_ADD, (epoch, LEDGER_CHAIN, seq, head, at_ms))
        for stream, seq, head in self._connection.execute(_STREAMS).fetchall():
            self._connection.execute(_ADD, (epoch, stream, seq, head or GENESIS, at_ms))
        self._connection.execute(_RAISE, (epoch,))
        self._epoch = epoch
        return epoch

    def mismatched(self) -> int:
        """How many awards of this incarnation HQ computed otherwise, by what was last noted."""
        return int(self._connection.execute(_MISMATCHED).fetchone()[0])

    def note_mismatched(self, total: int) -> None:
        self._connection.execute(_NOTE_MISMATCHED, (total,))

    def included_seq(self, epoch: int, seq: int) -> int:
        """How far (epoch, ledger seq) of a member snapshot reaches in this file.

        What a former incarnation wrote after the fork is not in this file, and entries of ours with
        the same numbers are not what HQ means: so never beyond a fork after that epoch.
        """
        forked = self._connection.execute(_INCLUDED, (LEDGER_CHAIN, epoch)).fetchone()[0]
        return seq if forked is None else min(seq, int(forked))
