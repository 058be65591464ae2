"""An award here was wrong by our fault: made up, taken back, or borne by the programme (feature S-074)."""

from dataclasses import replace
from datetime import date

from agent.clock import Instant
from agent.handlers import books
from agent.handlers.adjust import give, tell_hq
from agent.handlers.award_inputs import local_time
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages import ids
from agent.messages.down import Correction
from agent.points.rules import Bundle
from agent.points.validity import term_end
from agent.store.adjustments import StoredAdjustment
from agent.store.awards import StoredAward
from agent.store.database import Transaction
from agent.store.outbox import LEDGER
from sync.down import Down


def correct_award(body: Correction, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: AWARD_UNKNOWN, NO_RULES, CORRECTION_AFTER_REFUND, CORRECTION_TOO_LARGE (more would be taken
    than the award gave), TERM_OVER (what would be made up has lapsed already)."""
    fact_id = ids.from_text(body.fact)
    award = tx.awards.of_fact(fact_id) if fact_id else None
    bundle = tx.bundles.in_force(at.wall_ms)
    if award is None:
        return Verdict("AWARD_UNKNOWN", f"no award of fact {body.fact} here")
    if bundle is None:
        return Verdict("NO_RULES", "without rules there are no business days")
    binding = tx.sales.binding(award.fact_id)
    sale = tx.sales.get(binding.register, binding.pos_sale_id) if binding and binding.pos_sale_id else None
    if sale is not None and sale.refunded_fen:
        return Verdict(
            "CORRECTION_AFTER_REFUND", f"{sale.refunded_fen} fen went back already; adjust instead"
        )
    taken_minor = tx.adjustments.taken_minor(award.fact_id) + tx.adjustments.borne_minor(award.fact_id)
    left_minor = award.minor - taken_minor
    if -body.minor > left_minor:
        return Verdict("CORRECTION_TOO_LARGE", f"{left_minor} minor units are left of the award")
    adjustment = _adjustment(body, award, tx, site, at, down)
    return _book(adjustment, award, bundle, tx, site, at)


def _adjustment(
    body: Correction, award: StoredAward, tx: Transaction, site: Site, at: Instant, down: Down
) -> StoredAdjustment:
    borne_minor = -body.minor if body.minor < 0 and body.borne_by == "programme" else 0
    return StoredAdjustment(
        adjustment_id=ids.adjustment_id(site.station, down.id),
        command=down.id,
        cause="correction",
        member=award.member,
        minor=body.minor + borne_minor,
        borne_minor=borne_minor,
        fact_id=award.fact_id,
        term_ends_on="",
        reason=body.reason,
        case_id="",
        adjusted_at_ms=at.wall_ms,
        stream_seq=tx.outbox.next_seq(LEDGER),
    )


def _book(
    adjustment: StoredAdjustment,
    award: StoredAward,
    bundle: Bundle,
    tx: Transaction,
    site: Site,
    at: Instant,
) -> Verdict:
    local = local_time(at.wall_ms, bundle)
    today = local.business_date
    if adjustment.minor > 0:
        term_ends_on = _term(award, local.day, bundle, tx)
        if term_ends_on and term_ends_on < today:
            return Verdict("TERM_OVER", f"the award's points lapsed on {term_ends_on}; adjust instead")
        give(replace(adjustment, term_ends_on=term_ends_on), award.stream_seq, bundle, tx, site, at)
        return DONE
    tx.adjustments.add(adjustment)
    if adjustment.borne_minor:
        books.bear(award.award_id, adjustment.borne_minor, tx, at)
        tell_hq(adjustment, award.stream_seq, today, tx)
        return DONE
    taken = books.take_back(award.award_id, award.member, -adjustment.minor, tx, at, "correction")
    tell_hq(adjustment, award.stream_seq, today, tx, lapsed_minor=taken.lapsed_minor)
    if taken.minor > taken.lapsed_minor:
        tx.notices.add(award.member, "POINTS_CORRECTED", taken.minor - taken.lapsed_minor, at.wall_ms)
    return DONE


def _term(award: StoredAward, today: date, bundle: Bundle, tx: Transaction) -> str:
    """The award's own last day; where it gave nothing, that of points which are earned today."""
    if own := tx.lots.of(award.award_id):
        return own.term_ends_on
    last_day = term_end(today, bundle.expiry)
    return last_day.isoformat() if last_day else ""
