"""Coupons: a serial is used by one award, which names its kind, and HQ was told of that and nothing else."""

import json
import sqlite3
from collections.abc import Iterator

from agent.store.checks.finding import Finding
from agent.store.checks.outbox import Said

_USED = """
SELECT coupon.serial, coupon.member, coupon.kind, coupon.valid_from, coupon.valid_until, coupon.used_at_ms,
       award.fact_id, award.member, award.inputs, award.settled_at_ms, award.stream_seq
FROM coupon LEFT JOIN award ON award.fact_id = coupon.used_fact_id
WHERE coupon.used_fact_id IS NOT NULL OR coupon.used_at_ms IS NOT NULL ORDER BY coupon.serial
"""
_ISSUED = """
SELECT coupon.serial, coupon.member, coupon.kind, coupon.valid_until, coupon.issued_at_ms,
       award.member, award.settled_at_ms, award.stream_seq
FROM coupon LEFT JOIN award ON award.fact_id = coupon.issued_fact_id
WHERE coupon.issued_fact_id IS NOT NULL OR coupon.issued_at_ms IS NOT NULL ORDER BY coupon.serial
"""
_WITH_COUPONS = "SELECT fact_id, result FROM award WHERE result LIKE '%\"coupons_used\"%'"


def check_coupons(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    """The awards themselves are computed again elsewhere."""
    yield from _used(connection, said)
    yield from _issued(connection, said)


def _used(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    told = dict(said.coupons_used)
    lacking = {
        (fact_id, kind)
        for fact_id, result in connection.execute(_WITH_COUPONS)
        for kind in _kinds_used(result)
    }
    for row in connection.execute(_USED):
        serial, member, kind, first, last, used_at_ms, fact_id, of_member, inputs, at_ms, seq = row
        where = f"coupon {serial}"
        if (fact_id, kind) not in lacking or (member, used_at_ms) != (of_member, at_ms):
            yield Finding("COUPON", where, "no award of its member names its kind")
            continue
        lacking.remove((fact_id, kind))
        if not first <= _business_date(inputs) <= last:
            yield Finding("COUPON", where, "it was used on a day on which it is not valid")
        yield from _as_told(where, told.pop(serial, None), {"of": seq, "at_ms": at_ms}, said)
    for fact_id, kind in sorted(lacking):
        yield Finding("COUPON", f"award of fact {fact_id.hex()}", f"no coupon {kind} was used up for it")
    yield from (Finding("COUPON", f"coupon {serial}", "HQ was told that it was used") for serial in told)


def _issued(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    told = dict(said.coupons_issued)
    for row in connection.execute(_ISSUED):
        serial, member, kind, valid_until, issued_at_ms, of_member, at_ms, seq = row
        where = f"coupon {serial}"
        if seq is None or (member, issued_at_ms) != (of_member, at_ms):
            yield Finding("COUPON", where, "it was given after no award of its member")
            continue
        ours = {"of": seq, "coupon": kind, "valid_until": valid_until, "at_ms": at_ms}
        yield from _as_told(where, told.pop(serial, None), ours, said)
    yield from (Finding("COUPON", f"coupon {serial}", "HQ was told that it was given") for serial in told)


def _as_told(
    where: str, item: dict[str, object] | None, ours: dict[str, object], said: Said
) -> Iterator[Finding]:
    """What HQ was told, as far as that is kept."""
    if item is None:
        if said.everything("service"):
            yield Finding("COUPON", where, "HQ was not told of it")
    elif any(item.get(key) != value for key, value in ours.items()):
        yield Finding("COUPON", where, "HQ was told something else of it")


def _kinds_used(result: str) -> list[str]:
    """What cannot be read is found where awards are computed again."""
    try:
        return [str(kind) for kind in json.loads(result)["coupons_used"]]
    except (ValueError, KeyError, TypeError):
        return []


def _business_date(inputs: str) -> str:
    try:
        return str(json.loads(inputs)["local"]["business_date"])
    except (ValueError, KeyError, TypeError):
        return ""
