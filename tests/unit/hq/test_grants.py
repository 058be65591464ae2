"""Unit: does HQ promise what is free, lend what may be lent, and let go of what is over?"""

from dataclasses import replace

import pytest

from sync.hq.allowance import Allowance
from sync.hq.grants import SKEW_MS, Loan, Standing, Verdict, authorise, grant_id, objection
from sync.refusal import Refusal

NOW = 1_800_000_000_000
LOAN = Loan("g-1", 1, "cn-0001", 400, 0, NOW + 1_000)
RICH = Standing("m1", "ACTIVE", "gold", balance_minor=1_000, pending_minor=0)


def reason(refusal: Refusal | None) -> str:
    return refusal.reason if refusal else ""


def test_what_is_confirmed_less_what_is_promised_is_free() -> None:
    standing = replace(
        RICH, pending_minor=300, held_minor=100, loans=(LOAN, replace(LOAN, epoch=2, minor=50))
    )
    assert (standing.confirmed_minor, standing.promised_minor(NOW), standing.free_minor(NOW)) == (
        700,
        550,
        150,
    )


@pytest.mark.parametrize(
    ("loan", "open_minor", "usable_minor"),
    [
        (LOAN, 400, 400),
        (replace(LOAN, spent_minor=150), 250, 250),
        (replace(LOAN, spent_minor=450), 0, 0),
        (replace(LOAN, promised_minor=30), 400, 370),
        (replace(LOAN, is_recalled=True), 400, 0),
        (replace(LOAN, is_closed=True), 0, 0),
        (replace(LOAN, valid_until_ms=NOW), 400, 0),
        (replace(LOAN, valid_until_ms=NOW - SKEW_MS), 400, 0),
        (replace(LOAN, valid_until_ms=NOW - SKEW_MS - 1), 0, 0),
    ],
)
def test_a_loan_is_open_until_it_is_closed_or_long_over(
    loan: Loan, open_minor: int, usable_minor: int
) -> None:
    assert (loan.open_minor(NOW), loan.usable_minor(NOW)) == (open_minor, usable_minor)


def test_free_points_are_held_first_and_then_the_stations_own_are_used() -> None:
    standing = replace(RICH, loans=(LOAN,))
    assert authorise(standing, "cn-0002", 600, NOW) == Verdict(held_minor=600)
    assert authorise(standing, "cn-0002", 601, NOW) == Verdict("POINTS_LENT")
    assert authorise(standing, "cn-0001", 601, NOW) == Verdict("", 600, 1, "g-1", 1)
    assert authorise(standing, "cn-0001", 1_000, NOW) == Verdict("", 600, 400, "g-1", 1)
    assert authorise(standing, "cn-0001", 1_001, NOW) == Verdict("BALANCE_SHORT")


def test_the_newest_epoch_of_the_stations_grant_is_used() -> None:
    loans = (replace(LOAN, minor=500), replace(LOAN, epoch=2, minor=500))
    assert authorise(replace(RICH, loans=loans), "cn-0001", 5, NOW) == Verdict("", 0, 5, "g-1", 2)


def test_pending_points_and_debts_allow_nothing() -> None:
    assert authorise(replace(RICH, pending_minor=999), "cn-0001", 2, NOW).code == "BALANCE_SHORT"
    in_debt = replace(RICH, balance_minor=-500)
    assert authorise(in_debt, "cn-0001", 1, NOW).code == "BALANCE_SHORT"
    owing = replace(in_debt, loans=(LOAN,))
    assert authorise(owing, "cn-0001", 400, NOW) == Verdict("", 0, 400, "g-1", 1), "lent before the debt"


def test_nothing_is_promised_of_a_member_who_may_not_spend() -> None:
    assert authorise(None, "cn-0001", 1, NOW).code == "MEMBER_UNKNOWN"
    assert reason(objection(None, 1, NOW + 1, NOW)) == "MEMBER_UNKNOWN"
    for status in ("FROZEN", "CLOSED"):
        stopped = replace(RICH, status=status)
        assert authorise(stopped, "cn-0001", 1, NOW).code == f"MEMBER_{status}"
        assert reason(objection(stopped, 1, NOW + 1, NOW)) == f"MEMBER_{status}"


def test_no_more_is_lent_than_is_free() -> None:
    standing = replace(RICH, loans=(LOAN,), held_minor=100)
    assert objection(standing, 500, NOW + 1, NOW) is None
    assert reason(objection(standing, 501, NOW + 1, NOW)) == "GRANT_EXCEEDS"
    assert reason(objection(standing, 500, NOW, NOW)) == "GRANT_LAPSED"


def test_a_grant_has_one_name_for_a_member_at_a_station() -> None:
    names = {grant_id(member, station) for member in ("a", "b", "ab") for station in ("c", "bc")}
    assert len(names) == 6
    assert grant_id("a", "c") == grant_id("a", "c")
    assert all(len(name) == 26 and name.startswith("g-") for name in names)


def test_an_allowance_fills_up_again_and_never_above_full() -> None:
    rate = Allowance(most=3, again_ms=1_000)
    left = rate.full_milli
    for _ in range(3):
        taken = rate.after_one_milli(left)
        assert taken is not None
        left = taken
    assert rate.after_one_milli(left) is None
    assert rate.after_one_milli(rate.left_milli(left, NOW, NOW + 999)) is None
    assert rate.after_one_milli(rate.left_milli(left, NOW, NOW + 1_000)) == 0
    assert rate.left_milli(left, NOW, NOW + 3_600_000) == 3_000
    assert rate.left_milli(500, NOW, NOW - 3_600_000) == 500, "a clock that went back fills nothing"
