"""What people at HQ decide about one member: points lent to a station, status, tier.

Each decision is kept and issued to the stations concerned in one transaction. Locks are taken in one
order everywhere: stations by name, then the member's account.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sync.hq.grants import ACTIVE, FROZEN, Loan, grant_id, objection
from sync.hq.publisher import Issued, Order, Publisher
from sync.hq.store import Account, HqStore, Writing
from sync.refusal import Refusal

DECISION_COUNTS_MS = 30 * 86_400_000
"""A station that was dark for longer than a month gets a new snapshot, not an old decision."""


@dataclass(frozen=True, slots=True)
class Lent:
    """A loan, and the item by which its station hears of it."""

    loan: Loan
    issued: Issued


class Desk:
    """Decides and issues. `wall_ms` is HQ's wall clock, milliseconds UTC."""

    def __init__(self, store: HqStore, publisher: Publisher, wall_ms: Callable[[], int]) -> None:
        self._store = store
        self._publisher = publisher
        self._wall_ms = wall_ms

    def lend(self, member: str, station: str, minor: int, valid_until_ms: int) -> Lent | Refusal:
        """Let `minor` points be spent at the station without asking.

        UNKNOWN_STATION, and the reasons of `grants.objection` and `Publisher.issue`.
        """
        now_ms = self._wall_ms()
        if self._store.public_key(station) is None:
            return Refusal("UNKNOWN_STATION", station, "add it with `forecourt hq station add`")
        with self._store.write() as tx:
            tx.lock(station)
            account = tx.members.account(member, lock=True)
            if account is not None:
                tx.rights.give_up(member, now_ms)
            standing = tx.rights.standing(account, now_ms) if account else None
            refusal = objection(standing, minor, valid_until_ms, now_ms)
            if refusal is not None:
                return refusal
            grant = grant_id(member, station)
            loan = Loan(grant, tx.rights.newest_epoch(grant) + 1, station, minor, 0, valid_until_ms)
            body = {"grant": grant, "epoch": loan.epoch, "member": member, "minor": minor}
            order = Order(
                "grant", body | {"valid_until_ms": valid_until_ms}, valid_until_ms, f"{grant}-{loan.epoch}"
            )
            issued = self._publisher.issue_in(tx, station, order, now_ms)
            if isinstance(issued, Refusal):
                return issued
            tx.rights.lend(loan, member, now_ms)
        return Lent(loan, issued)

    def recall(self, member: str, station: str) -> list[Issued] | Refusal:
        """Ask back what is lent to the station; the points stay promised until its closing statement.

        UNKNOWN_STATION, NOTHING_LENT, and those of `Publisher.issue`.
        """
        now_ms = self._wall_ms()
        if self._store.public_key(station) is None:
            return Refusal("UNKNOWN_STATION", station, "add it with `forecourt hq station add`")
        with self._store.write() as tx:
            tx.lock(station)
            account = tx.members.account(member, lock=True)
            loans = tx.rights.standing(account, now_ms).loans if account else ()
            here = [loan for loan in loans if loan.station == station and not loan.is_recalled]
            if not here:
                return Refusal("NOTHING_LENT", f"{station} holds no grant of {member}")
            issued: list[Issued] = []
            for loan in here:
                body = {"grant": loan.grant, "epoch": loan.epoch}
                name = f"{loan.grant}-{loan.epoch}-recall"
                order = Order("grant.recall", body, now_ms + DECISION_COUNTS_MS, name)
                one = self._publisher.issue_in(tx, station, order, now_ms)
                if isinstance(one, Refusal):
                    return one
                issued.append(one)
                tx.rights.recall(loan.grant, loan.epoch, now_ms)
        return issued

    def freeze(self, member: str, reason: str, case: str = "") -> list[Issued] | Refusal:
        """The member's points cannot be spent anywhere; earning goes on. MEMBER_UNKNOWN, ALREADY_SO."""
        body = {"member": member, "reason": reason, "case": case}
        return self._decide(member, "freeze", body, lambda tx: tx.members.set_status(member, FROZEN), FROZEN)

    def unfreeze(self, member: str, reason: str, case: str = "") -> list[Issued] | Refusal:
        """They may be spent again. MEMBER_UNKNOWN, ALREADY_SO."""
        body = {"member": member, "reason": reason, "case": case}
        return self._decide(
            member, "unfreeze", body, lambda tx: tx.members.set_status(member, ACTIVE), ACTIVE
        )

    def set_tier(self, member: str, tier: str, reason: str, valid_until: str = "") -> list[Issued] | Refusal:
        """Another tier until the day `valid_until` (YYYY-MM-DD, "" without end). MEMBER_UNKNOWN."""
        body = {"member": member, "tier": tier, "valid_until": valid_until, "reason": reason}
        return self._decide(member, "set-tier", body, lambda tx: tx.members.set_tier(member, tier), "")

    def _decide(
        self, member: str, kind: str, body: dict[str, Any], keep: Callable[[Writing], None], status: str
    ) -> list[Issued] | Refusal:
        """Keep it and tell every station that was told of the member, saw them, or holds a grant of theirs.

        Named by what is said and when, never by a count of ours: after a restore the count begins again,
        and stations would take the new decision for the one they know.
        """
        now_ms = self._wall_ms()
        with self._store.write() as tx:
            stations = _concerned(tx, tx.members.account(member), now_ms)
            for station in stations:
                tx.lock(station)
            account = tx.members.account(member, lock=True)
            if account is None:
                return Refusal("MEMBER_UNKNOWN", f"nothing is known here of {member}", "check the id")
            if account.status == status:
                return Refusal("ALREADY_SO", f"{member} is {status} already")
            order = Order(kind, body, now_ms + DECISION_COUNTS_MS)
            issued = [self._publisher.issue_in(tx, station, order, now_ms) for station in stations]
            assert not any(isinstance(one, Refusal) for one in issued), issued
            keep(tx)
        return [one for one in issued if isinstance(one, Issued)]


def _concerned(tx: Writing, account: Account | None, now_ms: int) -> Sequence[str]:
    if account is None:
        return ()
    seen = {visit.station for visit in tx.members.visits(account.member)}
    return sorted(seen | {loan.station for loan in tx.rights.standing(account, now_ms).loans})
