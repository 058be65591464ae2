"""Members over all stations: accounts that move with the items, who they are, and whether it all adds up.

Accounts are changed in the order of members' names, so two workers that book items of the same
members never wait for each other in a circle. Whoever needs a station's lock takes it before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sync.hq.points import Change, Waits
from sync.hq.store.member_tables import credential, member_account, member_station, opening, pending_lot
from sync.hq.store.queries import upsert_all
from sync.hq.store.tables import counts, item


@dataclass(frozen=True, slots=True)
class Moved:
    """One counted item: whose points it moved, by how much, and what else it changed."""

    member: str
    minor: int
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A member as HQ knows them; `version` is raised by every change of status or tier."""

    member: str
    balance_minor: int
    pending_minor: int
    status: str
    tier: str
    version: int


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of one member from one station."""

    station: str
    minor: int
    moves: int
    last_at_ms: int


@dataclass(frozen=True, slots=True)
class Imbalance:
    """An account that is not what its parts come to. `what` is "balance", "pending" or "items"."""

    member: str
    what: str
    stored_minor: int
    computed_minor: int


class MemberVerbs:
    """Verbs and questions about members, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def book(self, station: str, moved: Sequence[Moved], at_ms: int) -> None:
        """Move the accounts by counted items of one station, whose lock is held."""
        minor: defaultdict[str, int] = defaultdict(int)
        moves: defaultdict[str, int] = defaultdict(int)
        for one in moved:
            minor[one.member] += one.minor
            moves[one.member] += 1
        waits = [(one.member, one.change) for one in moved if isinstance(one.change, Waits)]
        pending = self._wait(station, waits) if waits else {}
        members = sorted(minor)
        accounts = [
            {"member": m, "balance_minor": minor[m], "pending_minor": pending.get(m, 0)} for m in members
        ]
        visits = [
            {"member": m, "station": station, "minor": minor[m], "moves": moves[m], "last_at_ms": at_ms}
            for m in members
        ]
        upsert_all(self._connection, member_account, accounts, add=("balance_minor", "pending_minor"))
        upsert_all(self._connection, member_station, visits, add=("minor", "moves"), put=("last_at_ms",))

    def know(self, station: str, members: Iterable[str], at_ms: int) -> None:
        """The station, whose lock is held, is told of these members: decisions about them concern it."""
        names = sorted(set(members))
        nothing = {"balance_minor": 0, "pending_minor": 0}
        upsert_all(self._connection, member_account, [{"member": name, **nothing} for name in names])
        none_yet = {"station": station, "minor": 0, "moves": 0, "last_at_ms": at_ms}
        upsert_all(self._connection, member_station, [{"member": name, **none_yet} for name in names])

    def account(self, member: str, *, lock: bool = False) -> Account | None:
        """`lock`: nobody else changes or promises anything of this member until the transaction ends."""
        a = member_account.c
        query = sa.select(a.member, a.balance_minor, a.pending_minor, a.status, a.tier, a.version)
        query = query.where(a.member == member)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        return Account(*row) if row else None

    def member_of(self, credential_hash: str) -> str | None:
        """Whom a credential's keyed hash names."""
        query = sa.select(credential.c.member).where(credential.c.hash == credential_hash)
        return self._connection.scalar(query)

    def visits(self, member: str) -> Sequence[Visit]:
        """Where the member's points moved, the station with most of them first."""
        v = member_station.c
        query = sa.select(v.station, v.minor, v.moves, v.last_at_ms).where(v.member == member)
        return [Visit(*row) for row in self._connection.execute(query.order_by(v.moves.desc(), v.station))]

    def opened_minor(self, member: str) -> int | None:
        """The imported opening balance; None without one."""
        return self._connection.scalar(sa.select(opening.c.minor).where(opening.c.member == member))

    def set_status(self, member: str, status: str) -> None:
        self._change(member, {"status": status})

    def set_tier(self, member: str, tier: str) -> None:
        self._change(member, {"tier": tier})

    def imbalances(self, station: str | None = None) -> Sequence[Imbalance]:
        """Accounts that are not opening balance plus counted items; of one station's members or of all."""
        return [
            *self._differing("items", _moved_per_visit(station), station),
            *self._differing("balance", _parts_of_balance(), station),
            *self._differing("pending", _parts_of_pending(), station),
        ]

    def _wait(self, station: str, waits: Iterable[tuple[str, Waits]]) -> Mapping[str, int]:
        """Keep what waits per lot; by how much each member's pending points changed."""
        last = {change.of: (member, change.minor) for member, change in waits}
        here = (pending_lot.c.station == station, pending_lot.c.lot.in_(list(last)))
        query = sa.select(pending_lot.c.member, pending_lot.c.minor).where(*here)
        changed: defaultdict[str, int] = defaultdict(int)
        for member, minor in self._connection.execute(query):
            changed[member] -= minor
        self._connection.execute(pending_lot.delete().where(*here))
        waiting = [(lot, member, minor) for lot, (member, minor) in last.items() if minor]
        for _, member, minor in waiting:
            changed[member] += minor
        if waiting:
            rows = [{"station": station, "lot": lot, "member": m, "minor": n} for lot, m, n in waiting]
            self._connection.execute(pending_lot.insert(), rows)
        return changed

    def _change(self, member: str, values: Mapping[str, str]) -> None:
        version = {"version": member_account.c.version + 1}
        change = member_account.update().where(member_account.c.member == member)
        self._connection.execute(change.values({**values, **version}))

    def _differing(
        self, what: str, parts: sa.CompoundSelect[tuple[str, int, int]], station: str | None
    ) -> Iterable[Imbalance]:
        p = parts.subquery().c
        stored, computed = sa.func.sum(p.stored_minor), sa.func.sum(p.computed_minor)
        query = sa.select(p.member, stored, computed).group_by(p.member).having(stored != computed)
        if station is not None:
            known = sa.select(member_station.c.member).where(member_station.c.station == station)
            query = query.where(p.member.in_(known))
        for member, stored_minor, computed_minor in self._connection.execute(query.order_by(p.member)):
            yield Imbalance(member, what, int(stored_minor), int(computed_minor))


Parts = sa.CompoundSelect[tuple[str, int, int]]
_NONE = sa.literal(0)


def _moved_per_visit(station: str | None) -> Parts:
    """What `member_station` says, and what the items come to."""
    v, i = member_station.c, item.c
    said = sa.select(v.member, v.minor.label("stored_minor"), _NONE.label("computed_minor"))
    come = sa.select(i.member, _NONE, i.minor).where(counts, i.member.is_not(None))
    if station is not None:
        said, come = said.where(v.station == station), come.where(i.station == station)
    return sa.union_all(said, come)


def _parts_of_balance() -> Parts:
    a, v, o = member_account.c, member_station.c, opening.c
    return sa.union_all(
        sa.select(a.member, a.balance_minor.label("stored_minor"), _NONE.label("computed_minor")),
        sa.select(v.member, _NONE, v.minor),
        sa.select(o.member, _NONE, o.minor),
    )


def _parts_of_pending() -> Parts:
    a, p = member_account.c, pending_lot.c
    return sa.union_all(
        sa.select(a.member, a.pending_minor.label("stored_minor"), _NONE.label("computed_minor")),
        sa.select(p.member, _NONE, p.minor),
    )
