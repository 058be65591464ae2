"""The ledger of every business date that is over, closed and told to HQ (feature S-166).

A date is closed once, in order, over the entries that were written in it; what is booked late counts
on the date on which it was booked.
"""

from datetime import date, timedelta

from agent.clock import ClockQuality, Instant
from agent.handlers.award_inputs import day_ends_ms, local_time
from agent.messages import bodies
from agent.points.rules import Bundle
from agent.store.closes import Close, Holdings
from agent.store.database import Transaction
from agent.store.outbox import LEDGER

AT_ONCE = 31
"""Dates in one transaction: after a long time in a cupboard a station closes month by month."""

_ONE_DAY = timedelta(days=1)


def close_days(tx: Transaction, at: Instant) -> int:
    """Close the dates that are over, a bounded number of them; returns how many."""
    bundle = tx.bundles.in_force(at.wall_ms)
    if bundle is None or at.quality == ClockQuality.UNTRUSTED:
        return 0
    today = local_time(at.wall_ms, bundle).day
    due = _first_open(bundle, tx, today)
    closed = 0
    while due < today and closed < AT_ONCE:
        _close(due, bundle, tx, at)
        due, closed = due + _ONE_DAY, closed + 1
    return closed


def _first_open(bundle: Bundle, tx: Transaction, today: date) -> date:
    """The date after the last close; before the first close, that of the first entry."""
    if latest := tx.closes.latest():
        return date.fromisoformat(latest.business_date) + _ONE_DAY
    first_at_ms = tx.ledger.first_at_ms()
    return today if first_at_ms is None else local_time(first_at_ms, bundle).day


def _close(day: date, bundle: Bundle, tx: Transaction, at: Instant) -> None:
    latest = tx.closes.latest()
    first_seq = latest.last_seq + 1 if latest else 1
    last_seq = max(first_seq - 1, tx.closes.last_seq_before(day_ends_ms(day, bundle)))
    close = Close(
        business_date=day.isoformat(),
        first_seq=first_seq,
        last_seq=last_seq,
        head=tx.closes.head_at(last_seq),
        movements=tx.closes.figures(first_seq, last_seq),
        holdings=tx.closes.holdings(last_seq),
        closed_at_ms=at.wall_ms,
    )
    tx.closes.add(close)
    opening_minor = _held(latest.holdings) if latest else 0
    tx.outbox.put(LEDGER, "daily.close", _item(close, opening_minor).encoded(), at.wall_ms)


def _held(holdings: Holdings) -> int:
    return holdings.pending_minor + holdings.active_minor + holdings.held_minor + holdings.debt_minor


def _item(close: Close, opening_minor: int) -> bodies.DailyClose:
    moved, holds = close.movements, close.holdings
    return bodies.DailyClose(
        kind="daily.close",
        date=close.business_date,
        first_seq=close.first_seq,
        last_seq=close.last_seq,
        head=close.head.hex(),
        opening_minor=opening_minor,
        issued_minor=moved.issued_minor,
        redeemed_minor=moved.redeemed_minor,
        expired_minor=moved.expired_minor,
        compensated_minor=moved.compensated_minor,
        goodwill_minor=moved.goodwill_minor,
        pending_minor=holds.pending_minor,
        active_minor=holds.active_minor,
        held_minor=holds.held_minor,
        debt_minor=holds.debt_minor,
        frozen_minor=holds.frozen_minor,
        outstanding=holds.outstanding,
        at_ms=close.closed_at_ms,
    )
