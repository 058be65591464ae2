"""Rights: what a member may spend here while HQ is not asked (points.md 6, rules 1, 2 and 5).

Display is not authority: a balance may be shown, only rights may be spent. Nothing here reads a
clock; whoever asks says what time it is and whether that may be believed (I17).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class GrantState(StrEnum):
    OFFERED = "OFFERED"
    """HQ has issued it; the station has not said that it is here. HQ's state only."""
    ACTIVE = "ACTIVE"
    CLOSING = "CLOSING"
    """Recalled, and a redemption that began under it is not decided yet."""
    SETTLED = "SETTLED"
    """Recalled or replaced, and its closing statement is on the way."""
    EXPIRED = "EXPIRED"
    """Its time is over, and its closing statement is on the way."""
    RECLAIMED = "RECLAIMED"
    """HQ uses the points again without a statement, well after the time was over. HQ's state only."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One epoch of a grant: `minor` (> 0) of the member's points, of which `spent_minor` are spent here."""

    grant: str
    epoch: int
    member: str
    minor: int
    spent_minor: int
    valid_until_ms: int
    state: GrantState

    def __post_init__(self) -> None:
        assert 0 <= self.spent_minor <= self.minor, self

    @property
    def left_minor(self) -> int:
        return self.minor - self.spent_minor


def usable(grant: Grant, now_ms: int, *, clock_is_trusted: bool) -> bool:
    """I17: by a clock that nobody believes every grant counts as over."""
    return clock_is_trusted and grant.state is GrantState.ACTIVE and now_ms < grant.valid_until_ms


def rights_minor(
    grants: Iterable[Grant], minted_minor: int, held_minor: int, now_ms: int, *, clock_is_trusted: bool
) -> int:
    """What the member may spend here now, minor units >= 0 (I15).

    `minted_minor`: earned here, spendable, and in no balance of HQ's yet; `held_minor`: reserved by
    redemptions that are not decided.
    """
    left = (grant.left_minor for grant in grants if usable(grant, now_ms, clock_is_trusted=clock_is_trusted))
    return max(0, sum(left) + minted_minor - held_minor)
