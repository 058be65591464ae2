"""Simulation: over a road of 2 kB/s, does a backlog drain within its budget, and does nothing urgent wait?"""

import pytest

from sync.outbox import LEDGER, SERVICE, URGENT
from sync.steps import Pace
from tests.simulation.sync.storm import Storm

_RATE = 2_000
_FACT = b'{"kind":"fuelling","id":"%022x","device":"cbc-1","nozzle":"08","volume_ml":%d,"amount_fen":%d}'
_AWARD = b'{"kind":"award","of":%d,"member":"m-%08d","bundle":"demo-cn","version":42,"minor":%d}'


def _slow(seed: int, budget: int) -> Storm:
    return Storm(
        seed,
        faults=0,
        pace=Pace(metrics_every_ms=0),
        receive_maximum=20,
        road_bytes_per_s=_RATE,
        budget_bytes_per_s=budget,
    )


def _sale(storm: Storm) -> None:
    volume_ml = storm.rng.randrange(5_000, 60_000)
    fact = (storm.rng.getrandbits(88), volume_ml, volume_ml * 785 // 1_000)
    seq = storm.outbox.put(LEDGER, _FACT % fact)
    storm.outbox.put(LEDGER, _AWARD % (seq, storm.rng.randrange(10**8), volume_ml * 2))


def _urgent_waits(storm: Storm, count: int) -> list[int]:
    """How long each urgent item took from its commit to HQ; one every seven seconds."""
    sold_at: list[int] = []

    def sell() -> None:
        sold_at.append(storm.now)
        storm.sell(URGENT)

    for n in range(count):
        storm.after(20_000 + n * 7_001, sell)
    storm.run_until(20_000 + count * 7_001 + 60_000)
    return [storm.hq.came_at[URGENT, n + 1] - at for n, at in enumerate(sold_at)]


def test_a_backlog_drains_at_the_rate_and_urgent_items_pass_it() -> None:
    storm = _slow(1, budget=_RATE)
    for _ in range(6_000):
        _sale(storm)
    storm.outbox.put_many(SERVICE, 50)
    waits = _urgent_waits(storm, 20)
    assert max(waits) < 2_500, waits
    storm.run_until(storm.now + 900_000)
    assert storm.drained
    assert storm.hq.rows == storm.outbox.bodies
    sizes = [size for size, stream in zip(storm.hq.sizes, storm.hq.batches, strict=True) if stream == LEDGER]
    assert sum(sizes) // 6_000 < 110, "bytes of payload per sale, with the smaller batches of this budget"
    assert storm.refused == {}


def test_without_the_budget_the_same_road_makes_what_is_urgent_wait() -> None:
    """What the budget is for: batches of 64 KiB and a window of them lie before an urgent item."""
    storm = _slow(1, budget=0)
    for _ in range(6_000):
        _sale(storm)
    waits = _urgent_waits(storm, 8)
    assert max(waits) > 15_000
    storm.run_until(storm.now + 900_000)
    assert storm.drained, "and yet it goes on: no PUBACK that came late is taken for a dead link"


@pytest.mark.parametrize("budget", [500, 2_000, 8_000])
def test_no_second_costs_more_than_the_budget_says(budget: int) -> None:
    storm = Storm(3, faults=0, pace=Pace(), receive_maximum=20, budget_bytes_per_s=budget)
    spent: list[tuple[int, int]] = []
    spend = storm.courier.spent

    def noted(size_bytes: int, now: int) -> None:
        spent.append((now, size_bytes + 120))
        spend(size_bytes, now)

    storm.courier.spent = noted  # type: ignore[method-assign]
    for _ in range(budget):
        _sale(storm)
    storm.run_until(120_000)
    largest = max(size for _, size in spent)
    for start in range(0, 110_000, 500):
        within = sum(size for at, size in spent if start <= at < start + 10_000)
        assert within <= 11 * budget + largest
    assert sum(size for at, size in spent if at < 20_000) > 15 * budget, "and it is used"
