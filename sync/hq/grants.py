"""What HQ may promise of a member's points, so that none is promised twice. Pure.

Promised are: what was lent to stations (a loan: one epoch of a grant), and what is held for redemptions
that HQ allowed. Neither may exceed what is confirmed, at the moment when HQ promises (points.md 6,
rule 1). A loan is open until the station's closing statement says what is left, or until it has lapsed
so long ago that no honest clock can still be spending it.
"""

import hashlib
from dataclasses import dataclass

from sync.refusal import Refusal

SKEW_MS = 900_000
"""How much later than HQ's the clock of a station may be that still spends under a lapsed loan."""
HORIZON_MS = 172_800_000
"""48 hours: a hold that nobody has settled by then is HQ's to end (points.md 5)."""

ACTIVE, FROZEN, CLOSED = "ACTIVE", "FROZEN", "CLOSED"
STATUSES = (ACTIVE, FROZEN, CLOSED)

OPEN, DECLINED, CAPTURED, RELEASED, FORCED = "open", "declined", "captured", "released", "forced"
"""How an authorisation stands. FORCED: HQ stopped holding the points for it; a capture still counts."""


@dataclass(frozen=True, slots=True)
class Loan:
    """`minor` of a member's points that a station may spend without asking, `spent_minor` of it gone.

    `spent_minor` is what its newest statement says; `promised_minor` what HQ allowed at this station out
    of the loan and has not heard of again. Those points stay the loan's until the station's statement.
    """

    grant: str
    epoch: int
    station: str
    minor: int
    spent_minor: int
    valid_until_ms: int
    is_recalled: bool = False
    is_closed: bool = False
    promised_minor: int = 0

    def open_minor(self, now_ms: int) -> int:
        """What the station may still be spending."""
        over = self.is_closed or now_ms > self.valid_until_ms + SKEW_MS
        return 0 if over else max(0, self.minor - self.spent_minor)

    def usable_minor(self, now_ms: int) -> int:
        """What HQ may let the station spend of it now."""
        over = self.is_closed or self.is_recalled or now_ms >= self.valid_until_ms
        return 0 if over else max(0, self.minor - self.spent_minor - self.promised_minor)


@dataclass(frozen=True, slots=True)
class Standing:
    """One member at HQ. `balance_minor` is exact as far as stations have reported, negative when in debt.

    `pending_minor` of it may not be spent yet; `held_minor` is held for redemptions, beside the loans.
    """

    member: str
    status: str
    tier: str
    balance_minor: int
    pending_minor: int
    held_minor: int = 0
    loans: tuple[Loan, ...] = ()

    @property
    def confirmed_minor(self) -> int:
        return self.balance_minor - self.pending_minor

    def promised_minor(self, now_ms: int) -> int:
        """All open loans and holds."""
        return self.held_minor + sum(loan.open_minor(now_ms) for loan in self.loans)

    def free_minor(self, now_ms: int) -> int:
        """What HQ may promise now; below 0 where reports that came later took what was promised."""
        return self.confirmed_minor - self.promised_minor(now_ms)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What HQ says to a redemption: `code` "" allows it.

    `held_minor` is held for it from now on. `rights_minor` the station takes out of its own loan.
    """

    code: str = ""
    held_minor: int = 0
    rights_minor: int = 0
    grant: str = ""
    grant_epoch: int = 0


def authorise(standing: Standing | None, station: str, minor: int, now_ms: int) -> Verdict:
    """Whether `minor` points may be spent at `station`: free ones first, then those lent to it.

    MEMBER_UNKNOWN, MEMBER_FROZEN, MEMBER_CLOSED, BALANCE_SHORT, POINTS_LENT (enough are there, but
    other stations may be spending them).
    """
    assert minor > 0
    if standing is None:
        return Verdict("MEMBER_UNKNOWN")
    if standing.status != ACTIVE:
        return Verdict(f"MEMBER_{standing.status}")
    free_minor = max(0, standing.free_minor(now_ms))
    held_minor = min(minor, free_minor)
    missing_minor = minor - held_minor
    if missing_minor == 0:
        return Verdict(held_minor=held_minor)
    here = [loan for loan in standing.loans if loan.station == station]
    for loan in sorted(here, key=lambda one: (one.grant, -one.epoch)):
        if missing_minor <= loan.usable_minor(now_ms):
            return Verdict("", held_minor, missing_minor, loan.grant, loan.epoch)
    return Verdict("POINTS_LENT" if minor <= standing.confirmed_minor else "BALANCE_SHORT")


def objection(standing: Standing | None, minor: int, valid_until_ms: int, now_ms: int) -> Refusal | None:
    """Why `minor` points of this member may not be lent to any station.

    MEMBER_UNKNOWN, MEMBER_FROZEN, MEMBER_CLOSED, GRANT_LAPSED, GRANT_EXCEEDS.
    """
    assert minor > 0
    if standing is None:
        return Refusal("MEMBER_UNKNOWN", "no points of this member are known here", "check the id")
    if standing.status != ACTIVE:
        return Refusal(f"MEMBER_{standing.status}", standing.member, "lift it first")
    if valid_until_ms <= now_ms:
        return Refusal("GRANT_LAPSED", "it would have ended before it began", "choose a later end")
    free_minor = standing.free_minor(now_ms)
    if minor > free_minor:
        seen = f"{standing.confirmed_minor} confirmed, {standing.promised_minor(now_ms)} promised already"
        return Refusal("GRANT_EXCEEDS", seen, f"lend at most {max(0, free_minor)}, or recall a grant")
    return None


def grant_id(member: str, station: str) -> str:
    """The grant of a member at a station has one name for good; each loan is an epoch of it."""
    pair = f"{member}\n{station}"
    return f"g-{hashlib.sha256(pair.encode()).hexdigest()[:24]}"
