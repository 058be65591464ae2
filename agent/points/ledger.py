"""Postings: every change of points is an entry whose postings sum to zero (points.md 3, I1).

Accounts: `programme:issued`, and per member `member:<id>:active`, `:pending` and `:debt`. An
account's balance is the sum of its postings; what a member owes is a negative debt balance.
"""

from dataclasses import dataclass

from agent.points.lots import Reversal

ISSUED = "programme:issued"


@dataclass(frozen=True, slots=True)
class Posting:
    """A change of one account in minor units of points."""

    account: str
    minor: int


Entry = tuple[Posting, ...]


def active(member: str) -> str:
    return f"member:{member}:active"


def pending(member: str) -> str:
    return f"member:{member}:pending"


def debt(member: str) -> str:
    return f"member:{member}:debt"


def award_postings(member: str, minor: int, *, delayed: bool = False) -> Entry:
    """Award of `minor` >= 0; delayed points wait in pending. An award of 0 has no postings."""
    assert minor >= 0
    return _entry(Posting(ISSUED, -minor), Posting(pending(member) if delayed else active(member), minor))


def activation_postings(member: str, minor: int) -> Entry:
    """Delayed points become spendable."""
    assert minor >= 0
    return _entry(Posting(pending(member), -minor), Posting(active(member), minor))


def reversal_postings(member: str, reversal: Reversal) -> Entry:
    """A refund takes points back: pending, active, then debt, as the lots had them."""
    return _entry(
        Posting(pending(member), -reversal.pending_minor),
        Posting(active(member), -reversal.active_minor),
        Posting(debt(member), -reversal.debt_minor),
        Posting(ISSUED, reversal.minor),
    )


def _entry(*postings: Posting) -> Entry:
    assert sum(posting.minor for posting in postings) == 0, postings
    return tuple(posting for posting in postings if posting.minor)
