"""What a member is told without asking: points that lapse soon, and any decrease they did not start.

Once per member, day of lapse and stage (features S-008, S-073); HQ hears of it, so that its own
push message or letter does not say the same again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from agent.clock import Instant
from agent.handlers.passing_days import today
from agent.handlers.site import Site
from agent.handlers.wording import points_text, said
from agent.messages import bodies
from agent.points.explanation import decimal_text
from agent.points.ratios import best, ratio_at
from agent.points.rules import Bundle
from agent.store.database import Transaction
from agent.store.outbox import SERVICE


@dataclass(frozen=True, slots=True)
class Expiring:
    """Points, minor units, of which `lapses_on` is the last day; `days_left` 0 is today."""

    lapses_on: str
    days_left: int
    minor: int


@dataclass(frozen=True, slots=True)
class Told:
    """Sentences for a member: of decreases that they did not start, and of points that lapse soon."""

    news: tuple[str, ...]
    reminders: tuple[str, ...]


def tell(member: str, due: Sequence[Expiring], tx: Transaction, site: Site, at: Instant) -> Told:
    """The sentences for now, each noted as shown; to be called when the member is there.

    `due`: what `expiring_soon` said of the member.
    """
    return Told(tuple(_news(member, tx, site, at)), tuple(_reminders(member, due, tx, site, at)))


def expiring_soon(member: str, business_date: str, tx: Transaction, at: Instant) -> list[Expiring]:
    """What lapses within the widest stage of the rules in force now, soonest first."""
    widest = max(_stages(tx.bundles.in_force(at.wall_ms)), default=-1)
    return expiring(member, business_date, widest, tx)


def expiring(member: str, business_date: str, within_days: int, tx: Transaction) -> list[Expiring]:
    """What lapses within so many days, soonest first: HQ's buckets, and lots that HQ does not know yet."""
    if not business_date:
        return []
    minor_of: Counter[str] = Counter()
    now = date.fromisoformat(business_date)
    last_day = (now + timedelta(days=within_days)).isoformat()
    for bucket in tx.members.buckets(member):
        if business_date <= bucket.lapses_on <= last_day:
            minor_of[bucket.lapses_on] += bucket.minor
    if minor_of:
        drawn = tx.members.drawn(member)
        minor_of.subtract({day: drawn[day] for day in minor_of})
    for lot in tx.lots.unknown_to_hq(member):
        if business_date <= lot.lapses_on <= last_day:
            minor_of[lot.lapses_on] += lot.remaining_minor
    return [
        Expiring(lapses_on, (date.fromisoformat(lapses_on) - now).days, minor)
        for lapses_on, minor in sorted(minor_of.items())
        if minor > 0
    ]


def _stages(bundle: Bundle | None) -> tuple[int, ...]:
    """Days before the lapse at which the rules remind, the widest first."""
    return tuple(sorted(bundle.reminder.days, reverse=True)) if bundle and bundle.reminder else ()


def protected_ratio(member: str, business_date: str, tx: Transaction, site: Site, at: Instant) -> str | None:
    """For the slip: that some of the member's lots keep a better ratio than today's, and until when."""
    bundle = tx.bundles.in_force(at.wall_ms)
    if not business_date or bundle is None:
        return None
    if bundle.redemption is None or bundle.redemption.protection is None:
        return None
    terms, protection = bundle.redemption, bundle.redemption.protection
    day, former = date.fromisoformat(business_date), tx.bundles.ratios()
    if day > protection.until:
        return None
    current = ratio_at(terms, day)
    for lot in tx.lots.earned_before(member, protection.lots_before.isoformat()):
        kept = best(lot.ratio_version, date.fromisoformat(lot.earned_on), day, terms, former)
        if kept is not None and kept != current:
            return said(
                site,
                "RATE_PROTECTED",
                date=protection.until.isoformat(),
                points=points_text(kept.points_minor, site.points_scale),
                yuan=decimal_text(kept.fen, 100),
            )
    return None


def _news(member: str, tx: Transaction, site: Site, at: Instant) -> Iterator[str]:
    for notice in tx.notices.waiting(member):
        tx.notices.shown(notice.notice_id, at.wall_ms)
        item = bodies.NoticeShown(
            kind="notice.shown", member=member, code=notice.code, minor=notice.minor, at_ms=at.wall_ms
        )
        tx.outbox.put(SERVICE, "notice.shown", item.encoded(), at.wall_ms)
        points = points_text(notice.minor, site.points_scale)
        day = today(tx, replace(at, wall_ms=notice.at_ms))
        yield said(site, notice.code, points=points, date=day)


def _reminders(
    member: str, due: Sequence[Expiring], tx: Transaction, site: Site, at: Instant
) -> Iterator[str]:
    """What is in several stages at once is said once, as of the nearest: the wider ones are over."""
    stages = _stages(tx.bundles.in_force(at.wall_ms))
    for one in due:
        reached = [stage for stage in stages if one.days_left <= stage]
        new = [stage for stage in reached if not tx.notices.was_reminded(member, one.lapses_on, stage)]
        for stage in new:
            tx.notices.remind(member, one.lapses_on, stage, at.wall_ms)
        if min(reached) in new:
            _tell_hq(member, one, min(reached), tx, at)
            yield lapses_soon(one, site)


def lapses_soon(one: Expiring, site: Site) -> str:
    """The sentence; a slip has it for what lapses next, whether a reminder is due or not."""
    points = points_text(one.minor, site.points_scale)
    return said(site, "EXPIRES_SOON", points=points, date=one.lapses_on)


def _tell_hq(member: str, one: Expiring, stage_days: int, tx: Transaction, at: Instant) -> None:
    item = bodies.ReminderShown(
        kind="reminder.shown",
        member=member,
        lapses_on=one.lapses_on,
        stage_days=stage_days,
        minor=one.minor,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "reminder.shown", item.encoded(), at.wall_ms)
