"""What HQ decided about points: booked once, as its lot, the ledger and what HQ was told say; and grants."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.points.ledger import GOODWILL
from agent.points.ratios import ratio_at
from agent.points.rules import Bundle
from agent.store.bundles import StoredBundle
from agent.store.checks.finding import Finding
from agent.store.checks.last_days import LastDays, local_time
from agent.store.checks.outbox import Said

_ADJUSTMENTS = """
SELECT adjustment.adjustment_id, adjustment.command, adjustment.cause, adjustment.member, adjustment.minor,
       adjustment.borne_minor, adjustment.fact_id, adjustment.term_ends_on, adjustment.reason,
       adjustment.case_id, adjustment.adjusted_at_ms, adjustment.stream_seq,
       award.award_id, award.member, award.stream_seq,
       lot.member, lot.minor, lot.earned_on, lot.spendable_at_ms, lot.term_ends_on, lot.lapses_on,
       lot.honoured_until, lot.ratio_version,
       (SELECT max(ledger_entry.at_ms) FROM lot_move JOIN ledger_entry ON ledger_entry.seq = lot_move.seq
        WHERE lot_move.lot_id = lot.lot_id AND ledger_entry.kind = 'return')
FROM adjustment LEFT JOIN award ON award.fact_id = adjustment.fact_id
LEFT JOIN lot ON lot.lot_id = adjustment.adjustment_id AND lot.source = 'adjustment'
ORDER BY adjustment.adjustment_id
"""
_ENTRIES = """
SELECT entry.kind, entry.ref, entry.at_ms, coalesce(sum(posting.minor), 0)
FROM ledger_entry AS entry LEFT JOIN posting ON posting.seq = entry.seq AND posting.account = ?
WHERE entry.kind IN ('goodwill', 'adjustment', 'correction') GROUP BY entry.seq
"""
_WITHOUT_SOURCE = """
SELECT lot_id FROM lot WHERE CASE source
    WHEN 'award' THEN NOT EXISTS (SELECT 1 FROM award WHERE award.award_id = lot.lot_id)
    ELSE NOT EXISTS (SELECT 1 FROM adjustment WHERE adjustment.adjustment_id = lot.lot_id) END
