"""Unit: does the token bucket keep its rate, and does it let the right messages go first?"""

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.budget import MESSAGE_BYTES, METRICS, Budget
from sync.outbox import LEDGER, SERVICE, URGENT


def test_it_begins_with_a_second_and_what_is_spent_comes_back() -> None:
    budget = Budget(2_000, 1_000)
    assert budget.allows(METRICS, 1_000)
    budget.spend(2_000 - MESSAGE_BYTES, 1_000)
    assert budget.allows(LEDGER, 1_000)
    assert not budget.allows(SERVICE, 1_000)
    ready = [budget.ready_at(what) for what in (URGENT, LEDGER, SERVICE, METRICS)]
    assert ready == [0, 1_000, 1_250, 1_500]
    assert budget.allows(METRICS, 1_500)


def test_urgent_goes_on_credit_and_that_has_an_end() -> None:
    budget = Budget(2_000, 0)
    budget.spend(4_000 - MESSAGE_BYTES - 1, 0)
    assert budget.allows(URGENT, 0)
    assert not budget.allows(LEDGER, 0)
    budget.spend(1_000, 0)
    assert not budget.allows(URGENT, 0)
    assert budget.ready_at(URGENT) < budget.ready_at(LEDGER)


def test_idle_time_does_not_save_up_more_than_a_second() -> None:
    budget = Budget(2_000, 0)
    budget.spend(100, 3_600_000)
    budget.spend(2_000, 3_600_000)
    assert not budget.allows(LEDGER, 3_600_000)


@settings(deadline=None)
@given(
    st.integers(100, 1_000_000),
    st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 5_000)), max_size=200),
)
def test_over_any_time_no_more_goes_than_the_rate_the_start_and_one_message(
    rate: int, messages: list[tuple[int, int]]
) -> None:
    """Whoever waits until a message may go never exceeds it; and `ready_at` is a time at which it may."""
    budget, now, sent, largest = Budget(rate, 0), 0, 0, 0
    for size_bytes, pause_ms in messages:
        now = max(now + pause_ms, budget.ready_at(LEDGER))
        assert budget.allows(LEDGER, now)
        budget.spend(size_bytes, now)
        sent += size_bytes + MESSAGE_BYTES
        largest = max(largest, size_bytes + MESSAGE_BYTES)
        assert sent <= now * rate // 1_000 + rate + largest + 1
