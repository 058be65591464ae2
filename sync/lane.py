"""One outbox stream on its way to HQ: what HQ has, what is out, what comes next. Pure."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lane:
    """One stream: HQ has `acked`, we send `next_seq` next, `last_seq` is the newest row.

    `unanswered` holds the last seq of each batch that is out. `since_ms` is when this lane last moved.
    """

    acked: int
    next_seq: int
    last_seq: int = 0
    unanswered: deque[int] = field(default_factory=deque)
    since_ms: int = 0
    fruitless: int = 0
    halted: str = ""

    def go_back(self, acked: int) -> None:
        self.acked = acked
        self.next_seq = acked + 1
        self.unanswered.clear()

    def sent(self, last_seq: int, now: int) -> None:
        """A batch up to `last_seq` is out."""
        if not self.unanswered:
            self.since_ms = now
        self.unanswered.append(last_seq)
        self.next_seq = last_seq + 1

    def advance(self, acked: int, now: int) -> None:
        """HQ acknowledged something new."""
        self.acked = acked
        self.next_seq = max(self.next_seq, acked + 1)
        self.since_ms, self.fruitless = now, 0
        while self.unanswered and self.unanswered[0] <= acked:
            self.unanswered.popleft()

    def stand_at(self, acked: int, now: int) -> None:
        """HQ said in a hello how far it is, and it fits: resume there."""
        if acked > self.acked:
            self.fruitless = 0
        self.halted = ""
        self.since_ms = now
        self.go_back(acked)

    def halt(self, reason: str) -> None:
        """Send nothing more until a hello finds the stream in order."""
        self.halted = reason
        self.unanswered.clear()

    def silent_at(self, silence_ms: int, longest_ms: int) -> int:
        """When HQ has been silent too long about what is out; patience doubles per fruitless round."""
        return self.since_ms + min(silence_ms << min(self.fruitless, 16), longest_ms)

    @property
    def has_rows(self) -> bool:
        """There is something to send, and nothing speaks against it.

        A stream that got nowhere sends one batch at a time until HQ moves: it cannot take the whole window.
        """
        probing = self.fruitless > 0 and len(self.unanswered) > 0
        return not self.halted and not probing and self.next_seq <= self.last_seq
