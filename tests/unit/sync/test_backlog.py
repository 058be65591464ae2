"""Unit: does the estimate of when nothing waits any more follow from the rate of the last minutes alone?"""

from sync.backlog import AckRate, clears_in_ms

HOUR_MS = 3_600_000


def test_no_rate_before_hq_answered_and_after_it_went() -> None:
    rate = AckRate()
    rate.note(100, 0)
    assert rate.items_per_hour(0) == 0
    rate.opened(0)
    assert rate.items_per_hour(1_000) > 0
    rate.closed()
    rate.opened(2_000)
    assert rate.items_per_hour(3_000) == 0


def test_a_drain_that_began_ten_seconds_ago_is_measured_over_ten_seconds() -> None:
    rate = AckRate()
    rate.opened(50_000)
    for second in range(10):
        rate.note(400, 50_000 + second * 1_000)
    assert rate.items_per_hour(60_000) == 400 * 3_600


def test_what_was_more_than_five_minutes_ago_is_forgotten() -> None:
    rate = AckRate()
    rate.opened(0)
    rate.note(9_000, 0)
    for minute in range(1, 11):
        rate.note(5, minute * 60_000)
    assert rate.items_per_hour(600_000) in (300, 360), "five or six of five items in five minutes"


def test_memory_is_bounded_however_many_acks_come() -> None:
    rate = AckRate()
    rate.opened(0)
    for at in range(0, 1_000_000, 10):
        rate.note(1, at)
    assert len(rate._samples) <= 301
    assert rate.items_per_hour(1_000_000) // 3_600 in (99, 100)


def test_when_it_is_all_there() -> None:
    assert clears_in_ms(0, 0) == 0
    assert clears_in_ms(5, 0) is None
    assert clears_in_ms(7_200, 3_600) == 2 * HOUR_MS
