"""What the POS is told of points: the sentence for its display, and the customer's slip."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from agent.clock import Instant
from agent.handlers import coupons, reminders
from agent.handlers.delay_report import is_delayed
from agent.handlers.membership import language_of, profile_of
from agent.handlers.passing_days import today
from agent.handlers.site import Site
from agent.handlers.slip import COLUMNS, Lapsing, SlipFacts, slip, to_next_tier, wrapped
from agent.handlers.wording import receipt, said
from agent.messages import ids
from agent.points.lots import LotState
from agent.store.awards import StoredAward
from agent.store.database import Transaction
from agent.store.members import Balance
from agent.store.sales import Binding, Refund
from drivers.events import Answer, Outcome


def award_answer(award: StoredAward, tx: Transaction, site: Site, at: Instant) -> Answer:
    """Points, or why there are none; and what else the member is to be told."""
    customer = _Customer(award.member, tx, site, at)
    text = (
        said(site, award.reason) if award.reason else receipt(site, "POINTS", award.minor, customer.balance)
    )
    lot = tx.lots.of(award.award_id)
    pending = lot is not None and lot.state == LotState.PENDING
    pending_until = _civil(lot.spendable_at_ms, site).date() if lot is not None and pending else None
    news = customer.news()
    given = customer.given(award.fact_id)
    shown = customer.slip(
        award.minor,
        award.fact_id,
        award.settled_at_ms,
        reason=award.reason,
        pending_until=pending_until,
    )
    return Answer(
        Outcome.DONE,
        durable=True,
        reason=award.reason,
        fact_id=ids.text(award.fact_id),
        points_minor=award.minor,
        balance_minor=customer.balance.minor if customer.balance else None,
        balance_as_of_ms=customer.balance.as_of_ms if customer.balance else None,
        provisional=customer.balance.provisional if customer.balance else True,
        text=text,
        slip=(*shown, *given, *news, *customer.besides()),
    )


def refund_answer(
    refund: Refund, outcome: Outcome, award: StoredAward | None, tx: Transaction, site: Site, at: Instant
) -> Answer:
    """What was taken back, and what is left."""
    if award is None:
        return Answer(
            outcome,
            durable=True,
            fact_id=ids.text(refund.fact_id) if refund.fact_id else "",
            points_minor=0,
            provisional=True,
            text=receipt(site, "REFUNDED", 0, None),
        )
    customer = _Customer(award.member, tx, site, at)
    return Answer(
        outcome,
        durable=True,
        fact_id=ids.text(award.fact_id),
        points_minor=-refund.minor,
        balance_minor=customer.balance.minor if customer.balance else None,
        balance_as_of_ms=customer.balance.as_of_ms if customer.balance else None,
        provisional=customer.balance.provisional if customer.balance else True,
        text=receipt(site, "REFUNDED", refund.minor, customer.balance),
        slip=customer.slip(-refund.minor, award.fact_id, refund.refunded_at_ms),
    )


def no_award_answer(binding: Binding, site: Site) -> Answer:
    """Bound and paid, and no points yet: the reason, in words, and the code to ask with later."""
    outcome = Outcome.AMBIGUOUS if binding.reason == "TWO_MEMBERS" else Outcome.DONE
    facts = SlipFacts(
        points_minor=0,
        balance_minor=None,
        as_of=None,
        provisional=True,
        reason=binding.reason,
        pending_until=None,
        expiring=None,
        ratio=None,
        code=ids.slip_code(binding.fact_id),
    )
    return Answer(
        outcome,
        durable=True,
        reason=binding.reason,
        fact_id=ids.text(binding.fact_id),
        text=said(site, binding.reason),
        slip=slip(site, facts),
    )


class _Customer:
    """The member at the counter: the balance that may be shown, and what the slip says of it."""

    def __init__(self, member: str, tx: Transaction, site: Site, at: Instant) -> None:
        self._member, self._tx, self._at = member, tx, at
        self._known = tx.members.get(member)
        self._site = replace(site, language=language_of(self._known, site))
        self._today = today(tx, at)
        self.balance: Balance | None = tx.members.balance(member, self._today)
        self._expiring = reminders.expiring_soon(member, self._today, tx, at)

    def slip(
        self,
        points_minor: int,
        fact_id: bytes,
        booked_at_ms: int,
        *,
        reason: str = "",
        pending_until: date | None = None,
    ) -> tuple[str, ...]:
        balance = self.balance
        soonest = self._expiring[0] if self._expiring else None
        facts = SlipFacts(
            points_minor=points_minor,
            balance_minor=balance.minor if balance else None,
            as_of=_civil(balance.as_of_ms, self._site) if balance else None,
            provisional=balance.provisional if balance else True,
            reason=reason,
            pending_until=pending_until,
            expiring=Lapsing(soonest.minor, date.fromisoformat(soonest.lapses_on)) if soonest else None,
            ratio=reminders.protected_ratio(self._member, self._today, self._tx, self._site, self._at),
            code=ids.slip_code(fact_id),
            delayed=is_delayed(booked_at_ms, self._tx, self._site),
        )
        return slip(self._site, facts)

    def given(self, fact_id: bytes) -> tuple[str, ...]:
        """Lines for the coupons that the sale brought."""
        return _lines(coupons.printed(fact_id, self._tx, self._site))

    def besides(self) -> tuple[str, ...]:
        """Lines that have nothing to do with this sale: how far it is to the next tier, HQ's notices."""
        ahead = profile_of(self._known).progress if self._known is not None else None
        notices = self._tx.station_notices.said("customers", self._at.wall_ms)
        tier = to_next_tier(ahead, self._site) if ahead else ()
        texts = (*tier, *(notice.text(self._site.language) for notice in notices))
        return _lines(text for text in texts if text)

    def news(self) -> tuple[str, ...]:
        """Lines that are shown once: decreases that the member did not start, and reminders.

        What lapses next stands on the slip in any case: a reminder of that is not said twice.
        """
        told = reminders.tell(self._member, self._expiring, self._tx, self._site, self._at)
        said = {reminders.lapses_soon(soonest, self._site) for soonest in self._expiring[:1]}
        texts = (*told.news, *(text for text in told.reminders if text not in said))
        return _lines(texts)


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for text in texts for line in wrapped(text, COLUMNS))


def _civil(at_ms: int, site: Site) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, site.zone)
