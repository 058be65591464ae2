"""A bound fact becomes points, once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agent.clock import Instant
from agent.handlers import metering
from agent.handlers.site import Site
from agent.handlers.wording import receipt, sentence
from agent.messages import bodies, ids
from agent.points.award import Award, award
from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.ledger import award_postings
from agent.points.lots import lot_of_award
from agent.points.rules import Bundle
from agent.store.awards import StoredAward
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.members import Member
from agent.store.outbox import LEDGER
from agent.store.sales import Binding, PosSale
from drivers.events import Answer, Outcome

SHOP = "shop"
"""The product under which rules see everything a POS sells besides fuel."""

NO_TENDER = "none"
"""Tender where points are awarded without a POS."""

ODD_REFUSALS = frozenset({"NO_RULE", "NO_METERING_EVIDENCE", "BEYOND_RANGE"})
"""Why a sale, or a line of it, earned nothing although nobody decided so."""


def settle(
    binding: Binding, fact: Fact, sale: PosSale | None, tx: Transaction, site: Site, at: Instant
) -> Answer:
    """Award the fact to the binding's member, or say why not yet; a second call gives the same answer."""
    if settled := tx.awards.of_fact(fact.fact_id):
        return _receipt(settled, tx, site)
    if not binding.member:
        return _without_points(binding, site)
    member = tx.members.get(binding.member)
    if member is None:  # gone from the cache since: HQ still knows the credential
        return claim(
            tx.sales.identify(binding, "", binding.credential, "MEMBER_UNKNOWN"), fact, sale, tx, site, at
        )
    if reason := _reason_to_wait(fact, sale, member, tx):
        if reason == "NO_RULES" != binding.reason:
            count_oddity(reason, fact, tx, at)
        return _without_points(tx.sales.identify(binding, member.member, binding.credential, reason), site)
    bundle = tx.bundles.in_force(fact.event_time_ms)
    assert bundle is not None
    inputs = award_inputs(fact, sale, member, bundle, tx)
    earned = award(inputs, bundle)
    return _receipt(_book(earned, inputs, fact, member, bundle, tx, site, at), tx, site)


def claim(
    binding: Binding, fact: Fact, sale: PosSale | None, tx: Transaction, site: Site, at: Instant
) -> Answer:
    """Tell HQ of a paid fact whose member this station does not know; HQ awards by the same rules."""
    bundle = tx.bundles.in_force(fact.event_time_ms)
    inputs = _anonymous_inputs(fact, sale, bundle) if bundle else None
    item = bodies.Claim(
        kind="claim",
        of=fact.stream_seq,
        credential=binding.credential,
        bundle=bundle.bundle if bundle else "",
        version=bundle.version if bundle else 0,
        inputs=inputs,
    )
    tx.outbox.put(LEDGER, "claim", item.encoded(), at.wall_ms)
    count_oddity("MEMBER_UNKNOWN", fact, tx, at)
    return _without_points(binding, site)


def count_oddity(reason: str, fact: Fact, tx: Transaction, at: Instant) -> None:
    """Points that a customer may have expected and somebody must look after: seen in `status`."""
    where = f"point {fact.point}" if fact.point else f"register {fact.device_key}"
    tx.alarms.count(reason, where, at.wall_ms, ids.text(fact.fact_id))


def _reason_to_wait(fact: Fact, sale: PosSale | None, member: Member, tx: Transaction) -> str:
    if sale is not None and sale.refunded_fen:
        return "SALE_REFUNDED"
    if member.status == "CLOSED":
        return "MEMBER_CLOSED"
    if fact.kind == "fuelling" and _scale_is_doubtful(fact, tx):
        return metering.WRONG_SCALE
    return "" if tx.bundles.in_force(fact.event_time_ms) else "NO_RULES"


def _scale_is_doubtful(fact: Fact, tx: Transaction) -> bool:
    flagged = metering.WRONG_SCALE in fact.flags.split()
    return flagged or metering.withholds(tx.meters.get(fact.device_key, fact.nozzle))


