"""Lots: points earned together, and how they are spent, given back, reversed and lapse (points.md 3, 4).

Functions take lots and answer with the lots they changed; whoever calls stores those. None looks at
the calendar, so what is due is activated and lapsed first (`activate`, `lapse`), then the rest happens.

What a lot was worth is, at any time: what remains, what lapsed, and what left it (spent, or reversed).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum


class LotState(StrEnum):
    PENDING = "pending"
    """Earned, not yet to be spent."""
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    """Nothing remains: spent, or taken for the reversal of another award."""
    EXPIRED = "expired"
    """Nothing remains, because the rest lapsed."""
    REVERSED = "reversed"
    """Nothing remains, because the award itself was reversed."""


_ALIVE = (LotState.PENDING, LotState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Lot:
    """The points of one award or adjustment, whose id is its `id`.

    `lapsed_minor` is what of it lapsed and was not reversed since (I9: with what remains, never more
    than `minor`). `lapses_on` is the last day on which it is worth something, None for ever.
    """

    id: str
    minor: int
    remaining_minor: int
    lapsed_minor: int
    state: LotState
    earned_on: date
    lapses_on: date | None

    def __post_init__(self) -> None:
        assert self.minor > 0, self
        assert self.remaining_minor >= 0, self
        assert self.lapsed_minor >= 0, self
        assert self.remaining_minor + self.lapsed_minor <= self.minor, self
        assert (self.remaining_minor > 0) == (self.state in _ALIVE), self
        assert self.lapsed_minor > 0 or self.state != LotState.EXPIRED, self
        assert self.lapses_on is not None or not self.lapsed_minor, self


def lot_of_award(
    award_id: str, minor: int, earned_on: date, lapses_on: date | None, *, delayed: bool = False
) -> Lot:
    """The lot that an award of `minor` > 0 opens; an award of 0 opens none."""
    state = LotState.PENDING if delayed else LotState.ACTIVE
    return Lot(award_id, minor, minor, 0, state, earned_on, lapses_on)


def activate(lot: Lot) -> Lot:
    """A pending lot's points become spendable."""
    assert lot.state == LotState.PENDING, lot
    return replace(lot, state=LotState.ACTIVE)


def lapse(lot: Lot) -> tuple[Lot, int]:
    """An active lot whose last day is over, and how much of it lapsed: what remained, nothing else."""
    assert lot.state == LotState.ACTIVE, lot
    lapsed = lot.remaining_minor
    expired = replace(lot, remaining_minor=0, lapsed_minor=lot.lapsed_minor + lapsed, state=LotState.EXPIRED)
    return expired, lapsed


def soonest_first(lots: Iterable[Lot]) -> list[Lot]:
    """In the order of spending: the soonest to lapse, then the oldest; what never lapses goes last."""
    return sorted(lots, key=lambda lot: (lot.lapses_on or date.max, lot.earned_on, lot.id))


@dataclass(frozen=True, slots=True)
class Part:
    """What a debit took from one lot, so that it can return there (I11)."""

    lot_id: str
    minor: int


@dataclass(frozen=True, slots=True)
class Spending:
    """From which lots a debit came, those lots as they are now, and what no lot had."""

    parts: tuple[Part, ...]
    lots: tuple[Lot, ...]
    missing_minor: int

    @property
    def minor(self) -> int:
        """What was spent; with what is missing, what was asked for (I10)."""
        return sum(part.minor for part in self.parts)


def spend(lots: Iterable[Lot], minor: int) -> Spending:
    """Take `minor` (>= 0) from the active lots, soonest expiry first; pending ones are not to be had."""
    return _take(_spendable(lots, LotState.ACTIVE), minor)


def take(lots: Iterable[Lot], minor: int) -> Spending:
    """Take `minor` (>= 0) from lots by HQ's decision: the soonest to lapse first, pending ones too."""
    return _take(soonest_first(lot for lot in lots if lot.state in _ALIVE), minor)


def _spendable(lots: Iterable[Lot], state: LotState) -> list[Lot]:
    return soonest_first(lot for lot in lots if lot.state == state)


