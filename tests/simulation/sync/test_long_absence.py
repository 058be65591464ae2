"""Simulation: HQ is away for thirty days, or slower than the station. In order, urgent first, memory flat?"""

import pickle
from collections import deque
from collections.abc import Callable
from functools import partial

from sync.outbox import LEDGER, SERVICE, URGENT
from sync.steps import Pace, Phase
from tests.simulation.sync.storm import Storm

DAY_MS = 86_400_000
DAYS, ROWS_A_DAY = 30, 1_000
MOST_COURIER_BYTES = 8_192
NEW_BATCH_MS, OLD_BATCH_MS = 2_000, 20


class SlowHq(Storm):
    """One worker of HQ, which takes what comes in its order: two seconds for new rows, little for others."""

    def __init__(self, seed: int) -> None:
        self._queue: deque[Callable[[], None]] = deque()
        super().__init__(seed, faults=0, pace=Pace(), receive_maximum=20)

    def _hq_batch(self, payload: bytes) -> None:
        self._in_turn(partial(super()._hq_batch, payload))

    def _hq_hello(self, payload: bytes) -> None:
        self._in_turn(partial(super()._hq_hello, payload))

    def _in_turn(self, take: Callable[[], None]) -> None:
        self._queue.append(take)
        if len(self._queue) == 1:
            self._take_next()

    def _take_next(self) -> None:
        held = sum(map(len, self.hq.rows.values()))
        self._queue[0]()
        is_new = sum(map(len, self.hq.rows.values())) > held
        self.after(NEW_BATCH_MS if is_new else OLD_BATCH_MS, self._done)

    def _done(self) -> None:
        self._queue.popleft()
        if self._queue:
            self._take_next()


def _courier_bytes(storm: Storm) -> int:
    """All that the courier remembers."""
    remembered = {name: value for name, value in vars(storm.courier).items() if name != "_draw"}
    return len(pickle.dumps(remembered))


def _sell(storm: Storm, ledger_rows: int) -> None:
    for _ in range(ledger_rows):
        storm.sell(LEDGER)
    storm.sell(SERVICE)
    storm.sell(URGENT)


def test_away_for_thirty_days() -> None:
    """The station sells on; afterwards what is urgent comes first, the newest too, and all of it in order."""
    storm = Storm(30, faults=0, pace=Pace(), receive_maximum=20)
    storm.run_until(60_000)
    storm.hq_up = False
    for day in range(1, DAYS + 1):
        _sell(storm, ROWS_A_DAY)
        storm.run_until(day * DAY_MS)
        assert _courier_bytes(storm) < MOST_COURIER_BYTES
        assert storm.courier.snapshot().phase is not Phase.ONLINE
    assert storm.hq.batches == []
    storm.hq_up = True
    storm.run_until(storm.now + 600_000)
    assert storm.drained
    assert storm.hq.rows == storm.outbox.bodies
    came = storm.hq.came_at
    ledger = [came[LEDGER, seq] for seq in range(1, DAYS * ROWS_A_DAY + 1)]
    assert came[URGENT, DAYS] <= ledger[0], "also the newest of them"
    assert ledger == sorted(ledger)
    assert ledger[-1] <= came[SERVICE, 1]
    assert (storm.hq.gaps, storm.hq.duplicates) == (0, 0)
    assert storm.most_outstanding <= 20


def test_hq_is_slower_than_the_station() -> None:
    """Fifty rows a second against seventy: the courier waits, asks now and then, and floods nobody."""
    storm = SlowHq(31)
    sold_at = []
    for second in range(1_200):
        storm.run_until(second * 1_000)
        for _ in range(70):
            storm.sell(LEDGER)
        if second % 60 == 30:
            storm.sell(URGENT)
            sold_at.append(storm.now)
            assert _courier_bytes(storm) < MOST_COURIER_BYTES
    behind = storm.outbox.last_seq(LEDGER) - storm.outbox.watermark(LEDGER)
    assert behind > 10_000, "HQ is slower, and no row is dropped for it"
    assert storm.most_outstanding <= 20
    storm.run_until(storm.now + 3_600_000)
    assert storm.drained
    assert storm.hq.rows == storm.outbox.bodies
    assert (storm.hq.gaps, storm.hq.duplicates) == (0, 0)
    waits_ms = [storm.hq.came_at[URGENT, seq] - at for seq, at in enumerate(sold_at, 1)]
    assert max(waits_ms) < 60_000, "behind what is on its way, not behind the backlog"
    print(f"{behind:,} rows behind; what is urgent waited {max(waits_ms)} ms")  # noqa: T201
