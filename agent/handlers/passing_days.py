"""What the calendar does to points: pending ones become spendable, lots lapse, or are honoured.

A lot that lapsed while the station was dark counts here until the road is back and some days more:
the member could not have been warned (points.md 4, features S-007, S-010). Nothing lapses by a
clock that cannot be believed.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from agent.clock import ClockQuality, Instant
from agent.handlers import books
from agent.handlers.award_inputs import day_ends_ms, local_time
from agent.handlers.hold_grant import end_grants
from agent.handlers.site import Site
from agent.messages import bodies
from agent.points.rules import Bundle
from agent.points.terms import Expiry
from agent.points.validity import Honoured, Spell, honoured_until, with_pauses
from agent.store.database import Transaction
from agent.store.lots import StoredLot
from agent.store.outbox import LEDGER, SERVICE

AT_ONCE = 200
"""Lots in one transaction: what is left over is due again half a minute later."""

DAY_MS = 86_400_000


def today(tx: Transaction, at: Instant) -> str:
    """The business date now; "" before the first rules, or by a clock that cannot be believed: then
    nothing is due, and nothing is shown as lapsed."""
    bundle = tx.bundles.in_force(at.wall_ms)
    if bundle is None or at.quality == ClockQuality.UNTRUSTED:
        return ""
    return local_time(at.wall_ms, bundle).business_date


def pass_days(tx: Transaction, site: Site, at: Instant) -> None:
    """Do what is due by now, a bounded part of it."""
    end_grants(tx, at)
    bundle = tx.bundles.in_force(at.wall_ms)
    if bundle is None or at.quality == ClockQuality.UNTRUSTED:
        return
    business_date = local_time(at.wall_ms, bundle).business_date
    for lot in tx.lots.due_to_activate(at.wall_ms, AT_ONCE):
        _activate(lot, tx, at)
    spells = _spells(bundle, tx, at)
    grace_days = bundle.expiry.outage_grace_days if bundle.expiry else 0
    for lot in tx.lots.due_to_lapse(business_date, AT_ONCE):
        _lapse_or_honour(lot, date.fromisoformat(business_date), spells, grace_days, tx, at)
    _honour_buckets(date.fromisoformat(business_date), spells, grace_days, tx, at)


def lapses_on(earned_on: str, term_ends_on: str, expiry: Expiry | None, site: Site) -> str:
    """The last day of a lot with the pauses of this station's region; "" never."""
    if not term_ends_on:
        return ""
    pauses = [(p.from_date, p.until) for p in (expiry.pause if expiry else ()) if site.region in p.region]
    ends_on = with_pauses(date.fromisoformat(earned_on), date.fromisoformat(term_ends_on), pauses)
    return ends_on.isoformat() if ends_on else ""


def count_pauses(bundle: Bundle, tx: Transaction, site: Site) -> None:
    """New rules may bring new pauses: every lot that still lives gets its last day anew.

    Never an earlier one: a pause that is over may be left out of later rules, and rules may be taken
    back, but a day that was promised stays (feature S-018).
    """
    for lot in list(tx.lots.alive()):
        new = lapses_on(lot.earned_on, lot.term_ends_on, bundle.expiry, site)
        if lot.lapses_on and (not new or new > lot.lapses_on):
            tx.lots.change(replace(lot, lapses_on=new, bucket_on=lot.bucket_on or lot.lapses_on))


def _activate(lot: StoredLot, tx: Transaction, at: Instant) -> None:
    repaid_minor = books.become_spendable(lot, tx, at)
    item = bodies.LotActivated(
        kind="lot.activated",
        of=_source_seq(lot, tx),
        minor=lot.remaining_minor,
        repaid_minor=repaid_minor,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(LEDGER, "lot.activated", item.encoded(), at.wall_ms)


def _lapse_or_honour(
    lot: StoredLot, today: date, spells: Sequence[Spell], grace_days: int, tx: Transaction, at: Instant
) -> None:
    honoured = honoured_until(date.fromisoformat(lot.lapses_on), spells, grace_days)
    until = _until(honoured, today, grace_days)
    if until is None or until < today:
        _lapse(lot, tx, at)
        return
    tx.lots.change(replace(lot, honoured_until=until.isoformat()))
    _say_honoured(_source_seq(lot, tx), lot.member, lot.lapses_on, until, lot.remaining_minor, tx, at)


def _lapse(lot: StoredLot, tx: Transaction, at: Instant) -> None:
    """The member is told of the day that its points ended, however late that is noticed."""
    lapsed_minor = books.let_lapse(lot, tx, at)
    last_day, bundle = lot.honoured_until or lot.lapses_on, tx.bundles.in_force(at.wall_ms)
    assert bundle is not None, "nothing lapses without rules"
    item = bodies.LotExpired(
        kind="lot.expired",
        of=_source_seq(lot, tx),
        minor=lapsed_minor,
        on=last_day,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(LEDGER, "lot.expired", item.encoded(), at.wall_ms)
    ended_ms = day_ends_ms(date.fromisoformat(last_day), bundle) - 1
    tx.notices.add(lot.member, "POINTS_LAPSED", lapsed_minor, ended_ms)


def _source_seq(lot: StoredLot, tx: Transaction) -> int:
    """Of the item that tells HQ of the lot: its award or its adjustment."""
    from_award = lot.source == "award"
    source = tx.awards.get(lot.lot_id) if from_award else tx.adjustments.get(lot.lot_id)
    assert source is not None, "a lot has its source"
    return source.stream_seq


def _honour_buckets(
    today: date, spells: Sequence[Spell], grace_days: int, tx: Transaction, at: Instant
) -> None:
    """The same for what HQ's snapshot says of points from elsewhere."""
    for began, ended in spells:
        until = _until(Honoured(ended + timedelta(days=grace_days) if ended else None), today, grace_days)
        if until is None or until < today:
            continue
        first, last = began.isoformat(), min(ended or today, today - timedelta(days=1)).isoformat()
        for bucket in tx.members.to_honour(first, last, today.isoformat(), AT_ONCE):
            tx.members.honour(bucket.member, bucket.lapses_on, until.isoformat())
            _say_honoured(0, bucket.member, bucket.lapses_on, until, bucket.minor, tx, at)


def _until(honoured: Honoured | None, today: date, grace_days: int) -> date | None:
    """While it is still dark the road may be back today at the earliest; it is asked again then."""
    if honoured is None:
        return None
    return honoured.until or today + timedelta(days=grace_days)


def _say_honoured(
    of: int, member: str, lapses_on: str, until: date, minor: int, tx: Transaction, at: Instant
) -> None:
    item = bodies.LotHonoured(
        kind="lot.honoured",
        of=of,
        member=member,
        lapses_on=lapses_on,
        until=until.isoformat(),
        minor=minor,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "lot.honoured", item.encoded(), at.wall_ms)


def _spells(bundle: Bundle, tx: Transaction, at: Instant) -> list[Spell]:
    """Dark spells as business dates: those that a lot due today may still be honoured for."""
    grace_days = bundle.expiry.outage_grace_days if bundle.expiry else 0
    since_ms = at.wall_ms - (grace_days + 2) * DAY_MS

    def day(at_ms: int) -> date:
        return local_time(at_ms, bundle).day

    return [
        (day(began_ms), None if ended_ms is None else day(ended_ms))
        for began_ms, ended_ms in tx.darkness.spells(since_ms)
    ]
