"""(g) How fast `store verify` walks the ledger and computes awards again, against the bare work of each.

Bare ledger: the same rows read in the same order, and the SHA-256 of every entry on the one before.
Bare awards: the stored inputs read and judged, and nothing compared.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from agent.points.award import award
from agent.points.inputs import AwardInputs
from agent.store import integrity, reading
from agent.store.checks.awards import AwardWalk
from agent.store.checks.bundles import read_bundles
from agent.store.checks.finding import Finding
from agent.store.checks.ledger import LedgerWalk
from agent.store.checks.outbox import OutboxWalk
from sync.chain import GENESIS
from tests.bench.figure import Figure, rounded

_ENTRIES = "SELECT seq, kind, ref, at_ms, body, head FROM ledger_entry ORDER BY seq"
_POSTINGS = "SELECT seq, account, minor FROM posting ORDER BY seq"
_MOVES = "SELECT seq, minor FROM lot_move ORDER BY +seq"
_AWARDS = "SELECT version, inputs FROM award ORDER BY member, stream_seq"
_COUNTS = "SELECT (SELECT count(*) FROM ledger_entry), (SELECT count(*) FROM award)"


def walk(path: Path, *, pairs: int) -> list[Figure]:
    """The database must be sound: a finding would be measured, too."""
    with closing(reading.connect(path)) as connection:
        entries, awards = connection.execute(_COUNTS).fetchone()
        whole_s = _seconds(lambda: _sound(iter(integrity.verify(connection))))
        outbox = OutboxWalk(connection)
        _sound(outbox.run(_nothing))
        bundles, _ = read_bundles(connection)
        ledger_s, bare_ledger_s = _pairs(
            lambda: _sound(LedgerWalk(connection).run(_nothing)), lambda: _chain(connection), pairs
        )
        parsed = {version: bundle for version, (_, bundle) in bundles.items()}
        awards_s, bare_awards_s = _pairs(
            lambda: _sound(AwardWalk(connection, bundles, outbox.said).run(_nothing)),
            lambda: _judge(connection, parsed),
            (pairs + 1) // 2,
        )
    shared = {"entries": entries, "awards": awards, "whole_verify_s": rounded(whole_s)}
    return [
        _figure("verify_ledger_entries_per_s", entries, ledger_s, bare_ledger_s, 100_000, shared),
        _figure("verify_awards_per_s", awards, awards_s, bare_awards_s, None, shared),
    ]


def _figure(
    name: str,
    rows: int,
    ours_s: list[float],
    bare_s: list[float],
    limit: float | None,
    shared: dict[str, Any],
) -> Figure:
    ratios = [ours / bare for ours, bare in zip(ours_s, bare_s, strict=True)]
    return Figure(
        name,
        value=rows / median(ours_s),
        limit=limit,
        at_least=True,
        ratio=median(ratios),
        details={
            "unit": "rows a second; ratio of the time to that of the bare work",
            "bare_per_s": round(rows / median(bare_s)),
            **shared,
            "pairs": len(ratios),
            "spread": [rounded(min(ratios)), rounded(max(ratios))],
        },
    )


def _pairs(ours: Callable[[], None], bare: Callable[[], None], pairs: int) -> tuple[list[float], list[float]]:
    took = [(_seconds(ours), _seconds(bare)) for _ in range(pairs)]
    return [one for one, _ in took], [other for _, other in took]


def _seconds(work: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _sound(findings: Iterator[Finding]) -> None:
    assert (first := next(findings, None)) is None, first


def _nothing() -> None:
    """Nobody watches."""


def _chain(connection: sqlite3.Connection) -> None:
    head = GENESIS
    for *_, body, _ in connection.execute(_ENTRIES):
        head = hashlib.sha256(head + hashlib.sha256(body).digest()).digest()
    for query in (_POSTINGS, _MOVES):
        for _ in connection.execute(query):
            pass


def _judge(connection: sqlite3.Connection, bundles: dict[int, Any]) -> None:
    for version, inputs in connection.execute(_AWARDS):
        award(AwardInputs.model_validate_json(inputs), bundles[version])
