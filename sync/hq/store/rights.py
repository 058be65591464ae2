"""What HQ has promised of members' points: loans to stations and holds for redemptions.

Whoever promises holds the member's account (`MemberVerbs.account(lock=True)`), and before it the
station's lock where something is issued to the station too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa

from sync.hq.grants import (
    FORCED,
    HORIZON_MS,
    OPEN,
    RELEASED,
    SKEW_MS,
    Loan,
    Standing,
)
from sync.hq.points import Settled, Stated
from sync.hq.store.member_tables import authorisation, rights_grant
from sync.hq.store.members import Account
from sync.hq.store.queries import upsert


@dataclass(frozen=True, slots=True)
class Authorisation:
    """What HQ said to a redemption of a station, once and for all; `state` as in `sync.hq.grants`."""

    station: str
    redemption: str
    member: str
    minor: int
    held_minor: int
    rights_minor: int
    grant_id: str
    grant_epoch: int
    state: str
    code: str
    balance_minor: int
    at_ms: int


class RightsVerbs:
    """Verbs and questions about loans and holds, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def standing(self, account: Account, now_ms: int) -> Standing:
        """What the member has and what of it is promised; loans that are over are left out."""
        a = authorisation.c
        held = sa.select(sa.func.sum(a.held_minor)).where(a.member == account.member, a.state == OPEN)
        return Standing(
            member=account.member,
            status=account.status,
            tier=account.tier,
            balance_minor=account.balance_minor,
            pending_minor=account.pending_minor,
            held_minor=int(self._connection.scalar(held) or 0),
            loans=tuple(self._loans(account.member, now_ms)),
        )

    def newest_epoch(self, grant: str) -> int:
        """0 before the first loan of this grant."""
        newest = sa.select(sa.func.max(rights_grant.c.epoch)).where(rights_grant.c.id == grant)
        return self._connection.scalar(newest) or 0

    def lend(self, loan: Loan, member: str, at_ms: int) -> None:
        row = {
            "id": loan.grant,
            "epoch": loan.epoch,
            "station": loan.station,
            "member": member,
            "minor": loan.minor,
            "valid_until_ms": loan.valid_until_ms,
            "issued_at_ms": at_ms,
        }
        self._connection.execute(rights_grant.insert(), row)

    def recall(self, grant: str, epoch: int, at_ms: int) -> bool:
        """HQ wants the rest back; the loan stays open until its statement. False if it is not open."""
        g = rights_grant.c
        here = (g.id == grant, g.epoch == epoch, g.closed_at_ms.is_(None), g.recalled_at_ms.is_(None))
        change = rights_grant.update().where(*here).values(recalled_at_ms=at_ms)
        return self._connection.execute(change).rowcount == 1

    def said(self, station: str, redemption: str) -> Authorisation | None:
        """What was answered to this redemption before."""
        a = authorisation.c
        columns: tuple[sa.ColumnElement[Any], ...] = tuple(a[field.name] for field in fields(Authorisation))
        query = sa.select(*columns).where(a.station == station, a.redemption == redemption)
        row = self._connection.execute(query).one_or_none()
        return Authorisation(*row) if row else None

    def say(self, answer: Authorisation) -> Authorisation:
        """Keep an answer; the one that stands, for another worker may have been first."""
        self._connection.execute(upsert(self._connection, authorisation), asdict(answer))
        stands = self.said(answer.station, answer.redemption)
        assert stands is not None
        return stands

    def give_up(self, member: str, now_ms: int) -> int:
        """End the holds that nobody has settled within the horizon; how many."""
        a = authorisation.c
        old = (a.member == member, a.state == OPEN, a.at_ms < now_ms - HORIZON_MS)
        change = authorisation.update().where(*old).values(state=FORCED, settled_at_ms=now_ms)
        return self._connection.execute(change).rowcount

    def settle(self, station: str, said: Iterable[tuple[str, Settled | Stated]], at_ms: int) -> None:
        """(member, what) of counted items of a station, about its redemptions and loans, in their order."""
        for member, change in said:
            match change:
                case Settled():
                    self._end(station, member, change, at_ms)
                case Stated():
                    self._state(station, change, at_ms)

    def holds(self, member: str) -> Sequence[Authorisation]:
        """What is held for redemptions of this member, the oldest first."""
        a = authorisation.c
        query = sa.select(a.station, a.redemption).where(a.member == member, a.state == OPEN)
        keys = self._connection.execute(query.order_by(a.at_ms, a.station, a.redemption)).all()
        found = (self.said(key.station, key.redemption) for key in keys)
        return [one for one in found if one is not None]

    def _loans(self, member: str, now_ms: int) -> Iterable[Loan]:
        g, a = rights_grant.c, authorisation.c
        promised = (
            sa.select(sa.func.sum(a.rights_minor))
            .where(a.grant_id == g.id, a.grant_epoch == g.epoch, a.member == g.member, a.state == OPEN)
            .scalar_subquery()
        )
        columns = (g.id, g.epoch, g.station, g.minor, g.spent_minor, g.valid_until_ms, g.recalled_at_ms)
        alive = (g.member == member, g.closed_at_ms.is_(None), g.valid_until_ms >= now_ms - SKEW_MS)
        query = sa.select(*columns, promised).where(*alive).order_by(g.id, g.epoch)
        for row in self._connection.execute(query):
            yield Loan(*row[:6], is_recalled=row[6] is not None, promised_minor=int(row[7] or 0))

    def _end(self, station: str, member: str, settled: Settled, at_ms: int) -> None:
        """A hold ends with its redemption; one that HQ has given up can still turn out to be captured.

        A redemption that HQ was never asked about is kept too: a question that comes late opens no hold.
        """
        a = authorisation.c
        before = (OPEN,) if settled.state == RELEASED else (OPEN, FORCED)
        here = (a.station == station, a.redemption == settled.redemption, a.state.in_(before))
        change = authorisation.update().where(*here).values(state=settled.state, settled_at_ms=at_ms)
        if self._connection.execute(change).rowcount == 0:
            over = Authorisation(
                station, settled.redemption, member, 0, 0, 0, "", 0, settled.state, "", 0, at_ms
            )
            self._connection.execute(upsert(self._connection, authorisation), asdict(over))

    def _state(self, station: str, said: Stated, at_ms: int) -> None:
        """Only the loan's own station speaks of it, and an older statement changes nothing."""
        g = rights_grant.c
        here = (g.id == said.grant, g.epoch == said.epoch, g.station == station, g.statement_no < said.number)
        figures = {"spent_minor": said.spent_minor, "statement_no": said.number}
        change = rights_grant.update().where(*here, g.closed_at_ms.is_(None)).values(figures)
        if self._connection.execute(change).rowcount and said.closing:
            closed = rights_grant.update().where(g.id == said.grant, g.epoch == said.epoch)
            self._connection.execute(closed.values(closed_at_ms=at_ms))
