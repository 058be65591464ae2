"""Unit: does a refund take the right points from the right lot, in postings that sum to zero?"""

from dataclasses import replace
from datetime import date

import pytest

from agent.points.ledger import Posting, reversal_postings
from agent.points.lots import Lot, LotState, Part, lapse, lot_of_award, reverse
from agent.points.refunds import reversal_minor

EARNED = date(2026, 7, 8)
LAPSES = date(2028, 1, 31)


def opened(name: str, minor: int, *, lapses_on: date | None = LAPSES, delayed: bool = False) -> Lot:
    return lot_of_award(name, minor, EARNED, lapses_on, delayed=delayed)


def left(name: str, minor: int, remaining: int, state: LotState, lapsed: int = 0) -> Lot:
    return Lot(name, minor, remaining, lapsed, state, EARNED, LAPSES)


def test_g9_three_part_refund_of_ten_litres_worth_twenty_points() -> None:
    taken: list[int] = []
    for refunded_ml in (3_330, 6_660, 10_000):
        taken.append(reversal_minor(2_000, 10_000, refunded_ml, sum(taken)))
    assert taken == [666, 666, 668]


def test_i12_a_refund_beyond_the_sale_takes_the_award_and_no_more() -> None:
    assert reversal_minor(2_000, 10_000, 12_000, 0) == 2_000
    assert reversal_minor(2_000, 10_000, 12_000, 2_000) == 0


def test_an_award_that_was_taken_back_further_already_gives_nothing() -> None:
    assert reversal_minor(2_000, 10_000, 5_000, 1_500) == 0


@pytest.mark.parametrize("wrong", [(-1, 1, 1, 0), (1, 0, 1, 0), (1, 1, -1, 0), (1, 1, 1, 2), (1, 1, 1, -1)])
def test_impossible_arguments_are_our_own_mistake(wrong: tuple[int, int, int, int]) -> None:
    with pytest.raises(AssertionError):
        reversal_minor(*wrong)


def test_i11_a_reversal_takes_its_own_lot() -> None:
    own, other = opened("a1", 2_000), opened("a0", 9_000)
    result = reverse(own, 666, [other])
    assert result.lots == (replace(own, remaining_minor=1_334),)
    assert result.parts == (Part("a1", 666),)
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (0, 666, 0)


def test_a_lot_taken_back_whole_is_reversed() -> None:
    result = reverse(opened("a1", 2_000, delayed=True), 2_000)
    assert result.lots == (left("a1", 2_000, 0, LotState.REVERSED),)
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (2_000, 0, 0)


def test_what_is_spent_comes_from_other_lots_pending_first_then_becomes_debt() -> None:
    own = left("a1", 2_000, 500, LotState.ACTIVE)
    older, newest = opened("a0", 300), opened("a2", 400, delayed=True)
    result = reverse(own, 2_000, [older, newest])
    assert result.parts == (Part("a1", 500), Part("a2", 400), Part("a0", 300))
    assert [lot.state for lot in result.lots] == [
        LotState.REVERSED,
        LotState.EXHAUSTED,
        LotState.EXHAUSTED,
    ]
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (400, 800, 800)
    assert result.minor == 2_000


def test_other_lots_give_in_the_order_of_their_expiry() -> None:
    own = left("a1", 2_000, 0, LotState.EXHAUSTED)
    never, late = opened("a0", 300, lapses_on=None), opened("a2", 300)
    soon = opened("a3", 300, lapses_on=date(2027, 1, 31))
    result = reverse(own, 700, [never, late, soon])
    assert result.parts == (Part("a3", 300), Part("a2", 300), Part("a0", 100))


def test_what_of_the_own_lot_has_lapsed_is_not_taken_a_second_time() -> None:
    own, _ = lapse(left("a1", 2_000, 1_500, LotState.ACTIVE))
    other = opened("a2", 9_000)
    result = reverse(own, 2_000, [other])
    assert result.lapsed_minor == 1_500
    assert result.parts == (Part("a2", 500),)
    assert result.lots[0] == left("a1", 2_000, 0, LotState.REVERSED)
    assert reversal_postings("m7", result) == (
        Posting("member:m7:active", -500),
        Posting("programme:expired", -1_500),
        Posting("programme:issued", 2_000),
    )


def test_a_lot_lapsed_and_reversed_in_part_stays_expired() -> None:
    own, _ = lapse(opened("a1", 2_000))
    first = reverse(own, 666)
    assert first.lots == (left("a1", 2_000, 0, LotState.EXPIRED, lapsed=1_334),)
    second = reverse(first.lots[0], 1_334)
    assert second.lots == (left("a1", 2_000, 0, LotState.REVERSED),)
    assert second.debt_minor == 0


def test_what_remains_goes_before_what_lapsed() -> None:
    own = left("a1", 2_000, 400, LotState.ACTIVE, lapsed=1_000)
    result = reverse(own, 900)
    assert (result.active_minor, result.lapsed_minor, result.debt_minor) == (400, 500, 0)
    assert result.lots == (left("a1", 2_000, 0, LotState.EXPIRED, lapsed=500),)


def test_what_of_other_lots_has_lapsed_helps_nobody() -> None:
    other, _ = lapse(opened("a2", 9_000))
    result = reverse(left("a1", 100, 0, LotState.EXHAUSTED), 100, [other])
    assert (result.lots, result.debt_minor) == ((), 100)


def test_a_reversal_of_nothing_changes_nothing() -> None:
    result = reverse(opened("a1", 2_000), 0, [opened("a2", 1)])
    assert (result.lots, result.parts, result.minor) == ((), (), 0)
    assert reversal_postings("m7", result) == ()


def test_no_more_than_the_lot_was_worth_can_be_reversed() -> None:
    with pytest.raises(AssertionError):
        reverse(opened("a1", 2_000), 2_001)


def test_reversal_postings() -> None:
    own = left("a1", 2_000, 500, LotState.ACTIVE)
    result = reverse(own, 2_000, [opened("a2", 400, delayed=True)])
    assert reversal_postings("m7", result) == (
        Posting("member:m7:pending", -400),
        Posting("member:m7:active", -500),
        Posting("member:m7:debt", -1_100),
        Posting("programme:issued", 2_000),
    )
