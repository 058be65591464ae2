"""Unit: is a hold taken from what may be spent, resolved at most once, and never captured beyond itself?"""

from datetime import date, timedelta

import pytest

from agent.points.holds import (
    Captured,
    Held,
    Hold,
    HoldRefused,
    HoldState,
    authorise,
    capture,
    held_minor,
    lots_needed,
    release,
    spendable_minor,
)
from agent.points.ledger import Posting
from agent.points.lots import Lot, LotState, Part, lot_of_award, reverse

EARNED = date(2026, 7, 8)
OPEN = Hold("r", "m", 500)


def lot(name: str, minor: int, lapses_in_days: int = 100, *, delayed: bool = False) -> Lot:
    return lot_of_award(name, minor, EARNED, EARNED + timedelta(days=lapses_in_days), delayed=delayed)


def accounts(entry: tuple[Posting, ...]) -> dict[str, int]:
    assert sum(posting.minor for posting in entry) == 0
    return {posting.account: posting.minor for posting in entry}


def test_an_authorised_redemption_is_kept_back_and_no_lot_is_touched_yet() -> None:
    held = authorise("r", "m", 500, [lot("a", 600)], [])
    assert isinstance(held, Held)
    assert held.hold == OPEN
    assert accounts(held.entry) == {"member:m:active": -500, "member:m:held": 500}


@pytest.mark.parametrize(
    ("lots", "holds", "spendable"),
    [
        ([], [], 0),
        ([lot("a", 600), lot("b", 100)], [], 700),
        ([lot("a", 600, delayed=True), lot("b", 100)], [], 100),
        ([lot("a", 600)], [OPEN], 100),
        ([lot("a", 600)], [OPEN, Hold("q", "m", 60)], 40),
        ([lot("a", 600)], [Hold("r", "m", 500, 400, HoldState.CAPTURED)], 600),
        ([lot("a", 600)], [Hold("r", "m", 500, 0, HoldState.RELEASED)], 600),
        ([lot("a", 400)], [OPEN], 0),
    ],
)
def test_spendable_is_what_active_lots_have_without_what_is_kept_back(
    lots: list[Lot], holds: list[Hold], spendable: int
) -> None:
    assert spendable_minor(lots, holds) == spendable
    refused = authorise("n", "m", spendable + 1, lots, holds)
    assert refused == HoldRefused("NOT_ENOUGH_POINTS", "ask for fewer points", spendable)
    if spendable:
        assert isinstance(authorise("n", "m", spendable, lots, holds), Held)


def test_a_capture_takes_the_lots_that_lapse_soonest_and_gives_the_rest_back() -> None:
    late, soon = lot("late", 300, 200), lot("soon", 300, 100)
    captured = capture(OPEN, 400, [late, soon])
    assert isinstance(captured, Captured)
    assert captured.hold == Hold("r", "m", 500, 400, HoldState.CAPTURED)
    assert captured.parts == (Part("soon", 300), Part("late", 100))
    assert [(one.id, one.remaining_minor, one.state) for one in captured.lots] == [
        ("soon", 0, LotState.EXHAUSTED),
        ("late", 200, LotState.ACTIVE),
    ]
    assert captured.debt_minor == 0
    assert accounts(captured.entry) == {
        "member:m:held": -500,
        "programme:redeemed": 400,
        "member:m:active": 100,
    }


def test_captured_in_full_nothing_goes_back() -> None:
    captured = capture(OPEN, 500, [lot("a", 500)])
    assert isinstance(captured, Captured)
    assert accounts(captured.entry) == {"member:m:held": -500, "programme:redeemed": 500}


def test_a_released_hold_gives_all_of_it_back() -> None:
    released = release(OPEN)
    assert isinstance(released, Held)
    assert released.hold == Hold("r", "m", 500, 0, HoldState.RELEASED)
    assert accounts(released.entry) == {"member:m:held": -500, "member:m:active": 500}


def test_i13_no_more_is_captured_than_was_held() -> None:
    refused = capture(OPEN, 501, [lot("a", 1_000)])
    assert isinstance(refused, HoldRefused)
    assert (refused.reason, refused.at_most_minor) == ("CAPTURE_TOO_LARGE", 500)


@pytest.mark.parametrize(
    "resolved", [Hold("r", "m", 500, 400, HoldState.CAPTURED), Hold("r", "m", 500, 0, HoldState.RELEASED)]
)
def test_i13_a_hold_is_resolved_at_most_once(resolved: Hold) -> None:
    for refused in (capture(resolved, 100, [lot("a", 1_000)]), release(resolved)):
        assert isinstance(refused, HoldRefused)
        assert (refused.reason, refused.at_most_minor) == ("HOLD_RESOLVED", 0)
        assert str(resolved.state) in refused.remedy


@pytest.mark.parametrize(
    ("minor", "captured", "state"),
    [
        (0, 0, HoldState.HELD),
        (10, 11, HoldState.CAPTURED),
        (10, 0, HoldState.CAPTURED),
        (10, 1, HoldState.HELD),
        (10, 1, HoldState.RELEASED),
        (10, -1, HoldState.CAPTURED),
    ],
)
def test_i13_a_hold_cannot_contradict_itself(minor: int, captured: int, state: HoldState) -> None:
    with pytest.raises(AssertionError):
        Hold("r", "m", minor, captured, state)


def test_only_what_is_something_is_held_and_captured() -> None:
    with pytest.raises(AssertionError):
        authorise("r", "m", 0, [lot("a", 10)], [])
    with pytest.raises(AssertionError):
        capture(OPEN, 0, [lot("a", 1_000)])


def test_the_lots_that_open_holds_would_take_do_not_lapse_meanwhile() -> None:
    lots = [lot("third", 300, 30), lot("first", 300, 10), lot("second", 300, 20)]
    assert lots_needed(lots, []) == frozenset()
    assert lots_needed(lots, [Hold("r", "m", 300)]) == {"first"}
    assert lots_needed(lots, [Hold("r", "m", 300), Hold("q", "m", 1)]) == {"first", "second"}
    assert lots_needed(lots, [Hold("r", "m", 900, 0, HoldState.RELEASED)]) == frozenset()


def test_what_a_refund_took_from_under_a_hold_becomes_debt_at_its_capture() -> None:
    """The goods were given: 500 authorised, the award of 400 of them refunded, 500 captured."""
    refunded, other = lot("refunded", 400), lot("other", 100)
    reversal = reverse(refunded, 400, [other])
    captured = capture(OPEN, 500, [*reversal.lots, other])
    assert isinstance(captured, Captured)
    assert (captured.parts, captured.debt_minor) == ((Part("other", 100),), 400)
    assert accounts(captured.entry) == {
        "member:m:held": -500,
        "programme:redeemed": 500,
        "member:m:active": 400,
        "member:m:debt": -400,
    }


def test_what_is_held_is_the_sum_of_the_open_holds() -> None:
    captured = Hold("c", "m", 70, 7, HoldState.CAPTURED)
    assert held_minor([OPEN, Hold("q", "m", 60), captured]) == 560
