"""`store verify`: everything the tables promise each other, checked from the rows themselves.

SQLite's own integrity_check sees a damaged tree; it does not see a changed amount, a missing tail
or an edited balance (reliability.md, finding 6). The chains and sums here do.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sync.chain import GENESIS, next_head

Progress = Callable[[int, int], None]
"""done, total rows"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: which (invariant or reason code), where, and what was seen."""

    code: str
    where: str
    detail: str


_QUICK = "PRAGMA integrity_check(20)"
_TOTAL = "SELECT (SELECT count(*) FROM ledger_entry) + (SELECT count(*) FROM outbox)"
_ENTRIES = "SELECT seq, kind, ref, body, head FROM ledger_entry ORDER BY seq"
_POSTINGS = "SELECT seq, account, minor FROM posting ORDER BY seq, account"
_ACCOUNTS = "SELECT account, minor FROM account"
_OUTBOX = "SELECT stream, seq, body, head FROM outbox ORDER BY stream, seq"
_MARKS = "SELECT stream, seq, head FROM watermark"
_AWARDS = """
SELECT award.award_id, award.minor,
       coalesce((SELECT sum(minor) FROM refund WHERE refund.fact_id = award.fact_id), 0)
FROM award WHERE minor > 0
"""
_LOTS = """
SELECT member, sum(remaining_minor) FROM lot GROUP BY member
"""
_FACTS_IN_STREAM = """
SELECT fact.fact_id, fact.stream_seq, fact.kind, outbox.kind FROM fact
LEFT JOIN outbox ON outbox.stream = 'ledger' AND outbox.seq = fact.stream_seq
WHERE fact.stream_seq >= (SELECT coalesce(min(seq), 0) FROM outbox WHERE stream = 'ledger')
"""
_STRAY_AWARDS = """
SELECT award.fact_id FROM award LEFT JOIN binding ON binding.fact_id = award.fact_id
WHERE binding.member IS NULL OR binding.member <> award.member
"""
_BUNDLES = "SELECT bundle, version, sha256, body FROM bundle"


def verify(connection: sqlite3.Connection, progress: Progress | None = None) -> list[Finding]:
    """All findings, in the order of the checks; an empty list means that every promise holds."""
    total = int(connection.execute(_TOTAL).fetchone()[0])
    step = _steps(progress, total)
    return [
        *_tree(connection),
        *_ledger(connection, step),
        *_outbox(connection, step),
        *_awards(connection),
        *_bundles(connection),
    ]


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None and (done % 500 == 0 or done == total):
            progress(done, total)

    return step


