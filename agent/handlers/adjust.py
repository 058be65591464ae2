"""HQ gives a member points, or takes them: one decision, booked here once (feature S-054)."""

from agent.clock import Instant
from agent.handlers import books
from agent.handlers.award_inputs import local_time
from agent.handlers.passing_days import lapses_on
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages import ids
from agent.messages.adjustments import Adjusted
from agent.messages.down import Adjust
from agent.points.lots import LotState
from agent.points.ratios import ratio_at
from agent.points.rules import Bundle
from agent.store.adjustments import StoredAdjustment
from agent.store.database import Transaction
from agent.store.lots import StoredLot
from agent.store.outbox import LEDGER
from sync.down import Down


def adjust(body: Adjust, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Reasons: MEMBER_UNKNOWN, NO_RULES, TERM_OVER (what would be given has lapsed already)."""
    bundle = tx.bundles.in_force(at.wall_ms)
    if tx.members.get(body.member) is None:
        return Verdict("MEMBER_UNKNOWN", "not in this station's snapshot")
    if bundle is None:
        return Verdict("NO_RULES", "without rules there are no business days")
    today = local_time(at.wall_ms, bundle).business_date
    if body.minor > 0 and body.lapses_on and body.lapses_on < today:
        return Verdict("TERM_OVER", f"lapsed on {body.lapses_on}, today is {today}")
    adjustment = StoredAdjustment(
        adjustment_id=ids.adjustment_id(site.station, down.id),
        command=down.id,
        cause="adjust",
        member=body.member,
        minor=body.minor,
        borne_minor=0,
        fact_id=None,
        term_ends_on=body.lapses_on if body.minor > 0 else "",
        reason=body.reason,
        case_id=body.case,
        adjusted_at_ms=at.wall_ms,
        stream_seq=tx.outbox.next_seq(LEDGER),
    )
    if body.minor > 0:
        give(adjustment, 0, bundle, tx, site, at)
        return DONE
    tell_hq(adjustment, 0, today, tx)
    tx.adjustments.add(adjustment)
    books.take_away(adjustment.adjustment_id, body.member, -body.minor, tx, at)
    tx.notices.add(body.member, "POINTS_TAKEN", -body.minor, at.wall_ms)
    return DONE


def give(
    adjustment: StoredAdjustment, of: int, bundle: Bundle, tx: Transaction, site: Site, at: Instant
) -> None:
    """Book what was given: its row, its item, its lot; what the member owes is repaid with it at once.

    `of`: the award's seq in the ledger stream, for a correction.
    """
    today = local_time(at.wall_ms, bundle)
    repaid_minor = min(books.owed_minor(adjustment.member, tx), adjustment.minor)
    tell_hq(adjustment, of, today.business_date, tx, repaid_minor=repaid_minor)
    tx.adjustments.add(adjustment)
    ratio = ratio_at(bundle.redemption, today.day) if bundle.redemption else None
    lot = StoredLot(
        lot_id=adjustment.adjustment_id,
        member=adjustment.member,
        minor=adjustment.minor,
        remaining_minor=adjustment.minor,
        lapsed_minor=0,
        state=LotState.ACTIVE,
        earned_on=today.business_date,
        spendable_at_ms=at.wall_ms,
        term_ends_on=adjustment.term_ends_on,
        lapses_on=lapses_on(today.business_date, adjustment.term_ends_on, bundle.expiry, site),
        honoured_until="",
        ratio_version=ratio.version if ratio else 0,
        source="adjustment",
    )
    books.give(lot, repaid_minor, tx, at)


def tell_hq(
    adjustment: StoredAdjustment,
    of: int,
    on: str,
    tx: Transaction,
    *,
    repaid_minor: int = 0,
    lapsed_minor: int = 0,
) -> None:
    item = Adjusted(
        kind="adjusted",
        command=adjustment.command,
        cause=adjustment.cause,  # type: ignore[arg-type]  # the two that the table takes
        of=of,
        member=adjustment.member,
        minor=adjustment.minor,
        borne_minor=adjustment.borne_minor,
        repaid_minor=repaid_minor,
        lapsed_minor=lapsed_minor,
        on=on,
        term_ends_on=adjustment.term_ends_on,
        reason=adjustment.reason,
        case=adjustment.case_id,
        at_ms=adjustment.adjusted_at_ms,
    )
    seq = tx.outbox.put(LEDGER, "adjusted", item.encoded(), adjustment.adjusted_at_ms)
    assert seq == adjustment.stream_seq