def award_inputs(
    fact: Fact, sale: PosSale | None, member: Member, bundle: Bundle, tx: Transaction
) -> AwardInputs:
    """What this station knew when it awarded, recorded with the award."""
    local = local_time(fact.event_time_ms, bundle)
    tier_lapsed = bool(member.tier_valid_until) and local.business_date > member.tier_valid_until
    known_tier = member.tier in bundle.tiers.order and not tier_lapsed
    return AwardInputs(
        lines=_lines(fact, sale),
        tender=sale.tender if sale else NO_TENDER,
        tier=member.tier if known_tier else bundle.tiers.order[0],
        cohort=member.cohort,
        birthday=member.birthday,
        usage=Usage(
            day_minor=tx.awards.used_minor(member.member, local.business_date),
            month_minor=tx.awards.used_minor(member.member, _month(local)),
        ),
        evidence=fact.evidence,
        time_quality=fact.time_quality,
        local=local,
    )


def _anonymous_inputs(fact: Fact, sale: PosSale | None, bundle: Bundle) -> AwardInputs:
    """As for an award, with what only HQ knows left at the lowest."""
    return AwardInputs(
        lines=_lines(fact, sale),
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


def _lines(fact: Fact, sale: PosSale | None) -> tuple[Line, ...]:
    """The fuel as paid, and all shop goods as one line."""
    fuel: tuple[Line, ...] = ()
    if fact.kind == "fuelling":
        paid_fen = sale.fuel_amount_fen if sale else fact.amount_fen
        fuel = (Line(product=fact.product or "unknown", volume_ml=fact.volume_ml, amount_fen=paid_fen),)
    shop_fen = sum(amount_fen for _, _, amount_fen in sale.lines) if sale else 0
    return (*fuel, Line(product=SHOP, amount_fen=shop_fen)) if shop_fen or not fuel else fuel


def _month(local: Local) -> str:
    return local.business_date[:7]


def _book(
    earned: Award,
    inputs: AwardInputs,
    fact: Fact,
    member: Member,
    bundle: Bundle,
    tx: Transaction,
    site: Site,
    at: Instant,
) -> StoredAward:
    item = bodies.Award(
        kind="award",
        of=fact.stream_seq,
        member=member.member,
        bundle=bundle.bundle,
        version=bundle.version,
        inputs=inputs,
        minor=earned.minor,
        reason=earned.reason,
        explanation=bodies.steps(earned.explanation),
    )
    stored = StoredAward(
        fact_id=fact.fact_id,
        award_id=ids.award_id(site.programme, fact.fact_id),
        member=member.member,
        bundle=bundle.bundle,
        version=bundle.version,
        minor=earned.minor,
        reason=earned.reason,
        inputs=inputs.model_dump_json(exclude_defaults=True),
        result=earned.model_dump_json(exclude_defaults=True),
        settled_at_ms=at.wall_ms,
        stream_seq=tx.outbox.put(LEDGER, "award", item.encoded(), at.wall_ms),
    )
    tx.awards.add(stored)
    for reason in sorted({line.rule for line in earned.explanation if line.kind == "refused"} & ODD_REFUSALS):
        count_oddity(reason, fact, tx, at)
    if earned.minor:
        tx.ledger.post("award", stored.award_id, award_postings(member.member, earned.minor), at.wall_ms)
        tx.awards.open_lot(lot_of_award(stored.award_id.hex(), earned.minor), member.member)
        tx.awards.use(member.member, inputs.local.business_date, earned.minor)
        tx.awards.use(member.member, _month(inputs.local), earned.minor)
    return stored


def _receipt(award: StoredAward, tx: Transaction, site: Site) -> Answer:
    balance = tx.members.balance(award.member)
    text = (
        sentence(award.reason, site.language)
        if award.reason
        else receipt(site, "POINTS", award.minor, balance)
    )
    return Answer(
        Outcome.DONE,
        durable=True,
        reason=award.reason,
        fact_id=ids.text(award.fact_id),
        points_minor=award.minor,
        balance_minor=balance.minor if balance else None,
        balance_as_of_ms=balance.as_of_ms if balance else None,
        provisional=balance.provisional if balance else True,
        text=text,
    )


def _without_points(binding: Binding, site: Site) -> Answer:
    """Bound and paid, and no points yet: the reason, in words."""
    outcome = Outcome.AMBIGUOUS if binding.reason == "TWO_MEMBERS" else Outcome.DONE
    return Answer(
        outcome,
        durable=True,
        reason=binding.reason,
        fact_id=ids.text(binding.fact_id),
        text=sentence(binding.reason, site.language),
    )
