"""Postings: every change of points is an entry whose postings sum to zero (points.md 3, I1).

Accounts: `programme:...` below, and per member `member:<id>:active`, `:pending`, `:held` and `:debt`.
An account's balance is the sum of its postings. `programme:issued` is negative by what was given and
not reversed; what a member owes is a negative debt balance. All amounts are minor units of points,
>= 0; an entry of 0 has no postings.
"""

from dataclasses import dataclass
from typing import Final

from agent.points.lots import Reversal

ISSUED: Final = "programme:issued"
REDEEMED: Final = "programme:redeemed"
EXPIRED: Final = "programme:expired"
COMPENSATION: Final = "programme:compensation"
GOODWILL: Final = "programme:goodwill"
"""What the programme gave beyond its rules, in the member's favour."""


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


def held(member: str) -> str:
    """Reserved by an authorised redemption that is not captured yet."""
    return f"member:{member}:held"


def debt(member: str) -> str:
    return f"member:{member}:debt"


def award_postings(member: str, minor: int, *, delayed: bool = False) -> Entry:
    """The programme gives; delayed points wait in pending."""
    return _moved(ISSUED, pending(member) if delayed else active(member), minor)


def activation_postings(member: str, minor: int) -> Entry:
    """Delayed points become spendable."""
    return _moved(pending(member), active(member), minor)


def expiry_postings(member: str, minor: int) -> Entry:
    """What `lots.lapse` says lapsed."""
    return _moved(active(member), EXPIRED, minor)


def redemption_postings(member: str, minor: int) -> Entry:
    """Points are spent."""
    return _moved(active(member), REDEEMED, minor)


def redemption_return_postings(member: str, minor: int) -> Entry:
    """What was bought with points goes back, and they to their lots (`lots.give_back`)."""
    return _moved(REDEEMED, active(member), minor)


def repayment_postings(member: str, minor: int) -> Entry:
    """Points that the member has settle what the member owes."""
    return _moved(active(member), debt(member), minor)


def goodwill_postings(member: str, minor: int) -> Entry:
    """Given by HQ's decision, or made up where an award was too small."""
    return _moved(GOODWILL, active(member), minor)


def taking_postings(member: str, active_minor: int, pending_minor: int, debt_minor: int) -> Entry:
    """Taken by HQ's decision: what lots had, and what none had is owed."""
    return _entry(
        Posting(active(member), -active_minor),
        Posting(pending(member), -pending_minor),
        Posting(debt(member), -debt_minor),
        Posting(GOODWILL, active_minor + pending_minor + debt_minor),
    )


def bearing_postings(minor: int) -> Entry:
    """An award gave too much and the member keeps it: it was not issued by the rules, but given."""
    return _moved(GOODWILL, ISSUED, minor)


def reversal_postings(member: str, reversal: Reversal) -> Entry:
    """A refund takes points back, from where the lots had them.

    What had lapsed leaves `programme:expired`: it was never issued, so it never lapsed.
    """
    return _entry(
        Posting(pending(member), -reversal.pending_minor),
        Posting(active(member), -reversal.active_minor),
        Posting(EXPIRED, -reversal.lapsed_minor),
        Posting(debt(member), -reversal.debt_minor),
        Posting(ISSUED, reversal.minor),
    )


def _moved(source: str, destination: str, minor: int) -> Entry:
    assert minor >= 0
    return _entry(Posting(source, -minor), Posting(destination, minor))


def _entry(*postings: Posting) -> Entry:
    assert sum(posting.minor for posting in postings) == 0, postings
    return tuple(posting for posting in postings if posting.minor)
