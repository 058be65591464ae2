"""What this station knows when it awards, recorded with the award so that anybody can compute it again."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.handlers.coupons import kinds_held
from agent.handlers.site import Site
from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.rules import Bundle
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.members import Member
from agent.store.sales import PosSale

SHOP = "shop"
"""The product under which rules see everything a POS sells besides fuel, unless they name it themselves."""

NO_TENDER = "none"
"""Tender where points are awarded without a POS."""


def known_inputs(
    fact: Fact, sale: PosSale | None, member: Member, bundle: Bundle, tx: Transaction, site: Site
) -> AwardInputs:
    """For a member of this station's cache."""
    local = local_time(fact.event_time_ms, bundle)
    tier_lapsed = bool(member.tier_valid_until) and local.business_date > member.tier_valid_until
    known_tier = member.tier in bundle.tiers.order and not tier_lapsed
    today = tx.awards.used(member.member, local.business_date)
    month = tx.awards.used(member.member, month_of(local))
    return AwardInputs(
        lines=_lines(fact, sale, bundle, site),
        tender=sale.tender if sale else NO_TENDER,
        tier=member.tier if known_tier else bundle.tiers.order[0],
        cohort=member.cohort,
        birthday=member.birthday,
        usage=Usage(
            day_minor=today.minor,
            month_minor=month.minor,
            day_fills=today.fills,
            month_fills=month.fills,
            month_ml=month.volume_ml,
            month_fen=month.amount_fen,
        ),
        evidence=fact.evidence,
        time_quality=fact.time_quality,
        local=local,
        coupons=kinds_held(member.member, local, tx),
    )


def anonymous_inputs(fact: Fact, sale: PosSale | None, bundle: Bundle, site: Site) -> AwardInputs:
    """As for an award, with what only HQ knows left at the lowest."""
    return AwardInputs(
        lines=_lines(fact, sale, bundle, site),
        tender=sale.tender if sale else NO_TENDER,
        tier=bundle.tiers.order[0],
        evidence=fact.evidence,
        time_quality=fact.time_quality,
        local=local_time(fact.event_time_ms, bundle),
    )


def local_time(at_ms: int, bundle: Bundle) -> Local:
    """Business date, weekday and minute in the programme's zone: nobody else needs a zone database."""
    civil = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(ZoneInfo(bundle.timezone))
    return Local.at(civil, bundle.business_day_starts_minute)


def day_ends_ms(day: date, bundle: Bundle) -> int:
    """When the business date is over: the next one's beginning, in ms UTC."""
    next_day = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(bundle.timezone)) + timedelta(days=1)
    begins = next_day + timedelta(minutes=bundle.business_day_starts_minute)
    return (begins.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def month_of(local: Local) -> str:
    return local.business_date[:7]


def is_prepaid(fact: Fact, sale: PosSale, site: Site) -> bool:
    """True if the sale paid for this fuelling and for a rest that was given back since."""
    tolerance_fen = site.limits.amount_tolerance_fen
    return fact.kind == "fuelling" and sale.paid_less_a_rest(fact.amount_fen, tolerance_fen)


def _paid_fen(fact: Fact, sale: PosSale, site: Site) -> int:
    return sale.fuel_amount_fen - (sale.refunded_fen if is_prepaid(fact, sale, site) else 0)


def _lines(fact: Fact, sale: PosSale | None, bundle: Bundle, site: Site) -> tuple[Line, ...]:
    """The fuel as paid; goods that a rule names under their name, all others together as the shop's.

    A fuel of this station is never taken from a shop line: no meter vouches for what a cashier typed.
    """
    fuel: tuple[Line, ...] = ()
    if fact.kind == "fuelling":
        paid_fen = _paid_fen(fact, sale, site) if sale else fact.amount_fen
        fuel = (Line(product=fact.product or "unknown", volume_ml=fact.volume_ml, amount_fen=paid_fen),)
    fuels = {place.product for place in site.places.values()}
    goods: Counter[str] = Counter()
    for product, _, amount_fen in sale.lines if sale else ():
        named = product in bundle.products and product not in fuels
        goods[product if named else SHOP] += amount_fen
    shop = tuple(Line(product=product, amount_fen=fen) for product, fen in sorted(goods.items()) if fen)
    return (fuel + shop) or (Line(product=SHOP),)
