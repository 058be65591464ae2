"""Holds: points that an authorised redemption keeps back until it is captured or released (points.md 3, 5).

A hold is of an amount, not of lots: they are taken at capture, soonest expiry first. What keeps them
there meanwhile is `lots_needed`: as long as a hold would take from a lot, that lot does not lapse.

I9 with holds: what remains in the active lots is active + held. A refund may take so much meanwhile
that the lots no longer cover what is held. `active` is below zero then; what a capture does not find
becomes debt, for the goods were given.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.points.ledger import REDEEMED, Entry, Posting, active, debt, held
from agent.points.lots import Lot, LotState, Part, spend


class HoldState(StrEnum):
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Hold:
    """`id` is the redemption's. `captured_minor` of `minor` were spent, the rest went back (I13)."""

    id: str
    member: str
    minor: int
    captured_minor: int = 0
    state: HoldState = HoldState.HELD

    def __post_init__(self) -> None:
        assert 0 <= self.captured_minor <= self.minor, self
        assert self.minor > 0, self
        assert (self.captured_minor > 0) == (self.state == HoldState.CAPTURED), self


@dataclass(frozen=True, slots=True)
class HoldRefused:
    """Why nothing was done. `reason`: NOT_ENOUGH_POINTS, CAPTURE_TOO_LARGE, HOLD_RESOLVED.

    `at_most_minor`: what could have been asked for.
    """

    reason: str
    remedy: str
    at_most_minor: int


@dataclass(frozen=True, slots=True)
class Held:
    """A hold with the entry that began or released it."""

    hold: Hold
    entry: Entry


@dataclass(frozen=True, slots=True)
class Captured:
    """The hold, the entry, from which lots the points came (I10), and those lots as they are now.

    `debt_minor`: what no lot had any more; with the parts it is `hold.captured_minor`.
    """

    hold: Hold
    entry: Entry
    parts: tuple[Part, ...]
    lots: tuple[Lot, ...]
    debt_minor: int


def held_minor(holds: Iterable[Hold]) -> int:
    """What is kept back by those of the holds that are open; all of one member."""
    return sum(hold.minor for hold in holds if hold.state == HoldState.HELD)


def spendable_minor(lots: Iterable[Lot], holds: Iterable[Hold]) -> int:
    """What a member may still have authorised: the active lots without what is kept back, >= 0."""
    remaining = sum(lot.remaining_minor for lot in lots if lot.state == LotState.ACTIVE)
    return max(0, remaining - held_minor(holds))


def lots_needed(lots: Iterable[Lot], holds: Iterable[Hold]) -> frozenset[str]:
    """Ids of the lots that the open holds would take from; they must not lapse before that is decided."""
    return frozenset(part.lot_id for part in spend(lots, held_minor(holds)).parts)


def authorise(
    hold_id: str, member: str, minor: int, lots: Iterable[Lot], holds: Iterable[Hold]
) -> Held | HoldRefused:
    """Keep back `minor` > 0. `lots` and `holds` are all of the member's."""
    assert minor > 0
    spendable = spendable_minor(lots, holds)
    if minor > spendable:
        return HoldRefused("NOT_ENOUGH_POINTS", "ask for fewer points", spendable)
    return Held(Hold(hold_id, member, minor), _entry({active(member): -minor, held(member): minor}))


def capture(hold: Hold, minor: int, lots: Iterable[Lot]) -> Captured | HoldRefused:
    """Spend `minor` > 0 of what is held and give the rest back. `lots` are all of the member's.

    Where nothing was fulfilled there is nothing to capture: `release` it.
    """
    assert minor > 0
    if refused := _resolved(hold):
        return refused
    if minor > hold.minor:
        remedy = "capture no more than was authorised; authorise the rest first"
        return HoldRefused("CAPTURE_TOO_LARGE", remedy, hold.minor)
    spending = spend(lots, minor)
    entry = _entry(
        {
            held(hold.member): -hold.minor,
            REDEEMED: minor,
            active(hold.member): hold.minor - spending.minor,
            debt(hold.member): -spending.missing_minor,
        }
    )
    captured = replace(hold, captured_minor=minor, state=HoldState.CAPTURED)
    return Captured(captured, entry, spending.parts, spending.lots, spending.missing_minor)


def release(hold: Hold) -> Held | HoldRefused:
    """Give all of it back: it was cancelled, ran out of time, or was not fulfilled."""
    if refused := _resolved(hold):
        return refused
    entry = _entry({held(hold.member): -hold.minor, active(hold.member): hold.minor})
    return Held(replace(hold, state=HoldState.RELEASED), entry)


def _resolved(hold: Hold) -> HoldRefused | None:
    """I13: once and no more."""
    if hold.state == HoldState.HELD:
        return None
    return HoldRefused("HOLD_RESOLVED", f"it was {hold.state} before: authorise a new redemption", 0)


def _entry(changes: dict[str, int]) -> Entry:
    assert sum(changes.values()) == 0, changes
    return tuple(Posting(account, minor) for account, minor in changes.items() if minor)