def _tree(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (line,) in connection.execute(_QUICK):
        if line != "ok":
            yield Finding("DAMAGED_FILE", "database", line)


def _ledger(connection: sqlite3.Connection, step: Callable[[], None]) -> Iterator[Finding]:
    """I1, I2, I18: the chain, and that rows and caches say what the hashed bytes say."""
    head, expected_seq = GENESIS, 1
    balances: Counter[str] = Counter()
    rows = _postings_by_entry(connection)
    for seq, kind, ref, body, stored in connection.execute(_ENTRIES):
        step()
        where = f"ledger entry {seq}"
        if seq != expected_seq:
            yield Finding("LEDGER_GAP", where, f"expected {expected_seq}")
        head, expected_seq = next_head(head, body), seq + 1
        if head != stored:
            yield Finding("LEDGER_CHAIN", where, "its bytes or its place were changed")
            head = stored
        content = _entry(body)
        if content is None:
            rows.pop(seq, None)
            yield Finding("LEDGER_ROWS", where, "its bytes are no ledger entry")
            continue
        postings = sorted((account, minor) for account, minor in content["postings"])
        if sum(minor for _, minor in postings) != 0:
            yield Finding("LEDGER_SUM", where, "postings do not sum to zero")
        if (content["seq"], content["kind"], content["ref"]) != (
            seq,
            kind,
            ref.hex(),
        ) or postings != rows.pop(seq, []):
            yield Finding("LEDGER_ROWS", where, "the rows say something else than the entry")
        balances.update(dict.fromkeys((account for account, _ in postings), 0))
        for account, minor in postings:
            balances[account] += minor
    for seq in rows:
        yield Finding("LEDGER_ROWS", f"posting {seq}", "there is no such entry")
    stored_balances = dict(connection.execute(_ACCOUNTS))
    for account in sorted(balances.keys() | stored_balances.keys()):
        if balances[account] != stored_balances.get(account):
            yield Finding(
                "ACCOUNT_CACHE", account, f"{stored_balances.get(account)}, postings say {balances[account]}"
            )
    yield from _lots(connection, balances)


def _entry(body: bytes) -> dict[str, Any] | None:
    """What the entry says; None for bytes that cannot be one, for a damaged file may hold anything."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    is_entry = isinstance(content, dict) and content.keys() >= {"seq", "kind", "ref", "postings"}
    return content if is_entry else None


def _postings_by_entry(connection: sqlite3.Connection) -> dict[int, list[tuple[str, int]]]:
    rows: dict[int, list[tuple[str, int]]] = {}
    for seq, account, minor in connection.execute(_POSTINGS):
        rows.setdefault(seq, []).append((account, minor))
    return rows


def _lots(connection: sqlite3.Connection, balances: Counter[str]) -> Iterator[Finding]:
    """I9: what remains in a member's lots is what is pending and active."""
    for member, remaining in connection.execute(_LOTS):
        spendable = balances[f"member:{member}:active"] + balances[f"member:{member}:pending"]
        if remaining != spendable:
            yield Finding("LOTS", f"member {member}", f"lots hold {remaining}, accounts {spendable}")


def _outbox(connection: sqlite3.Connection, step: Callable[[], None]) -> Iterator[Finding]:
    """I19: no gap, the chain, and the watermark on it; acknowledged rows may be gone from the front."""
    heads: dict[tuple[str, int], bytes] = {}
    stream_before, seq_before, head = "", 0, GENESIS
    for stream, seq, body, stored in connection.execute(_OUTBOX):
        step()
        where = f"{stream} {seq}"
        if stream != stream_before:
            stream_before, head = stream, GENESIS if seq == 1 else b""
        elif seq != seq_before + 1:
            yield Finding("OUTBOX_GAP", where, f"follows {seq_before}")
            head = b""
        if head and next_head(head, body) != stored:
            yield Finding("OUTBOX_CHAIN", where, "its bytes or its place were changed")
        heads[stream, seq], seq_before, head = stored, seq, stored
    for stream, seq, marked in connection.execute(_MARKS):
        ours = heads.get((stream, seq)) if seq else GENESIS
        if ours != marked:
            yield Finding("WATERMARK", stream, f"HQ acknowledged another history than ours at {seq}")


def _awards(connection: sqlite3.Connection) -> Iterator[Finding]:
    """I3, I12: every award has its member's binding, its fact its item, reversals stay below it."""
    for fact_id, stream_seq, kind, item_kind in connection.execute(_FACTS_IN_STREAM):
        if kind != item_kind:
            yield Finding("FACT_WITHOUT_ITEM", fact_id.hex(), f"ledger {stream_seq} is {item_kind}")
    for award_id, minor, reversed_minor in connection.execute(_AWARDS):
        if reversed_minor > minor:
            yield Finding("REVERSED_TOO_MUCH", award_id.hex(), f"{reversed_minor} of {minor}")
    for (fact_id,) in connection.execute(_STRAY_AWARDS):
        yield Finding("AWARD_WITHOUT_BINDING", fact_id.hex(), "no binding names its member")


def _bundles(connection: sqlite3.Connection) -> Iterator[Finding]:
    """I21: a version has one hash, that of its bytes."""
    for name, version, sha256, body in connection.execute(_BUNDLES):
        if hashlib.sha256(body).digest() != sha256:
            yield Finding("BUNDLE_BYTES", f"{name} {version}", "not the bytes that were signed")
