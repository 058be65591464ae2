"""A million rows of a station in seconds: real sales with ids and places of their own. For the storms.

A few thousand sales are awarded by the demo bundle; the others are the same ones with another id and place.
Nothing is drawn, so rows that the station has forgotten can be made again, to be compared with HQ's.
"""

import hashlib
import json
import sqlite3
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from agent.clock import Instant
from agent.messages.bodies import NoticeShown
from agent.messages.upkeep import StationMode
from agent.store.database import Store
from sync.envelope import GENESIS, next_head
from sync.outbox import LEDGER, STREAMS, URGENT
from tests.bench.rig import MORNING_MS
from tests.bench.sales import items

PATTERNS = 4_000
ONE_IN = 100
"""So many ledger rows stand for each row of `urgent` and of `service`."""
_ADD = "INSERT INTO outbox (stream, seq, kind, at_ms, body, head) VALUES (?, ?, ?, ?, ?, ?)"


class Row(NamedTuple):
    kind: str
    body: bytes


class _Pattern(NamedTuple):
    """A sale without its id and without its place: what stands before and behind them."""

    fact: tuple[bytes, bytes]
    award: tuple[bytes, bytes]
    member: str
    minor: int


def rows(station: str, stream: str, ledger_rows: int) -> Iterator[Row]:
    """Every row of a stream, in order; the ledger has a fuelling and its award in turn."""
    if stream == LEDGER:
        for n in range(ledger_rows // 2):
            pattern = _patterns()[n % PATTERNS]
            yield Row("fuelling", _id(station, n).join(pattern.fact))
            yield Row("award", (b"%d" % (2 * n + 1)).join(pattern.award))
        return
    for n in range(ledger_rows // ONE_IN):
        at_ms = MORNING_MS + n
        if stream == URGENT:
            mode = StationMode(kind="station.mode", mode="OFFLINE", was="ONLINE", was_ms=n, at_ms=at_ms)
            yield Row(mode.kind, mode.encoded())
        else:
            notice = NoticeShown(kind="notice.shown", member=f"m-{n}", code="LOT_EXPIRED", at_ms=at_ms)
            yield Row(notice.kind, notice.encoded())


def rows_of_all(ledger_rows: int) -> int:
    """Of all streams together."""
    return ledger_rows // 2 * 2 + 2 * (ledger_rows // ONE_IN)


def points(ledger_rows: int) -> Counter[str]:
    """What each member was given, minor units."""
    found = Counter[str]()
    for n in range(ledger_rows // 2):
        pattern = _patterns()[n % PATTERNS]
        found[pattern.member] += pattern.minor
    return found


def fill(database: Path, station: str, ledger_rows: int) -> None:
    """A station's database whose outbox holds these rows, and nothing else; not synced to the disk."""
    Store.open(database, station, "demo-cn", Instant(MORNING_MS)).close()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for stream in STREAMS:
            connection.executemany(_ADD, _chained(station, stream, ledger_rows))
        connection.execute("COMMIT")


def _chained(station: str, stream: str, ledger_rows: int) -> Iterator[tuple[object, ...]]:
    head = GENESIS
    for seq, (kind, body) in enumerate(rows(station, stream, ledger_rows), 1):
        head = next_head(head, body)
        yield stream, seq, kind, MORNING_MS, body, head


@cache
def _patterns() -> tuple[_Pattern, ...]:
    made = items(PATTERNS)
    return tuple(_pattern(fact, award) for fact, award in zip(made, made, strict=True))


def _pattern(fact: bytes, award: bytes) -> _Pattern:
    read = json.loads(award)
    return _Pattern(
        _around(fact, json.loads(fact)["id"].encode()),
        _around(award, b"%d" % read["of"], b'"of":', b","),
        read["member"],
        read.get("minor", 0),
    )


def _around(body: bytes, what: bytes, left: bytes = b'"', right: bytes = b'"') -> tuple[bytes, bytes]:
    before, found, after = body.partition(left + what + right)
    assert found
    return before + left, right + after


def _id(station: str, n: int) -> bytes:
    digest = hashlib.sha256(f"{station} {n}".encode()).digest()
    return urlsafe_b64encode(digest[:16])[:22]
