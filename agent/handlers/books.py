"""Every change of a member's points here: an entry of the ledger, and the lots it moved (points.md 3).

Callers tell HQ what happened; postings and lots follow from that at both ends and are never sent.
"""

from typing import Literal

from agent.clock import Instant
from agent.points import ledger
from agent.points.lots import Lot, LotState, Part, Reversal, activate, lapse, reverse, spend, take
from agent.store.database import Transaction
from agent.store.lots import StoredLot


def owed_minor(member: str, tx: Transaction) -> int:
    """What the member owes the programme: the next points repay it."""
    return max(0, -tx.ledger.balance(ledger.debt(member)))


def earn(lot: StoredLot, repaid_minor: int, tx: Transaction, at: Instant) -> None:
    """An award opens its lot; `repaid_minor` of it goes into the member's debt at once."""
    delayed = lot.state == LotState.PENDING
    assert not (delayed and repaid_minor), "only what may be spent repays"
    postings = ledger.award_postings(lot.member, lot.minor, delayed=delayed)
    tx.lots.open(lot, tx.ledger.post("award", lot.lot_id, postings, at.wall_ms))
    _repay(lot, repaid_minor, tx, at)


def become_spendable(lot: StoredLot, tx: Transaction, at: Instant) -> int:
    """What was pending may be spent; returns how much of it repaid a debt at once."""
    postings = ledger.activation_postings(lot.member, lot.remaining_minor)
    tx.ledger.post("activation", lot.lot_id, postings, at.wall_ms)
    active = lot.after(activate(lot.as_lot()))
    tx.lots.change(active)
    repaid_minor = min(owed_minor(lot.member, tx), active.remaining_minor)
    _repay(active, repaid_minor, tx, at)
    return repaid_minor


def let_lapse(lot: StoredLot, tx: Transaction, at: Instant) -> int:
    """What remains of a lot is worth nothing any more; returns how much that was."""
    expired, lapsed_minor = lapse(lot.as_lot())
    postings = ledger.expiry_postings(lot.member, lapsed_minor)
    seq = tx.ledger.post("expiry", lot.lot_id, postings, at.wall_ms)
    tx.lots.moved(lot.lot_id, seq, -lapsed_minor)
    tx.lots.change(lot.after(expired))
    return lapsed_minor


def give(lot: StoredLot, repaid_minor: int, tx: Transaction, at: Instant) -> None:
    """HQ's decision opens a lot, and `repaid_minor` of it goes into the member's debt at once."""
    postings = ledger.goodwill_postings(lot.member, lot.minor)
    tx.lots.open(lot, tx.ledger.post("goodwill", lot.lot_id, postings, at.wall_ms))
    _repay(lot, repaid_minor, tx, at)


def take_away(adjustment_id: bytes, member: str, minor: int, tx: Transaction, at: Instant) -> None:
    """HQ's decision takes points from the member's lots, see `lots.take`; what no lot has is owed."""
    stored = {lot.lot_id.hex(): lot for lot in tx.lots.of_member(member, with_rest=True)}
    taken = take([lot.as_lot() for lot in stored.values()], minor)
    pending_minor = sum(part.minor for part in taken.parts if stored[part.lot_id].state == LotState.PENDING)
    postings = ledger.taking_postings(member, taken.minor - pending_minor, pending_minor, taken.missing_minor)
    seq = tx.ledger.post("adjustment", adjustment_id, postings, at.wall_ms)
    _move(taken.parts, taken.lots, stored, seq, tx)


def bear(award_id: bytes, minor: int, tx: Transaction, at: Instant) -> None:
    """What an award gave too much stays with the member: the programme's gift, no lot moves."""
    tx.ledger.post("correction", award_id, ledger.bearing_postings(minor), at.wall_ms)


def take_back(
    award_id: bytes,
    member: str,
    minor: int,
    tx: Transaction,
    at: Instant,
    kind: Literal["refund", "correction"] = "refund",
) -> Reversal:
    """Reverse `minor` points of an award: from its own lot first, see `lots.reverse`."""
    own = tx.lots.of(award_id)
    assert own is not None, "every award with points has its lot"
    enough = own.remaining_minor + own.lapsed_minor >= minor
    rests = [] if enough else tx.lots.of_member(member, with_rest=True)
    others = [lot for lot in rests if lot.lot_id != award_id]
    stored = {lot.lot_id.hex(): lot for lot in (own, *others)}
    reversal = reverse(own.as_lot(), minor, [lot.as_lot() for lot in others])
    seq = tx.ledger.post(kind, award_id, ledger.reversal_postings(member, reversal), at.wall_ms)
    _move(reversal.parts, reversal.lots, stored, seq, tx)
    return reversal


def _repay(lot: StoredLot, minor: int, tx: Transaction, at: Instant) -> None:
    if minor:
        seq = tx.ledger.post(
            "repayment", lot.lot_id, ledger.repayment_postings(lot.member, minor), at.wall_ms
        )
        spending = spend([lot.as_lot()], minor)
        _move(spending.parts, spending.lots, {lot.lot_id.hex(): lot}, seq, tx)


def _move(
    parts: tuple[Part, ...], lots: tuple[Lot, ...], stored: dict[str, StoredLot], seq: int, tx: Transaction
) -> None:
    """Write what a debit took from which lot, and the lots as they are now."""
    for part in parts:
        tx.lots.moved(stored[part.lot_id].lot_id, seq, -part.minor)
    for lot in lots:
        tx.lots.change(stored[lot.id].after(lot))
