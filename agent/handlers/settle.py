"""A bound fact becomes points, once."""

from agent.clock import Instant
from agent.handlers import books, coupons, lifecycle, metering
from agent.handlers.award_inputs import anonymous_inputs, is_prepaid, known_inputs, local_time
from agent.handlers.passing_days import lapses_on
from agent.handlers.receipt import award_answer, no_award_answer
from agent.handlers.site import Site
from agent.messages import bodies, ids
from agent.points.award import Award, award
from agent.points.inputs import AwardInputs, Line
from agent.points.lean import LeanInputs, fuel_line
from agent.points.lots import LotState
from agent.points.ratios import ratio_at
from agent.points.rules import Bundle
from agent.store.awards import StoredAward, counted, periods
from agent.store.database import Transaction
from agent.store.facts import Fact
from agent.store.lots import StoredLot
from agent.store.members import Member
from agent.store.outbox import LEDGER
from agent.store.sales import Binding, PosSale
from drivers.events import Answer

ODD_REFUSALS = frozenset({"NO_RULE", "NO_METERING_EVIDENCE", "BEYOND_RANGE"})
"""Why a sale, or a line of it, earned nothing although nobody decided so."""


def settle(
    binding: Binding, fact: Fact, sale: PosSale | None, tx: Transaction, site: Site, at: Instant
) -> Answer:
    """Award the fact to the binding's member, or say why not yet; a second call gives the same answer."""
    if settled := tx.awards.of_fact(fact.fact_id):
        return award_answer(settled, tx, site, at)
    if not binding.member:
        return no_award_answer(binding, site)
    lifecycle.take_effect(tx, site, at)
    member = tx.members.get(binding.member)
    if member is None:  # gone from the cache since: HQ still knows the credential
        return claim(
            tx.sales.identify(binding, "", binding.credential, "MEMBER_UNKNOWN"), fact, sale, tx, site, at
        )
    if reason := _reason_to_wait(fact, sale, member, tx, site):
        if reason == "NO_RULES" != binding.reason:
            count_oddity(reason, fact, tx, at)
        waiting = tx.sales.identify(binding, member.member, binding.credential, reason)
        return no_award_answer(waiting, site)
    bundle = tx.bundles.in_force(fact.event_time_ms)
    assert bundle is not None
    inputs = known_inputs(fact, sale, member, bundle, tx, site)
    earned = award(inputs, bundle)
    settled = _book(earned, inputs, fact, member, bundle, tx, site, at)
    lifecycle.observe(inputs, earned, bundle, tx)
    _watch_for_attendant_cards(inputs, member, fact, tx, site, at)
    return award_answer(settled, tx, site, at)


def claim(
    binding: Binding, fact: Fact, sale: PosSale | None, tx: Transaction, site: Site, at: Instant
) -> Answer:
    """Tell HQ of a paid fact whose member this station does not know; HQ awards by the same rules."""
    lifecycle.take_effect(tx, site, at)
    bundle = tx.bundles.in_force(fact.event_time_ms)
    inputs = anonymous_inputs(fact, sale, bundle, site) if bundle else None
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
    return no_award_answer(binding, site)


def count_oddity(reason: str, fact: Fact, tx: Transaction, at: Instant) -> None:
    """Points that a customer may have expected and somebody must look after: seen in `status`."""
    where = f"point {fact.point}" if fact.point else f"register {fact.device_key}"
    tx.alarms.count(reason, where, at.wall_ms, ids.text(fact.fact_id))


def _reason_to_wait(fact: Fact, sale: PosSale | None, member: Member, tx: Transaction, site: Site) -> str:
    if sale is not None and sale.refunded_fen and not is_prepaid(fact, sale, site):
        return "SALE_REFUNDED"
    if member.status == "CLOSED":
        return "MEMBER_CLOSED"
    if fact.kind == "fuelling" and _scale_is_doubtful(fact, tx):
        return metering.WRONG_SCALE
    return "" if tx.bundles.in_force(fact.event_time_ms) else "NO_RULES"


def _scale_is_doubtful(fact: Fact, tx: Transaction) -> bool:
    flagged = metering.WRONG_SCALE in fact.flags.split()
    return flagged or metering.withholds(tx.meters.get(fact.device_key, fact.nozzle))


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
    delay_s = bundle.activation.after_s if bundle.activation and earned.minor else 0
    repaid_minor = 0 if delay_s else min(books.owed_minor(member.member, tx), earned.minor)
    item = bodies.Award(
        kind="award",
        of=fact.stream_seq,
        member=member.member,
        bundle=bundle.bundle,
        version=bundle.version,
        inputs=LeanInputs.of(inputs, _fuel(fact), fact.event_time_ms),
        minor=earned.minor,
        reason=earned.reason,
        explanation=bodies.steps(earned.explanation),
        repaid_minor=repaid_minor,
        late_s=delay_s,
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
    coupons.use_up(stored, earned, inputs, tx, at)
    coupons.give_new(stored, earned, inputs, bundle, local_time(at.wall_ms, bundle).day, tx, at)
    for reason in sorted({line.rule for line in earned.explanation if line.kind == "refused"} & ODD_REFUSALS):
        count_oddity(reason, fact, tx, at)
    if earned.minor:
        books.earn(_lot(stored, earned, inputs, bundle, delay_s, tx, site, at), repaid_minor, tx, at)
    used = counted(inputs, earned.minor, earned.reason)
    for period in periods(inputs):
        tx.awards.use(
            *(member.member, period),
            minor=used.minor,
            fills=used.fills,
            volume_ml=used.volume_ml,
            amount_fen=used.amount_fen,
        )
    return stored


def _fuel(fact: Fact) -> Line | None:
    return fuel_line(fact.product, fact.volume_ml, fact.amount_fen) if fact.kind == "fuelling" else None


def _lot(
    award: StoredAward,
    earned: Award,
    inputs: AwardInputs,
    bundle: Bundle,
    delay_s: int,
    tx: Transaction,
    site: Site,
    at: Instant,
) -> StoredLot:
    """The term is that of the rules that judged; pauses and the way to spend are what is known today."""
    newest = tx.bundles.in_force(at.wall_ms) or bundle
    ratio = ratio_at(bundle.redemption, inputs.local.day) if bundle.redemption else None
    earned_on = inputs.local.business_date
    return StoredLot(
        lot_id=award.award_id,
        member=award.member,
        minor=earned.minor,
        remaining_minor=earned.minor,
        lapsed_minor=0,
        state=LotState.PENDING if delay_s else LotState.ACTIVE,
        earned_on=earned_on,
        spendable_at_ms=at.wall_ms + delay_s * 1000,
        term_ends_on=earned.lapses_on,
        lapses_on=lapses_on(earned_on, earned.lapses_on, newest.expiry, site),
        honoured_until="",
        ratio_version=ratio.version if ratio else 0,
    )


def _watch_for_attendant_cards(
    inputs: AwardInputs, member: Member, fact: Fact, tx: Transaction, site: Site, at: Instant
) -> None:
    """A card that collects other people's fillings is flagged, never refused (feature S-165)."""
    if fact.volume_ml and inputs.usage.day_fills + 1 > site.limits.fills_a_day:
        tx.alarms.count(
            "CARD_TOO_OFTEN", f"member {member.member}", at.wall_ms, f"{inputs.usage.day_fills + 1} today"
        )
