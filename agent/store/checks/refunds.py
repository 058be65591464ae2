"""Refunds: their sums against awards, sales and the ledger (I12), and the closes that were told to HQ."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from agent.points.ledger import ISSUED
from agent.points.refunds import reversal_minor
from agent.store.checks.finding import Finding
from agent.store.checks.outbox import Said

_REFUNDS = """
SELECT refund.register, refund.refund_id, refund.pos_sale_id, refund.fact_id, refund.amount_fen, refund.minor,
       refund.refunded_at_ms, pos_sale.fact_id, pos_sale.total_fen - CASE WHEN refund.fact_id IS NULL THEN 0
           ELSE pos_sale.refunded_fen - (SELECT sum(one.amount_fen) FROM refund AS one
                                         WHERE one.fact_id = refund.fact_id) END,
       award.stream_seq,
       (SELECT coalesce(-sum(adjustment.minor), 0) FROM adjustment
        WHERE adjustment.fact_id = refund.fact_id AND adjustment.minor < 0)
FROM refund LEFT JOIN pos_sale
    ON pos_sale.register = refund.register AND pos_sale.pos_sale_id = refund.pos_sale_id
LEFT JOIN award ON award.fact_id = refund.fact_id
"""
_SALES = """
SELECT pos_sale.register, pos_sale.pos_sale_id, pos_sale.refunded_fen, pos_sale.total_fen,
       coalesce(sum(refund.amount_fen), 0), coalesce(sum(refund.minor), 0), max(refund.fact_id),
       coalesce(sum(refund.amount_fen) FILTER (WHERE refund.fact_id IS NULL), 0)
FROM pos_sale LEFT JOIN refund
    ON refund.register = pos_sale.register AND refund.pos_sale_id = pos_sale.pos_sale_id
GROUP BY pos_sale.register, pos_sale.pos_sale_id
HAVING pos_sale.refunded_fen > 0 OR count(refund.refund_id) > 0
"""
_WORTH = """
SELECT award.minor + (SELECT coalesce(sum(adjustment.minor), 0) FROM adjustment
                      WHERE adjustment.fact_id = award.fact_id AND adjustment.minor < 0)
FROM award WHERE award.fact_id = ?
"""
_TAKEN_BACK = """
SELECT entry.ref, sum(posting.minor) FROM posting JOIN ledger_entry AS entry ON entry.seq = posting.seq
WHERE posting.account = ? AND posting.minor > 0 AND entry.kind = 'refund' GROUP BY entry.ref
"""
_REVERSED = """
SELECT award.award_id, sum(refund.minor) FROM refund JOIN award ON award.fact_id = refund.fact_id
GROUP BY award.award_id HAVING sum(refund.minor) <> 0
"""
_CLOSES = "SELECT business_date, first_seq, last_seq, head, figures, closed_at_ms FROM daily_close"


def check_refunds(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    unheard = dict(said.refunds)
    for row in connection.execute(_REFUNDS):
        register, refund_id, *_, sold_as, total_fen, _, _ = row
        where = f"refund {register}/{refund_id}"
        if total_fen is None or row[3] not in (None, sold_as):
            yield Finding("REFUND", where, "it is of no such sale")
        item = unheard.pop((register, refund_id), None)
        if item is not None and _told(item) != _known(row):
            yield Finding("REFUND", where, "HQ was told something else")
        if item is None and said.everything("ledger"):
            yield Finding("REFUND", where, "HQ was not told")
    for register, refund_id in unheard:
        yield Finding("REFUND", f"refund {register}/{refund_id}", "HQ was told, and it is not there")
    yield from _sums(connection)


def _told(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        *(item.get("pos_sale_id"), item.get("award", 0), item.get("amount_fen"), item.get("minor", 0)),
        *(item.get("total_fen"), item.get("at_ms"), item.get("of", 0) != 0, item.get("corrected_minor", 0)),
    )


def _known(row: tuple[Any, ...]) -> tuple[object, ...]:
    _, _, sale_id, fact_id, amount_fen, minor, refunded_at_ms, _, total_fen, award_seq, corrected_minor = row
    has_fact = fact_id is not None
    return sale_id, award_seq or 0, amount_fen, minor, total_fen, refunded_at_ms, has_fact, corrected_minor


def _sums(connection: sqlite3.Connection) -> Iterator[Finding]:
    """I12: a sale's refunds take back their share of its points, and the ledger says the same.

    What went back before the sale had its fact was no part of what earned.
    """
    for register, sale_id, refunded_fen, total_fen, sum_fen, minor, fact_id, rest_fen in connection.execute(
        _SALES
    ).fetchall():
        where = f"sale {register}/{sale_id}"
        if not 0 < refunded_fen == sum_fen <= total_fen:
            yield Finding("REFUND", where, f"{refunded_fen} of {total_fen} fen, its refunds say {sum_fen}")
            continue
        row = connection.execute(_WORTH, (fact_id,)).fetchone()
        share = reversal_minor(max(0, row[0]), total_fen - rest_fen, sum_fen - rest_fen, 0) if row else 0
        if minor != share:
            yield Finding("REVERSED", where, f"{minor} taken back, its share is {share}")
    reversed_by_refunds = dict(connection.execute(_REVERSED))
    taken_back = dict(connection.execute(_TAKEN_BACK, (ISSUED,)))
    for award_id in reversed_by_refunds.keys() | taken_back.keys():
        refunds, ledger = reversed_by_refunds.get(award_id, 0), taken_back.get(award_id, 0)
        if refunds != ledger:
            yield Finding("REVERSED", f"award {award_id.hex()}", f"refunds {refunds}, the ledger {ledger}")


def check_closes(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    """What HQ was told of a day is what stands here."""
    unheard = dict(said.closes)
    for row in connection.execute(_CLOSES):
        item = unheard.pop(row[0], None)
        if item is not None and not _is_told(row, item):
            yield Finding("DAILY_CLOSE", row[0], "HQ was told something else")
    for business_date in unheard:
        yield Finding("DAILY_CLOSE", business_date, "HQ was told, and it is not there")


def _is_told(row: tuple[Any, ...], item: dict[str, Any]) -> bool:
    _, first_seq, last_seq, head, text, closed_at_ms = row
    try:
        figures = json.loads(text)
        told = {name: item.get(name, [] if name == "outstanding" else 0) for name in figures}
    except (ValueError, AttributeError):
        return False
    place = (item.get("first_seq"), item.get("last_seq"), item.get("head"), item.get("at_ms"))
    return bool(place == (first_seq, last_seq, head.hex(), closed_at_ms) and told == figures)
