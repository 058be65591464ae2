"""What the courier reads of the station's database. The store implements it; SQLite is the only queue.

Sequence numbers start at 1 and have no gap per (epoch, stream); a later epoch goes on after its fork.
Every answer comes from committed rows: a row that the courier can see is a row that no power cut takes
back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

URGENT = "urgent"
LEDGER = "ledger"
SERVICE = "service"
STREAMS = (URGENT, LEDGER, SERVICE)
"""Drained in this order: redemptions and alarms, then facts and awards, then reports."""

MAX_BODY_BYTES = 16_384
"""An item longer than this is a mistake of ours: the store asserts it before the row is written."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One item as it was stored and as it will be sent: `body` is one line of JSON without its newline."""

    seq: int
    body: bytes
    at_ms: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one stream. `size_bytes`: of the bodies, told from the first rows where there are many.

    `oldest_at_ms`: wall time at which the first of them was written, None if nothing waits.
    """

    items: int
    size_bytes: int
    oldest_at_ms: int | None


class Outbox(Protocol):
    def epoch(self) -> int:
        """The incarnation of this database: 1 at first, raised by a restore."""

    def forks(self) -> Mapping[str, tuple[int, bytes]]:
        """Where this epoch parted from the former one: stream to (seq, stream head there).

        That is the last row of the former epoch that HQ had acknowledged to this file. Empty in epoch 1.
        """

    def last_seq(self, stream: str) -> int:
        """The newest sequence number of the stream; 0 if it has none."""

    def watermark(self, stream: str) -> int:
        """HQ has everything up to here, as stored at this station; 0 at first."""

    def head_at(self, stream: str, seq: int) -> bytes | None:
        """The stream head after `seq` (GENESIS at 0); None if that row is no longer kept, or never was."""

    def rows(self, stream: str, after_seq: int, limit: int) -> list[OutboxRow]:
        """At most `limit` kept rows with seq > after_seq, in order."""

    def first_resendable(self, stream: str) -> int:
        """From where on rows are kept together with the head before them; 0 if there are none."""

    def backlog(self, stream: str) -> Backlog:
        """What HQ has not acknowledged. Quick, however much it is."""

    def oldest_unacknowledged_at_ms(self) -> int | None:
        """Wall time of the oldest row that HQ has not acknowledged; None if it has them all."""
