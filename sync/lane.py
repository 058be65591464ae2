"""One outbox stream on its way to HQ: what HQ has, what is out, what comes next. Pure."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lane:
    """One stream: HQ has `acked`, we send `next_seq` next, `last_seq` is the newest row.

    `unanswered` holds the last seq of each batch that is out. `since_ms` is when this lane last moved.
    `repeat_from_seq` to `repeat_until_seq` are to go again although HQ acknowledged them; else both are 0.
    """

    acked: int
    next_seq: int
    last_seq: int = 0
    unanswered: deque[int] = field(default_factory=deque)
    since_ms: int = 0
    fruitless: int = 0
    halted: str = ""
    repeat_from_seq: int = 0
    repeat_until_seq: int = 0

    def go_back(self, acked: int) -> None:
        """To where HQ stands; or to what it wants again, of which nothing is forgotten with a connection."""
        self.acked = acked
        self.next_seq = min(self.repeat_from_seq or acked + 1, acked + 1)
        self.unanswered.clear()

    def repeat(self, from_seq: int) -> None:
        """HQ wants everything from `from_seq` to what it has acknowledged once more."""
        assert 1 <= from_seq <= self.acked
        self.repeat_from_seq = min(self.repeat_from_seq or from_seq, from_seq)
        self.repeat_until_seq = max(self.repeat_until_seq, self.acked)
        self.go_back(self.acked)

    def end_repeat(self) -> None:
        self.repeat_from_seq = self.repeat_until_seq = 0
        self.next_seq = max(self.next_seq, self.acked + 1)

    def sent(self, last_seq: int, now: int) -> None:
        """A batch up to `last_seq` is out."""
        if not self.unanswered:
            self.since_ms = now
        self.unanswered.append(last_seq)
        self.next_seq = last_seq + 1
        self._skip_what_hq_has()

    def advance(self, acked: int, now: int) -> None:
        """HQ acknowledged something new."""
        self.acked = acked
        self._skip_what_hq_has()
        if not self._repeat_answered(now):
            self.since_ms, self.fruitless = now, 0
            while self.unanswered and self.unanswered[0] <= acked:
                self.unanswered.popleft()

    def acknowledged_again(self, now: int) -> None:
        """HQ said where it stood already: its answer to a batch that was repeated, if one is out."""
        self._repeat_answered(now)

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

    def most_rows(self, limit: int) -> int:
        """How many rows the next batch may have: one that repeats ends where the repeating ends."""
        return min(limit, self.repeat_until_seq - self.next_seq + 1) if self._repeats_next else limit

    @property
    def repeats_left(self) -> int:
        """Items that HQ has not answered again yet."""
        return self.repeat_until_seq - self.repeat_from_seq + 1 if self.repeat_from_seq else 0

    @property
    def _repeats_next(self) -> bool:
        return self.next_seq <= self.repeat_until_seq

    def _skip_what_hq_has(self) -> None:
        if not self._repeats_next:
            self.next_seq = max(self.next_seq, self.acked + 1)

    def _repeat_answered(self, now: int) -> bool:
        """One ack for one repeated batch: where HQ stands says nothing about those behind it."""
        if not (self.unanswered and self.unanswered[0] <= self.repeat_until_seq):
            return False
        self.since_ms, self.fruitless = now, 0
        self.repeat_from_seq = self.unanswered.popleft() + 1
        if self.repeat_from_seq > self.repeat_until_seq:
            self.end_repeat()
        return True