def _take(lots: Iterable[Lot], minor: int) -> Spending:
    """Take `minor` from these lots in their order."""
    assert minor >= 0
    parts: list[Part] = []
    changed: list[Lot] = []
    for lot in lots:
        if taken := min(lot.remaining_minor, minor):
            minor -= taken
            remaining = lot.remaining_minor - taken
            parts.append(Part(lot.id, taken))
            changed.append(
                replace(lot, remaining_minor=remaining, state=lot.state if remaining else LotState.EXHAUSTED)
            )
    return Spending(tuple(parts), tuple(changed), minor)


def give_back(parts: Iterable[Part], lots: Iterable[Lot], on: date, grace_days: int) -> tuple[Lot, ...]:
    """Return what a debit took to the lots it came from (I11); `lots` has them all.

    A lot that lapsed meanwhile lives again until `grace_days` after `on`, with what is returned and
    no more: what lapsed stays lapsed. A lot that lives on keeps its day.
    """
    assert grace_days >= 0
    known = {lot.id: lot for lot in lots}
    changed: dict[str, Lot] = {}
    for part in parts:
        assert part.minor > 0, part
        lot = changed.get(part.lot_id, known[part.lot_id])
        changed[lot.id] = replace(
            lot,
            remaining_minor=lot.remaining_minor + part.minor,
            state=lot.state if lot.state in _ALIVE else LotState.ACTIVE,
            lapses_on=on + timedelta(days=grace_days) if _lapsed_before(lot, on) else lot.lapses_on,
        )
    return tuple(changed.values())


def _lapsed_before(lot: Lot, on: date) -> bool:
    return lot.state not in _ALIVE and lot.lapses_on is not None and lot.lapses_on < on


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a reversal took: the changed lots, the award's own first, and the parts of which it is the sum.

    `parts` attributes what was taken from lots that live (I10); `lapsed_minor` came from the own lot
    after it had lapsed, `debt_minor` from nowhere.
    """

    lots: tuple[Lot, ...]
    parts: tuple[Part, ...]
    pending_minor: int
    active_minor: int
    lapsed_minor: int
    debt_minor: int

    @property
    def minor(self) -> int:
        return self.pending_minor + self.active_minor + self.lapsed_minor + self.debt_minor


def reverse(own: Lot, minor: int, others: Iterable[Lot] = ()) -> Reversal:
    """Take `minor` (>= 0) back, first from the lot that it came from (I11): what remains of it, then
    what of it has lapsed, for the member has lost that already.

    What is spent comes from the member's other lots, pending before active and then soonest expiry
    first, and at last becomes debt.
    """
    assert 0 <= minor <= own.minor, (own, minor)
    others = tuple(others)
    remaining = min(own.remaining_minor, minor)
    lapsed = min(own.lapsed_minor, minor - remaining)
    pending = _take(_spendable(others, LotState.PENDING), minor - remaining - lapsed)
    active = _take(_spendable(others, LotState.ACTIVE), pending.missing_minor)
    own_part = (Part(own.id, remaining),) if remaining else ()
    own_changed = (_without_reversed(own, remaining, lapsed),) if remaining or lapsed else ()
    return Reversal(
        lots=own_changed + pending.lots + active.lots,
        parts=own_part + pending.parts + active.parts,
        pending_minor=pending.minor + (remaining if own.state == LotState.PENDING else 0),
        active_minor=active.minor + (remaining if own.state == LotState.ACTIVE else 0),
        lapsed_minor=lapsed,
        debt_minor=active.missing_minor,
    )


def _without_reversed(own: Lot, remaining_taken: int, lapsed_taken: int) -> Lot:
    remaining, lapsed = own.remaining_minor - remaining_taken, own.lapsed_minor - lapsed_taken
    emptied = LotState.EXPIRED if lapsed else LotState.REVERSED
    return replace(
        own, remaining_minor=remaining, lapsed_minor=lapsed, state=own.state if remaining else emptied
    )
