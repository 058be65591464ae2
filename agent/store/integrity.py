"""`store verify`: everything the tables promise each other, checked from the rows themselves.

SQLite's own integrity_check sees a damaged tree; it does not see a changed amount, a missing tail
or an edited balance (reliability.md, finding 6). The chains and sums here do. In the order of the
stages, each one pass over its rows:

| code | promise (points.md 7) |
|---|---|
| DAMAGED_FILE, DANGLING | SQLite's own checks; no row refers to nothing |
| SCHEMA, RAW_CREDENTIAL | I26, I27: tables as shipped, without fractions; no card or plate in the clear |
| HEADS_MISSING, HEADS_DAMAGED, LEDGER_CUT, LEDGER_FORKED | I18: it goes on from the heads outside it |
| LEDGER_GAP, LEDGER_CHAIN | I18: names the first entry that is missing or changed |
| LEDGER_ROWS, LEDGER_SUM | I1, I2: an entry's rows are its bytes and sum to zero |
| LOT_MOVES | I10: what an entry moves of a member's points it moves in lots |
| ACCOUNT_CACHE, USAGE_CACHE | I2: sums kept beside the rows are their sums |
| DAILY_CLOSE | ranges without a gap, heads and figures of the ledger, as HQ was told |
| FORK | incarnations part where the chains were |
| WATERMARK | I20: what HQ includes of ours is what we had written by then |
| LOTS, LOT_STATE | I9, I11: a lot is what its entries left of it; members' lots hold what their accounts do |
| HELD | I13: never more is captured or released than was held |
| OUTBOX_GAP, OUTBOX_CHAIN, ITEM | I19: nothing is missing, changed, or gone before HQ had it |
| FACT_WITHOUT_ITEM, FACT_ITEM | a fact is what HQ was told of it |
| BUNDLE_BYTES, BUNDLE_STATE, BUNDLE_VECTORS | I21 |
| BUNDLE_UNSOUND | I7: by the active rules more litres never earn fewer points, and none has a hole |
| AWARD, EXPLANATION, CAP, PROTECTED, NO_EVIDENCE | I4, I6, I8, I30, I28: computed again, bit for bit |
| AWARD_RULES | I22: judged by the bundle that was in force at the event time |
| AWARD_ID, AWARD_WITHOUT_BINDING, AWARD_ITEM | I3: one award per fact, its member's, as HQ was told |
| LOT_TERMS | a lot's points and days follow from its award, or from what HQ gave |
| ADJUSTMENT | I2: what HQ gave, took or corrected is in the ledger once, and as HQ was told |
| GRANT | I15: one epoch of a grant is open at most, and an end was told to HQ |
| COUPON | used by one award at most, whose result names its kind; given after one; as HQ was told |
| DOWN_GAP, DOWN_ITEM | what HQ told us, each number once, as HQ was told of it |
| TRUST | HQ's lists of keys follow one another |
| REFUND, REVERSED | I12: refunds take back their share, in the ledger too |
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator

from agent.store import heads as heads_file
from agent.store.checks.adjustments import check_adjustments, check_grants
from agent.store.checks.awards import AwardWalk
from agent.store.checks.bundles import check_bundles, read_bundles
from agent.store.checks.coupons import check_coupons
from agent.store.checks.down import check_down
from agent.store.checks.finding import Finding, Step
from agent.store.checks.ledger import LedgerWalk
from agent.store.checks.lots import check_lots
from agent.store.checks.outbox import OutboxWalk
from agent.store.checks.refunds import check_closes, check_refunds
from agent.store.checks.schema import check_schema
from agent.store.heads import HeadsFile

__all__ = ["MOST_ALIKE", "Finding", "Progress", "verify"]

Progress = Callable[[int, int], None]
"""done, total rows"""

MOST_ALIKE = 20
"""Findings of one code that are told; where everything is broken the first ones say so."""

_QUICK = "PRAGMA integrity_check(20)"
_ONLY_A_VALUE = "CHECK constraint failed"
"""Any other line means that rows may be anything: what they say is not looked at then."""
_FOREIGN_KEYS = "PRAGMA foreign_key_check"
_TOTAL = """
SELECT (SELECT count(*) FROM ledger_entry) + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM award)
"""


def verify(
    connection: sqlite3.Connection, progress: Progress | None = None, heads: HeadsFile | None = None
) -> list[Finding]:
    """All findings, in the order of the checks; an empty list means that every promise holds.

    `heads`: the file outside the database, if it is to be compared. Where the database is too damaged
    to be read, that is the last finding.
    """
    findings: list[Finding] = []
    alike: Counter[str] = Counter()
    try:
        for finding in _all(connection, progress, heads):
            alike[finding.code] += 1
            if alike[finding.code] <= MOST_ALIKE:
                findings.append(finding)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        findings.append(Finding("DAMAGED_FILE", "database", str(error)))
    for code, times in alike.items():
        if times > MOST_ALIKE:
            findings.append(Finding(code, "and more", f"{times} in all"))
    return findings


def _all(
    connection: sqlite3.Connection, progress: Progress | None, heads: HeadsFile | None
) -> Iterator[Finding]:
    damage = list(_tree(connection))
    yield from damage
    if any(not finding.detail.startswith(_ONLY_A_VALUE) for finding in damage):
        return
    yield from _references(connection)
    yield from check_schema(connection)
    if heads is not None and (reason := heads_file.compare(heads.read(), connection)):
        yield Finding(reason, str(heads.path), "the database does not go on from there")
    step = _steps(progress, int(connection.execute(_TOTAL).fetchone()[0]))
    ledger = LedgerWalk(connection)
    yield from ledger.run(step)
    yield from check_lots(connection, ledger.balances)
    outbox = OutboxWalk(connection)
    yield from outbox.run(step)
    bundles, broken = read_bundles(connection)
    yield from broken
    yield from check_bundles(bundles, outbox.said)
    yield from AwardWalk(connection, bundles, outbox.said).run(step)
    yield from check_adjustments(connection, bundles, outbox.said)
    yield from check_grants(connection, outbox.said)
    yield from check_coupons(connection, outbox.said)
    yield from check_refunds(connection, outbox.said)
    yield from check_closes(connection, outbox.said)
    yield from check_down(connection, outbox.said)


def _steps(progress: Progress | None, total: int) -> Step:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None and (done % 500 == 0 or done == total):
            progress(done, total)

    return step if progress is not None else _nothing


def _nothing() -> None:
    """Nobody watches."""


def _tree(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (line,) in connection.execute(_QUICK):
        if line != "ok":
            yield Finding("DAMAGED_FILE", "database", line)


def _references(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table, rowid, parent, _ in connection.execute(_FOREIGN_KEYS):
        yield Finding("DANGLING", f"{table} {rowid or ''}".strip(), f"its {parent} is not there")
