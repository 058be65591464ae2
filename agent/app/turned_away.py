"""What came from HQ's side and was turned away: counted in memory, told to HQ and technician now and then.

Whoever may write to our topics can send anything, as often as a broker carries it. So what no key of
HQ's signed, or what came before, never costs a row or a line of the log of its own.
"""

import hashlib
import logging
import threading
from dataclasses import dataclass

from agent.clock import Instant
from agent.handlers.obey import MOST_DETAIL
from agent.messages.upkeep import DownRefused
from agent.store.database import Transaction
from agent.till import Till, TillUnavailable
from sync.outbox import URGENT

log = logging.getLogger("forecourt.turned_away")

TOLD_EVERY_MS = 3_600_000
"""Of one reason HQ hears at once, and then at most once an hour how often it was."""


@dataclass(slots=True)
class _Count:
    times: int = 0
    told_at_ms: int | None = None
    detail: str = ""
    sha256: str = ""
    seq: int = 0
    id: str = ""


class TurnedAway:
    """`count` and `tell_due` from any thread; times are monotonic milliseconds."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def count(self, code: str, detail: str, message: bytes, now: int, seq: int = 0, id: str = "") -> None:
        """One more. `seq` and `id` only where a trusted key signed them."""
        with self._lock:
            counted = self._counts.setdefault(code, _Count())
            counted.times += 1
            counted.detail, counted.seq, counted.id = detail[:MOST_DETAIL], seq, id
            counted.sha256 = hashlib.sha256(message).hexdigest()
        self.tell_due(now)

    def tell_due(self, now: int) -> None:
        """Write down what was not told for an hour; what the till cannot take now stays counted."""
        with self._lock:
            for code, counted in self._counts.items():
                told_ago_ms = TOLD_EVERY_MS if counted.told_at_ms is None else now - counted.told_at_ms
                if counted.times and told_ago_ms >= TOLD_EVERY_MS and self._tell(code, counted):
                    counted.told_at_ms, counted.times = now, 0

    def _tell(self, code: str, counted: _Count) -> bool:
        def note(tx: Transaction, at: Instant) -> None:
            item = DownRefused(
                kind="down.refused",
                code=code,
                seq=counted.seq,
                id=counted.id,
                sha256=counted.sha256,
                count=counted.times,
                at_ms=at.wall_ms,
            )
            tx.outbox.put(URGENT, "down.refused", item.encoded(), at.wall_ms)
            tx.alarms.count(code, "from headquarters", at.wall_ms, counted.detail, times=counted.times)

        try:
            self._till.submit(note)
        except TillUnavailable:
            return False
        log.warning("DOWN_REFUSED", extra={"reason": code, "times": counted.times})
        return True
