"""Simulation: does everything reach HQ, in order and once, over a road that has every fault?

A failing seed is printed by pytest as the parameter; run it alone with `-k`.
"""

from functools import cache

import pytest

from sync.outbox import LEDGER, STREAMS, URGENT
from sync.steps import Pace, Phase
from tests.simulation.sync.storm import Storm

_PACE = Pace(window=8, batch_items=5, puback_ms=15_000, silence_ms=5_000)
_SEEDS = range(24)
_STORM_MS = 600_000
_CALM_MS = 300_000


@cache
def _weathered(seed: int) -> Storm:
    storm = Storm(seed, faults=12, pace=_PACE, receive_maximum=5 + seed % 4)
    for _ in range(400):
        storm.after(storm.rng.randrange(_STORM_MS), lambda: storm.sell(storm.rng.choice(STREAMS)))
    for _ in range(25):
        storm.after(storm.rng.randrange(_STORM_MS), storm.trouble)
    storm.run_until(_STORM_MS)
    storm.note_refused()
    storm.calm()
    storm.run_until(_STORM_MS + _CALM_MS)
    return storm


@pytest.mark.parametrize("seed", _SEEDS)
def test_all_rows_reach_hq_in_order_through_a_storm(seed: int) -> None:
    storm = _weathered(seed)
    assert storm.drained
    assert storm.hq.rows == storm.outbox.bodies
    assert storm.courier.snapshot().repeating == {}
    assert storm.most_outstanding <= min(_PACE.window, storm.receive_maximum)


def test_the_storms_were_storms() -> None:
    """The faults really happened: otherwise the test before proves nothing."""
    storms = [_weathered(seed) for seed in _SEEDS]
    assert sum(storm.hq.duplicates for storm in storms) > 500
    assert sum(storm.hq.gaps for storm in storms) > 50
    assert sum(storm.deaths for storm in storms) > 50
    assert sum(storm.wishes for storm in storms) > 50
    assert set().union(*(storm.refused for storm in storms)) >= {
        "NO_SUBSCRIBER",
        "NOT_AUTHORIZED",
        "HALF_OPEN",
        "SILENCE",
        "BAD_SIGNATURE",
        "ACK_FOREIGN",
        "ACK_OTHER_EPOCH",
        "ACK_BEYOND_END",
    }


def test_a_month_without_hq_then_urgent_first_and_a_bounded_window() -> None:
    """45,000 rows wait; the broker is there all the time, HQ is not."""
    storm = Storm(1, faults=0, pace=Pace(), receive_maximum=20)
    storm.hq_up = False
    month_ms = 30 * 86_400_000
    storm.outbox.put_many(LEDGER, 45_000)
    storm.outbox.put_many(URGENT, 150)
    storm.run_until(month_ms)
    asked = storm.courier.snapshot().refused["NO_SUBSCRIBER"]
    assert 30 * 86_400 // 70 < asked < 30 * 86_400 // 35, "asked again, and not in a hurry"
    assert storm.most_outstanding == 0, "no batch goes out while HQ does not answer"
    storm.calm()
    storm.run_until(month_ms + 90_000)
    assert storm.drained
    assert storm.hq.rows == storm.outbox.bodies
    assert storm.hq.batches.count(LEDGER) == 450
    assert storm.hq.batches.count(URGENT) == 2
    assert LEDGER not in storm.hq.batches[: storm.hq.batches.index(URGENT)]
    assert storm.most_outstanding <= 20


def test_hq_restored_from_a_backup_gets_its_lost_rows_again() -> None:
    """HQ acknowledged 300 rows, then came back with 120: they are still kept here, and sent again."""
    storm = Storm(2, faults=0, pace=_PACE, receive_maximum=20)
    storm.outbox.put_many(LEDGER, 300)
    storm.run_until(60_000)
    assert storm.drained
    del storm.hq.rows[LEDGER][120:]
    del storm.hq.heads[LEDGER][121:]
    storm.run_until(storm.now + 2 * _PACE.quiet_ms)
    assert storm.hq.rows == storm.outbox.bodies
    assert storm.courier.snapshot().refused["HQ_WENT_BACK"] == 1


def test_rows_that_hq_wants_again_come_again_over_a_road_that_breaks_three_times() -> None:
    storm = Storm(4, faults=0, pace=_PACE, receive_maximum=20)
    storm.outbox.put_many(LEDGER, 900)
    storm.run_until(120_000)
    assert storm.drained
    assert storm.hq.duplicates == 0
    storm.wish(LEDGER, 101)
    for wait_ms in (1_000, 7_000, 14_000):
        storm.after(wait_ms, storm.lose_link)
    storm.after(5_000, lambda: storm.sell(LEDGER))
    storm.run_until(storm.now + 120_000)
    assert storm.drained
    assert {seq for _, seq in storm.hq.again} == set(range(101, 901))
    assert 800 <= storm.hq.duplicates < 1_000, "a break repeats what was out, not everything"
    assert storm.courier.snapshot().repeating == {}


def test_hq_that_lost_rows_which_are_no_longer_kept_halts_that_stream_only() -> None:
    storm = Storm(3, faults=0, pace=_PACE, receive_maximum=20)
    storm.outbox.put_many(LEDGER, 300)
    storm.run_until(60_000)
    storm.outbox.prune(LEDGER)
    del storm.hq.rows[LEDGER][120:]
    del storm.hq.heads[LEDGER][121:]
    storm.run_until(storm.now + 2 * _PACE.quiet_ms)
    storm.sell(LEDGER)
    storm.sell(URGENT)
    storm.run_until(storm.now + 60_000)
    assert storm.courier.snapshot().halted == {LEDGER: "HQ_BEHIND"}
    assert storm.courier.snapshot().phase is Phase.ONLINE
    assert storm.outbox.watermarks[URGENT] == 1
    assert storm.outbox.watermarks[LEDGER] == 300
