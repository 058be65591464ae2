"""Lots: points earned together, and which of them a reversal takes (points.md 3, 4; I9 to I11)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class LotState(StrEnum):
    PENDING = "pending"
    """Earned, not yet to be spent."""
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    """Nothing remains: spent, or taken for the reversal of another award."""
    REVERSED = "reversed"
    """Nothing remains, because the award itself was reversed."""


@dataclass(frozen=True, slots=True)
class Lot:
    """The points of one award; `id` is the award's. 0 <= remaining_minor <= minor (I9)."""

    id: str
    minor: int
    remaining_minor: int
    state: LotState

    def __post_init__(self) -> None:
        assert 0 <= self.remaining_minor <= self.minor, self
        assert (self.remaining_minor > 0) == (self.state in (LotState.PENDING, LotState.ACTIVE)), self


def lot_of_award(award_id: str, minor: int, *, delayed: bool = False) -> Lot:
    """The lot that an award of `minor` > 0 opens; an award of 0 opens none."""
    return Lot(award_id, minor, minor, LotState.PENDING if delayed else LotState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a reversal took: the changed lots, the award's own first, and the parts of which it is the sum."""

    lots: tuple[Lot, ...]
    pending_minor: int
    active_minor: int
    debt_minor: int

    @property
    def minor(self) -> int:
        return self.pending_minor + self.active_minor + self.debt_minor


def reverse(own: Lot, minor: int, others: Iterable[Lot] = ()) -> Reversal:
    """Take `minor` (>= 0) back from the lot it came from (I11).

    What of it is already spent comes from the member's other lots, pending before active and
    otherwise in the order given, and then becomes debt.
    """
    assert 0 <= minor <= own.minor, (own, minor)
    candidates = [own, *sorted(others, key=lambda lot: lot.state != LotState.PENDING)]
    taken = {LotState.PENDING: 0, LotState.ACTIVE: 0}
    changed: list[Lot] = []
    missing = minor
    for lot in candidates:
        part = min(lot.remaining_minor, missing)
        if part:
            taken[lot.state] += part
            missing -= part
            emptied = LotState.REVERSED if lot is own else LotState.EXHAUSTED
            changed.append(_without(lot, part, emptied))
    return Reversal(tuple(changed), taken[LotState.PENDING], taken[LotState.ACTIVE], missing)


def _without(lot: Lot, part: int, emptied: LotState) -> Lot:
    remaining = lot.remaining_minor - part
    return replace(lot, remaining_minor=remaining, state=lot.state if remaining else emptied)
