"""Unit: does every event move points between the accounts that points.md 3 names, and to zero?"""

from collections.abc import Callable

import pytest

from agent.points import ledger
from agent.points.ledger import Entry, Posting, award_postings

MOVES: list[tuple[Callable[[str, int], Entry], str, str]] = [
    (ledger.award_postings, "programme:issued", "member:m7:active"),
    (ledger.activation_postings, "member:m7:pending", "member:m7:active"),
    (ledger.expiry_postings, "member:m7:active", "programme:expired"),
    (ledger.redemption_postings, "member:m7:active", "programme:redeemed"),
    (ledger.redemption_return_postings, "programme:redeemed", "member:m7:active"),
    (ledger.repayment_postings, "member:m7:active", "member:m7:debt"),
    (ledger.goodwill_postings, "programme:goodwill", "member:m7:active"),
]


@pytest.mark.parametrize(("postings", "source", "destination"), MOVES)
def test_an_event_moves_points_from_one_account_to_another(
    postings: Callable[[str, int], Entry], source: str, destination: str
) -> None:
    assert postings("m7", 10_000) == (Posting(source, -10_000), Posting(destination, 10_000))
    assert postings("m7", 0) == ()
    with pytest.raises(AssertionError):
        postings("m7", -1)


def test_a_delayed_award_waits_in_pending() -> None:
    assert award_postings("m7", 5, delayed=True) == (
        Posting("programme:issued", -5),
        Posting("member:m7:pending", 5),
    )


def test_the_accounts_have_their_names() -> None:
    accounts = (ledger.COMPENSATION, ledger.held("m7"))
    assert accounts == ("programme:compensation", "member:m7:held")