"""
_STATION = "SELECT station FROM station"
_GRANTS = """
SELECT grant_id, grant_epoch, member, minor, spent_minor, state, statements, closed_at_ms FROM rights_grant
ORDER BY grant_id, grant_epoch
"""

Booked = tuple[str, bytes, int, int]
"""An entry: its kind, what it is about, when, and what it moved of `programme:goodwill`."""


@dataclass(slots=True)
class _Row:
    """One adjustment with everything that must agree with it; the fields stand in the order of the query."""

    adjustment_id: bytes
    command: str
    cause: str
    member: str
    minor: int
    borne_minor: int
    fact_id: bytes | None
    term_ends_on: str
    reason: str
    case_id: str
    adjusted_at_ms: int
    stream_seq: int
    award_id: bytes | None
    award_member: str | None
    award_seq: int | None
    lot_member: str | None
    lot_minor: int
    earned_on: str
    spendable_at_ms: int
    lot_term: str
    lapses_on: str
    honoured_until: str
    ratio_version: int
    returned_at_ms: int | None


def check_adjustments(
    connection: sqlite3.Connection, bundles: Mapping[int, tuple[StoredBundle, Bundle]], said: Said
) -> Iterator[Finding]:
    last_days, rules = LastDays(bundles), [bundle for _, bundle in bundles.values()]
    station = str(connection.execute(_STATION).fetchone()[0])
    told, booked = dict(said.adjusted), Counter[Booked](connection.execute(_ENTRIES, (GOODWILL,)))
    for values in connection.execute(_ADJUSTMENTS):
        row = _Row(*values)
        where = f"adjustment {row.command}"
        if row.adjustment_id != _adjustment_id(station, row.command):
            yield Finding("ADJUSTMENT", where, "it has the id of another one")
        if (row.cause == "correction") != (row.award_id is not None) or row.award_member not in (
            None,
            row.member,
        ):
            yield Finding("ADJUSTMENT", where, "it is of no such award")
        entry = _entry(row)
        if not booked[entry]:
            yield Finding("ADJUSTMENT", where, f"the ledger has no such entry '{entry[0]}'")
        booked[entry] -= 1
        yield from _lot(row, rules, last_days, said, where)
        item = told.pop(row.stream_seq, None)
        if item is None:
            if row.stream_seq >= said.since.get("ledger", 1):
                yield Finding("ADJUSTMENT", where, "HQ was not told of it")
        elif not _is_told(item, row):
            yield Finding("ADJUSTMENT", where, "HQ was told something else of it")
    for seq in told:
        yield Finding("ADJUSTMENT", f"ledger {seq}", "HQ was told of it, and it is not there")
    for (kind, ref, _, _), times in booked.items():
        if times > 0:
            yield Finding("ADJUSTMENT", f"entry '{kind}' of {ref.hex()}", "nothing says why it was booked")
    for (lot_id,) in connection.execute(_WITHOUT_SOURCE):
        yield Finding("LOT_TERMS", f"lot {lot_id.hex()}", "no award or adjustment opened it")


def _entry(row: _Row) -> Booked:
    """The one that must be in the ledger; what a correction takes goes to `issued`, like a refund."""
    if row.minor > 0:
        return "goodwill", row.adjustment_id, row.adjusted_at_ms, -row.minor
    if row.cause == "adjust":
        return "adjustment", row.adjustment_id, row.adjusted_at_ms, -row.minor
    return "correction", row.award_id or b"", row.adjusted_at_ms, -row.borne_minor


def _lot(row: _Row, rules: list[Bundle], last_days: LastDays, said: Said, where: str) -> Iterator[Finding]:
    """What was given is in a lot of its own, with the terms that HQ set."""
    if row.lot_member is None:
        if row.minor > 0:
            yield Finding("LOT_TERMS", where, "its points are in no lot")
        return
    stored = (row.lot_member, row.lot_minor, row.lot_term, row.spendable_at_ms)
    today = {local.business_date for rule in rules if (local := local_time(row.adjusted_at_ms, rule))}
    ratios = {0} | {
        ratio.version
        for rule in rules
        if rule.redemption
        and (local := local_time(row.adjusted_at_ms, rule))
        and (ratio := ratio_at(rule.redemption, local.day))
    }
    if stored != (row.member, row.minor, row.term_ends_on, row.adjusted_at_ms) or not (
        row.earned_on in today and row.ratio_version in ratios
    ):
        yield Finding("LOT_TERMS", where, "its lot has other terms")
    if row.lapses_on not in last_days.of(row.earned_on, row.term_ends_on, row.returned_at_ms):
        yield Finding("LOT_TERMS", where, f"its lot lapses on {row.lapses_on or 'no day'}")
    until = said.honoured.get(row.stream_seq)
    unsaid = row.honoured_until if not said.everything("service") else ""
    if row.honoured_until != (until or unsaid):
        yield Finding("LOT_TERMS", where, f"its lot is honoured until {row.honoured_until or 'no day'}")


def _is_told(item: dict[str, Any], row: _Row) -> bool:
    ours = {
        "command": row.command,
        "cause": row.cause,
        "of": row.award_seq or 0,
        "member": row.member,
        "minor": row.minor,
        "borne_minor": row.borne_minor,
        "term_ends_on": row.term_ends_on,
        "reason": row.reason,
        "case": row.case_id,
        "at_ms": row.adjusted_at_ms,
    }
    absent = {"of": 0, "minor": 0, "borne_minor": 0, "term_ends_on": "", "case": ""}
    return all((absent | item).get(key) == value for key, value in ours.items())


def _adjustment_id(station: str, command: str) -> bytes:
    """SHA-256 of 0x05 and the length-prefixed fields. Written anew here on purpose."""
    digest = hashlib.sha256(b"\x05")
    for part in (station.encode(), command.encode()):
        digest.update(len(part).to_bytes(2, "big") + part)
    return digest.digest()[:16]


def check_grants(connection: sqlite3.Connection, said: Said) -> Iterator[Finding]:
    """I15, as far as it is this station's: each epoch in order, open at most in its last, closed as told."""
    last: tuple[str, str] = ("", "")
    for grant_id, epoch, member, minor, spent_minor, state, statements, closed_at_ms in connection.execute(
        _GRANTS
    ):
        where = f"grant {grant_id} epoch {epoch}"
        if last == (grant_id, "ACTIVE"):
            yield Finding("GRANT", where, "the epoch before it is still open")
        last = (grant_id, state)
        if state not in ("ACTIVE", "SETTLED", "EXPIRED") or (closed_at_ms is None) != (state == "ACTIVE"):
            yield Finding("GRANT", where, f"it cannot be {state} here")
        if (statements == 0) != (state == "ACTIVE"):
            yield Finding("GRANT", where, f"{state} after {statements} statements")
        item = said.statements.get((grant_id, epoch))
        if item is None:
            if statements and said.everything("urgent"):
                yield Finding("GRANT", where, "HQ was told of no statement")
        elif (item.get("number"), item.get("member"), item.get("spent_minor"), item.get("left_minor")) != (
            *(statements, member, spent_minor),
            minor - spent_minor,
        ):
            yield Finding("GRANT", where, "HQ was told something else of it")
