"""An outbox in memory, for tests: rows, heads and watermarks as a database would keep them."""

from sync.envelope import GENESIS, next_head
from sync.outbox import STREAMS, Backlog, OutboxRow


class MemoryOutbox:
    def __init__(self, epoch: int = 1) -> None:
        self._epoch = epoch
        self._forks: dict[str, tuple[int, bytes]] = {}
        self.bodies: dict[str, list[bytes]] = {stream: [] for stream in STREAMS}
        self.heads: dict[str, list[bytes]] = {stream: [GENESIS] for stream in STREAMS}
        self.watermarks: dict[str, int] = dict.fromkeys(STREAMS, 0)
        self.kept_from: dict[str, int] = dict.fromkeys(STREAMS, 1)

    def put(self, stream: str, body: bytes) -> int:
        self.heads[stream].append(next_head(self.heads[stream][-1], body))
        self.bodies[stream].append(body)
        return len(self.bodies[stream])

    def raise_watermark(self, stream: str, seq: int, head: bytes) -> None:
        assert self.heads[stream][seq] == head
        self.watermarks[stream] = max(self.watermarks[stream], seq)

    def put_many(self, stream: str, count: int) -> None:
        for _ in range(count):
            n = len(self.bodies[stream]) + 1
            self.put(stream, b'{"kind":"fuelling","n":%d}' % n)

    def prune(self, stream: str) -> None:
        self.kept_from[stream] = self.watermarks[stream] + 1

    def epoch(self) -> int:
        return self._epoch

    def forks(self) -> dict[str, tuple[int, bytes]]:
        return self._forks

    def raise_epoch(self, epoch: int) -> None:
        """A new incarnation: it goes on behind what HQ is known to hold."""
        self._epoch = epoch
        self._forks = {s: (seq, self.heads[s][seq]) for s, seq in self.watermarks.items()}

    def last_seq(self, stream: str) -> int:
        return len(self.bodies[stream])

    def watermark(self, stream: str) -> int:
        return self.watermarks[stream]

    def head_at(self, stream: str, seq: int) -> bytes | None:
        if seq != 0 and not self.kept_from[stream] - 1 <= seq < len(self.heads[stream]):
            return None
        return self.heads[stream][seq]

    def rows(self, stream: str, after_seq: int, limit: int) -> list[OutboxRow]:
        first = max(after_seq + 1, self.kept_from[stream])
        chosen = self.bodies[stream][first - 1 : first - 1 + limit]
        return [OutboxRow(first + i, body, 0) for i, body in enumerate(chosen)]

    def first_resendable(self, stream: str) -> int:
        """Here the head before the first kept row is kept, too."""
        return self.kept_from[stream] if self.kept_from[stream] <= self.last_seq(stream) else 0

    def backlog(self, stream: str) -> Backlog:
        waiting = self.bodies[stream][self.watermarks[stream] :]
        return Backlog(len(waiting), sum(map(len, waiting)), 0 if waiting else None)

    def oldest_unacknowledged_at_ms(self) -> int | None:
        return 0 if any(self.watermarks[s] < self.last_seq(s) for s in STREAMS) else None
