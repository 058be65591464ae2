"""Money goes back, and the points it earned: exactly, in however many parts (points.md 4)."""

from agent.clock import Instant
from agent.handlers import books
from agent.handlers.receipt import refund_answer
from agent.handlers.site import Site
from agent.handlers.told import Told, refused
from agent.messages import bodies
from agent.points.lots import Reversal
from agent.points.refunds import reversal_minor
from agent.store.awards import StoredAward
from agent.store.database import Transaction
from agent.store.outbox import LEDGER
from agent.store.sales import PosSale, Refund
from drivers.events import Answer, Outcome, SaleRefunded


def refund_sale(event: SaleRefunded, tx: Transaction, site: Site, at: Instant) -> Told:
    """Take back the refunded share of the sale's points; a repeated refund id changes nothing."""
    if known := tx.sales.refund(event.register, event.refund_id):
        same = (known.pos_sale_id, known.amount_fen) == (event.pos_sale_id, event.amount_fen)
        return (
            Told(_answer(known, Outcome.REPEATED, tx, site, at)) if same else refused(site, "REFUND_CONFLICT")
        )
    sale = tx.sales.get(event.register, event.pos_sale_id)
    if sale is None:
        return refused(site, "SALE_UNKNOWN")
    if not 0 < event.amount_fen <= sale.total_fen - sale.refunded_fen:
        return refused(site, "REFUND_TOO_LARGE")
    award = tx.awards.of_fact(sale.fact_id) if sale.fact_id else None
    taken = _take_back(award, sale, sale.refunded_fen + event.amount_fen, tx, at) if award else None
    minor = taken.minor if taken else 0
    refund = Refund(
        event.register, event.refund_id, sale.pos_sale_id, sale.fact_id, event.amount_fen, minor, at.wall_ms
    )
    tx.sales.add_refund(refund)
    _tell_hq(refund, taken.lapsed_minor if taken else 0, sale, award, tx)
    return Told(_answer(refund, Outcome.DONE, tx, site, at))


def _take_back(
    award: StoredAward, sale: PosSale, refunded_fen: int, tx: Transaction, at: Instant
) -> Reversal | None:
    """None where the share is less than one minor unit."""
    already = tx.sales.reversed_minor(award.fact_id)
    worth_minor = award.minor - tx.adjustments.taken_minor(award.fact_id)
    minor = reversal_minor(worth_minor, sale.total_fen, refunded_fen, already)
    return books.take_back(award.award_id, award.member, minor, tx, at) if minor else None


def _tell_hq(
    refund: Refund, lapsed_minor: int, sale: PosSale, award: StoredAward | None, tx: Transaction
) -> None:
    fact = tx.facts.get(refund.fact_id) if refund.fact_id else None
    item = bodies.Refund(
        kind="refund",
        of=fact.stream_seq if fact else 0,
        award=award.stream_seq if award else 0,
        till=refund.register,
        refund_id=refund.refund_id,
        pos_sale_id=refund.pos_sale_id,
        amount_fen=refund.amount_fen,
        refunded_fen=sale.refunded_fen + refund.amount_fen,
        total_fen=sale.total_fen,
        minor=refund.minor,
        lapsed_minor=lapsed_minor,
        corrected_minor=tx.adjustments.taken_minor(award.fact_id) if award else 0,
        at_ms=refund.refunded_at_ms,
    )
    tx.outbox.put(LEDGER, "refund", item.encoded(), refund.refunded_at_ms)


def _answer(refund: Refund, outcome: Outcome, tx: Transaction, site: Site, at: Instant) -> Answer:
    award = tx.awards.of_fact(refund.fact_id) if refund.fact_id else None
    return refund_answer(refund, outcome, award, tx, site, at)
