"""Money goes back, and the points it earned: exactly, in however many parts (points.md 4).

What goes back before the sale has found its fuelling was never fuelled: the rest of a prepayment. The sale
then waits for what was kept, earns on that, and what is refunded later is a share of that.
"""

from dataclasses import dataclass, replace

from agent.clock import Instant
from agent.handlers import books
from agent.handlers.bind_sale import bind_after_refund
from agent.handlers.receipt import refund_answer
from agent.handlers.site import Site
from agent.handlers.told import Told, refused
from agent.messages import bodies
from agent.points.lots import Reversal
from agent.points.refunds import reversal_minor
from agent.store.awards import StoredAward
from agent.store.database import Transaction
from agent.store.outbox import LEDGER
from agent.store.sales import Refund
from drivers.events import Answer, Notice, Outcome, SaleRefunded


@dataclass(frozen=True, slots=True)
class _Part:
    """How much of how much went back until now. A rest that was never fuelled counts in neither."""

    refunded_fen: int
    total_fen: int


def refund_sale(event: SaleRefunded, tx: Transaction, site: Site, at: Instant) -> Told:
    """Take back the refunded share of the sale's points, or find the fuelling of a sale that still waits.

    A repeated refund id changes nothing.
    """
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
    rest_fen = tx.sales.rest_fen(sale)
    part = _Part(sale.refunded_fen + event.amount_fen - rest_fen, sale.total_fen - rest_fen)
    taken = _take_back(award, part, tx, at) if award else None
    minor = taken.minor if taken else 0
    refund = Refund(
        event.register, event.refund_id, sale.pos_sale_id, sale.fact_id, event.amount_fen, minor, at.wall_ms
    )
    tx.sales.add_refund(refund)
    _tell_hq(refund, taken.lapsed_minor if taken else 0, part, award, tx)
    notices: tuple[Notice, ...] = ()
    if sale.state in ("CANDIDATE", "AMBIGUOUS"):
        less = replace(sale, refunded_fen=sale.refunded_fen + event.amount_fen)
        notices = bind_after_refund(less, tx, site, at)
    return Told(_answer(refund, Outcome.DONE, tx, site, at), notices)


def _take_back(award: StoredAward, part: _Part, tx: Transaction, at: Instant) -> Reversal | None:
    """None where the share is less than one minor unit."""
    already = tx.sales.reversed_minor(award.fact_id)
    worth_minor = award.minor - tx.adjustments.taken_minor(award.fact_id)
    minor = reversal_minor(worth_minor, part.total_fen, part.refunded_fen, already)
    return books.take_back(award.award_id, award.member, minor, tx, at) if minor else None


def _tell_hq(
    refund: Refund, lapsed_minor: int, part: _Part, award: StoredAward | None, tx: Transaction
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
        refunded_fen=part.refunded_fen,
        total_fen=part.total_fen,
        minor=refund.minor,
        lapsed_minor=lapsed_minor,
        corrected_minor=tx.adjustments.taken_minor(award.fact_id) if award else 0,
        at_ms=refund.refunded_at_ms,
    )
    tx.outbox.put(LEDGER, "refund", item.encoded(), refund.refunded_at_ms)


def _answer(refund: Refund, outcome: Outcome, tx: Transaction, site: Site, at: Instant) -> Answer:
    award = tx.awards.of_fact(refund.fact_id) if refund.fact_id else None
    return refund_answer(refund, outcome, award, tx, site, at)
