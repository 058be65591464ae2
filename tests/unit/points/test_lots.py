"""Unit: are lots spent soonest expiry first, given back to where they came from, and lapsed once?"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from agent.points.lots import (
    Lot,
    LotState,
    Part,
    activate,
    give_back,
    lapse,
    lot_of_award,
    soonest_first,
    spend,
)

EARNED = date(2026, 7, 8)
LAPSES = date(2028, 1, 31)
GRACE_DAYS = 30


def opened(
    name: str, minor: int, lapses_on: date | None = LAPSES, *, earned_on: date = EARNED, delayed: bool = False
) -> Lot:
    return lot_of_award(name, minor, earned_on, lapses_on, delayed=delayed)


def test_an_award_opens_a_lot_that_is_whole() -> None:
    assert opened("a", 500) == Lot("a", 500, 500, 0, LotState.ACTIVE, EARNED, LAPSES)
    assert opened("a", 500, None, delayed=True).state == LotState.PENDING


def test_states_are_stored_under_these_names() -> None:
    assert [str(state) for state in LotState] == ["pending", "active", "exhausted", "expired", "reversed"]


@pytest.mark.parametrize(
    ("minor", "remaining", "lapsed", "state", "lapses_on"),
    [
        (0, 0, 0, LotState.EXHAUSTED, LAPSES),
        (10, 11, 0, LotState.ACTIVE, LAPSES),
        (10, -1, 0, LotState.ACTIVE, LAPSES),
        (10, 0, 0, LotState.ACTIVE, LAPSES),
        (10, 0, 0, LotState.PENDING, LAPSES),
        (10, 1, 0, LotState.REVERSED, LAPSES),
        (10, 1, 0, LotState.EXHAUSTED, LAPSES),
        (10, 1, 1, LotState.EXPIRED, LAPSES),
        (10, 0, 0, LotState.EXPIRED, LAPSES),
        (10, 0, -1, LotState.EXHAUSTED, LAPSES),
        (10, 6, 5, LotState.ACTIVE, LAPSES),
        (10, 0, 10, LotState.EXPIRED, None),
    ],
)
def test_i9_a_lot_cannot_contradict_itself(
    minor: int, remaining: int, lapsed: int, state: LotState, lapses_on: date | None
) -> None:
    with pytest.raises(AssertionError):
        Lot("a", minor, remaining, lapsed, state, EARNED, lapses_on)


def test_only_a_pending_lot_is_activated_and_only_an_active_one_lapses() -> None:
    pending = opened("a", 500, delayed=True)
    assert activate(pending) == opened("a", 500)
    with pytest.raises(AssertionError):
        activate(opened("a", 500))
    with pytest.raises(AssertionError):
        lapse(pending)


def test_only_what_remains_lapses() -> None:
    partly_spent = spend([opened("a", 500)], 380).lots[0]
    assert lapse(partly_spent) == (Lot("a", 500, 0, 120, LotState.EXPIRED, EARNED, LAPSES), 120)


def test_soonest_expiry_first_then_the_oldest_then_by_id_and_what_never_lapses_last() -> None:
    day = timedelta(days=1)
    never = opened("a", 1, None, earned_on=EARNED - 9 * day)
    late = opened("b", 1, LAPSES + day, earned_on=EARNED - 8 * day)
    newer, older, twin = opened("c", 1), opened("e", 1, earned_on=EARNED - day), opened("d", 1)
    assert soonest_first([never, twin, late, newer, older]) == [older, newer, twin, late, never]


def test_a_debit_takes_from_the_lots_in_that_order() -> None:
    soon, late = opened("z", 300, date(2027, 1, 31)), opened("a", 500)
    spending = spend([late, soon], 450)
    assert spending.parts == (Part("z", 300), Part("a", 150))
    assert spending.lots == (
        replace(soon, remaining_minor=0, state=LotState.EXHAUSTED),
        replace(late, remaining_minor=350),
    )
    assert (spending.minor, spending.missing_minor) == (450, 0)


def test_pending_and_lapsed_points_are_not_to_be_spent() -> None:
    lapsed, _ = lapse(opened("b", 500))
    spending = spend([opened("a", 300, delayed=True), lapsed, opened("c", 100)], 150)
    assert (spending.parts, spending.missing_minor) == ((Part("c", 100),), 50)


def test_a_debit_of_nothing_takes_nothing() -> None:
    assert spend([opened("a", 300)], 0).parts == ()
    assert spend([], 7).missing_minor == 7
    with pytest.raises(AssertionError):
        spend([], -1)


def test_i11_points_return_to_the_lots_they_came_from() -> None:
    lots = (opened("z", 300, date(2027, 1, 31)), opened("a", 500))
    spending = spend(lots, 450)
    assert give_back(spending.parts, spending.lots, date(2026, 12, 1), GRACE_DAYS) == lots


def test_several_parts_of_one_lot_return_together() -> None:
    lot = spend([opened("a", 500)], 450).lots[0]
    assert give_back([Part("a", 200), Part("a", 250)], [lot], LAPSES, GRACE_DAYS) == (opened("a", 500),)


def test_lots_that_gave_nothing_are_not_changed() -> None:
    first, second = spend([opened("a", 500)], 450).lots[0], opened("b", 500)
    assert [lot.id for lot in give_back([Part("a", 1)], [first, second], LAPSES, GRACE_DAYS)] == ["a"]


def test_points_return_to_a_lot_that_lapsed_meanwhile_for_a_short_grace() -> None:
    partly_spent = spend([opened("a", 500)], 380).lots[0]
    lapsed, _ = lapse(partly_spent)
    (revived,) = give_back([Part("a", 380)], [lapsed], date(2028, 3, 1), GRACE_DAYS)
    assert revived == Lot("a", 500, 380, 120, LotState.ACTIVE, EARNED, date(2028, 3, 31))
    assert lapse(revived) == (Lot("a", 500, 0, 500, LotState.EXPIRED, EARNED, date(2028, 3, 31)), 380)


def test_a_lot_that_was_wholly_spent_before_its_day_gets_the_grace_too() -> None:
    spent = spend([opened("a", 500)], 500).lots[0]
    (revived,) = give_back([Part("a", 500)], [spent], LAPSES + timedelta(days=1), GRACE_DAYS)
    assert revived.lapses_on == LAPSES + timedelta(days=1 + GRACE_DAYS)
    assert (revived.state, revived.remaining_minor) == (LotState.ACTIVE, 500)


@pytest.mark.parametrize("lapses_on", [LAPSES, None])
def test_a_lot_whose_last_day_is_not_over_keeps_it(lapses_on: date | None) -> None:
    spent = spend([opened("a", 500, lapses_on)], 500).lots[0]
    (returned,) = give_back([Part("a", 500)], [spent], LAPSES, GRACE_DAYS)
    assert returned == opened("a", 500, lapses_on)


def test_a_lot_that_lives_past_its_day_keeps_it_too() -> None:
    """It is honoured because the station was dark; a refund is no way to prolong the rest of it."""
    partly_spent = spend([opened("a", 500)], 380).lots[0]
    (returned,) = give_back([Part("a", 380)], [partly_spent], date(2028, 3, 1), GRACE_DAYS)
    assert returned == opened("a", 500)


def test_more_than_a_debit_took_cannot_return() -> None:
    lot = spend([opened("a", 500)], 450).lots[0]
    with pytest.raises(AssertionError):
        give_back([Part("a", 451)], [lot], LAPSES, GRACE_DAYS)
    with pytest.raises(AssertionError):
        give_back([Part("a", 0)], [lot], LAPSES, GRACE_DAYS)
