"""Coupons at a sale: what the member holds, what the award used up, what is given after it."""

from datetime import date, timedelta
from typing import Final

from agent.clock import Instant
from agent.handlers.site import Site
from agent.language import translator
from agent.messages import bodies
from agent.points.award import Award
from agent.points.coupons import issued
from agent.points.inputs import AwardInputs, Local
from agent.points.rules import Bundle
from agent.store.awards import StoredAward
from agent.store.coupons import Coupon
from agent.store.database import Transaction
from agent.store.outbox import SERVICE

MOST_KINDS: Final = 20
"""More kinds than this in one pocket are not looked at: those that lapse first are."""


def kinds_held(member: str, local: Local, tx: Transaction) -> tuple[str, ...]:
    """The kinds of the member's valid coupons, each once, the soonest to lapse first."""
    valid = tx.coupons.valid(member, local.business_date)
    return tuple(dict.fromkeys(coupon.kind for coupon in valid))[:MOST_KINDS]


def use_up(award: StoredAward, earned: Award, inputs: AwardInputs, tx: Transaction, at: Instant) -> None:
    """One serial of each kind that made a difference, the soonest to lapse."""
    if not earned.coupons_used:
        return
    valid = tx.coupons.valid(award.member, inputs.local.business_date)
    for kind in earned.coupons_used:
        serial = next(coupon.serial for coupon in valid if coupon.kind == kind)
        tx.coupons.use(serial, award.fact_id, at.wall_ms)
        item = bodies.CouponUsed(kind="coupon.used", of=award.stream_seq, serial=serial, at_ms=at.wall_ms)
        tx.outbox.put(SERVICE, "coupon.used", item.encoded(), at.wall_ms)


def give_new(
    award: StoredAward,
    earned: Award,
    inputs: AwardInputs,
    bundle: Bundle,
    today: date,
    tx: Transaction,
    at: Instant,
) -> None:
    """A serial of the leased pool for every [[issue]] that the sale meets; an empty pool is an alarm."""
    for issue in issued(inputs, earned, bundle):
        coupon = tx.coupons.in_pool(issue.kind, today.isoformat())
        if coupon is None:
            tx.alarms.count("COUPON_POOL_EMPTY", f"kind {issue.kind}", at.wall_ms, issue.id)
            continue
        last_day = (today + timedelta(days=issue.valid_days)).isoformat()
        valid_until = min(last_day, coupon.valid_until)
        given = Coupon(coupon.serial, award.member, coupon.kind, today.isoformat(), valid_until)
        tx.coupons.issue(given, award.fact_id, at.wall_ms)
        item = bodies.CouponIssued(
            kind="coupon.issued",
            of=award.stream_seq,
            serial=given.serial,
            coupon=given.kind,
            valid_until=valid_until,
            at_ms=at.wall_ms,
        )
        tx.outbox.put(SERVICE, "coupon.issued", item.encoded(), at.wall_ms)


def printed(fact_id: bytes, tx: Transaction, site: Site) -> tuple[str, ...]:
    """A text for the slip for every coupon that was given after this sale."""
    told = translator(site.language).gettext("Coupon {kind}: {serial}, valid until {date}")
    return tuple(
        told.format(kind=coupon.kind, serial=coupon.serial, date=coupon.valid_until)
        for coupon in tx.coupons.issued_after(fact_id)
    )
