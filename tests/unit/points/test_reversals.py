"""Unit: does a refund take the right points from the right lot, in postings that sum to zero?"""

from dataclasses import replace

import pytest

from agent.points.ledger import Posting, activation_postings, award_postings, reversal_postings
from agent.points.lots import Lot, LotState, lot_of_award, reverse
from agent.points.refunds import reversal_minor


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
    own, other = lot_of_award("a1", 2_000), lot_of_award("a0", 9_000)
    result = reverse(own, 666, [other])
    assert result.lots == (replace(own, remaining_minor=1_334),)
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (0, 666, 0)


def test_a_lot_taken_back_whole_is_reversed() -> None:
    result = reverse(lot_of_award("a1", 2_000, delayed=True), 2_000)
    assert result.lots == (Lot("a1", 2_000, 0, LotState.REVERSED),)
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (2_000, 0, 0)


def test_what_is_spent_comes_from_other_lots_pending_first_then_becomes_debt() -> None:
    own = Lot("a1", 2_000, 500, LotState.ACTIVE)
    older, newest = lot_of_award("a0", 300), lot_of_award("a2", 400, delayed=True)
    result = reverse(own, 2_000, [older, newest])
    assert [lot.id for lot in result.lots] == ["a1", "a2", "a0"]
    assert [lot.state for lot in result.lots] == [
        LotState.REVERSED,
        LotState.EXHAUSTED,
        LotState.EXHAUSTED,
    ]
    assert (result.pending_minor, result.active_minor, result.debt_minor) == (400, 800, 800)
    assert result.minor == 2_000


@pytest.mark.parametrize(
    ("minor", "remaining", "state"),
    [
        (10, 11, LotState.ACTIVE),
        (10, -1, LotState.ACTIVE),
        (10, 0, LotState.ACTIVE),
        (10, 1, LotState.REVERSED),
    ],
)
def test_i9_a_lot_cannot_contradict_itself(minor: int, remaining: int, state: LotState) -> None:
    with pytest.raises(AssertionError):
        Lot("a", minor, remaining, state)


def test_no_more_than_the_lot_was_worth_can_be_reversed() -> None:
    with pytest.raises(AssertionError):
        reverse(lot_of_award("a1", 2_000), 2_001)


def test_award_postings() -> None:
    assert award_postings("m7", 10_000) == (
        Posting("programme:issued", -10_000),
        Posting("member:m7:active", 10_000),
    )
    assert award_postings("m7", 10_000, delayed=True)[1] == Posting("member:m7:pending", 10_000)
    assert award_postings("m7", 0) == ()


def test_activation_postings() -> None:
    assert activation_postings("m7", 5) == (
        Posting("member:m7:pending", -5),
        Posting("member:m7:active", 5),
    )


def test_reversal_postings() -> None:
    own = Lot("a1", 2_000, 500, LotState.ACTIVE)
    result = reverse(own, 2_000, [lot_of_award("a2", 400, delayed=True)])
    assert reversal_postings("m7", result) == (
        Posting("member:m7:pending", -400),
        Posting("member:m7:active", -500),
        Posting("member:m7:debt", -1_100),
        Posting("programme:issued", 2_000),
    )
