"""How fast HQ takes envelopes in, against PostgreSQL taking the same rows and nothing else.

Ours is the whole receiver: inflate, verify, chain, parse, compute every award again, look for facts that
are held already, store, move the watermark, commit, sign the ack. The baseline is psycopg's `executemany`
of the very rows that ours has stored, a commit for as many rows as ours commits.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy as sa
from psycopg import sql

from agent.messages.judge import judge_with
from sync import topics
from sync.envelope import GENESIS, MAX_ITEMS, Header, encode_head, next_head, seal
from sync.hq.receiver import Receiver
from sync.hq.runs import MOST_BATCHES
from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey
from sync.outbox import LEDGER
from tests.bench.figure import Figure, rounded
from tests.bench.rig import MORNING_MS
from tests.bench.sales import demo_bundle, items
from tests.integration.hq.postgres import cluster

STATIONS = 4
KEY, HQ_KEY = SigningKey(b"S" * 32), SigningKey(b"H" * 32)


def ingest(directory: Path, *, pairs: int, batches: int) -> Figure:
    """`batches` of 100 items in each run; the stations take turns after ten, as if each drained a backlog."""
    sealed = list(_sealed(batches))
    with cluster(directory) as url:
        runs = [_run(url, number, sealed) for number in range(pairs)]
    ratios = [run.bare_s / run.ours_s for run in runs]
    middle = runs[ratios.index(sorted(ratios)[len(ratios) // 2])]
    rows = batches * MAX_ITEMS
    return Figure(
        "hq_ingest_against_bare_inserts",
        median(ratios),
        0.3,
        at_least=True,
        ratio=median(ratios),
        details={
            "unit": "rows/s of the receiver over rows/s of psycopg's executemany, PostgreSQL, fsync on",
            "sales_per_s": rounded(rows / 2 / middle.ours_s),
            "bare_sales_per_s": rounded(rows / 2 / middle.bare_s),
            "each_batch_alone_sales_per_s": rounded(rows / 2 / middle.alone_s),
            "ratio_each_batch_alone": rounded(median(run.bare_s / run.alone_s for run in runs)),
            "processor_us_per_sale": rounded(2e6 * middle.processor_s / rows),
            "rows": rows,
            "pairs": pairs,
            "spread": [rounded(min(ratios)), rounded(max(ratios))],
        },
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Seconds for the same rows: of HQ in a drain, of HQ with a transaction a batch, of bare inserts."""

    ours_s: float
    alone_s: float
    bare_s: float
    processor_s: float


def _run(url: str, number: int, sealed: Sequence[tuple[str, bytes]]) -> _Run:
    """Each in a database of its own."""
    ours = _database(url, f"ours_{number}")
    cpu_s = time.process_time()
    ours_s = _received(ours, sealed, MOST_BATCHES)
    processor_s = time.process_time() - cpu_s
    alone_s = _received(_database(url, f"alone_{number}"), sealed, 1)
    return _Run(ours_s, alone_s, _inserted(ours, _database(url, f"bare_{number}")), processor_s)


def _sealed(batches: int) -> Iterator[tuple[str, bytes]]:
    """(station, envelope)"""
    roads = [_station(_name(number)) for number in range(STATIONS)]
    for number in range(batches):
        yield next(roads[number // MOST_BATCHES % STATIONS])


def _station(name: str) -> Iterator[tuple[str, bytes]]:
    seq, head, ready = 1, GENESIS, items(50_000, name)
    while bodies := list(islice(ready, MAX_ITEMS)):
        said = {"station": name, "epoch": 1, "stream": LEDGER, "first_seq": seq, "count": len(bodies)}
        header = Header.model_validate(said | {"head_before": encode_head(head)})
        yield name, seal(header, bodies, KEY.sign)
        for body in bodies:
            head = next_head(head, body)
        seq += len(bodies)


def _database(url: str, name: str) -> str:
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = sa.make_url(url).set(database=name).render_as_string()
    store = HqStore(made)
    for station in range(STATIONS):
        assert store.add_station(_name(station), KEY.public.raw, MORNING_MS)
    store.close()
    return made


def _received(url: str, sealed: Sequence[tuple[str, bytes]], together: int) -> float:
    store, bundle = HqStore(url), demo_bundle()
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    receiver = Receiver(store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, lambda: MORNING_MS)
    messages = [(topics.up(name, LEDGER), payload) for name, payload in sealed]
    try:
        began = time.perf_counter()
        for first in range(0, len(messages), together):
            assert all(len(acks) == 1 for acks in receiver.handle_all(messages[first : first + together]))
        took_s = time.perf_counter() - began
    finally:
        store.close()
    assert receiver.counters()["ITEMS"] == MAX_ITEMS * len(sealed), receiver.counters()
    assert receiver.counters().keys() == {"BATCHES", "ITEMS", "WAITING", "DUPLICATES"}, "an alarm"
    return took_s


def _inserted(filled: str, empty: str) -> float:
    """What `filled` holds into `empty`, a commit for each batch, as it was received."""
    batch = "(seq - 1) / 100"
    with psycopg.connect(_plain(filled)) as connection:
        found = connection.execute(f"SELECT * FROM item ORDER BY {batch}, station, seq")
        names = [column.name for column in found.description or ()]
        rows = found.fetchall()
    insert = sql.SQL("INSERT INTO item ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join([sql.Placeholder()] * len(names))
    )
    with psycopg.connect(_plain(empty)) as connection:
        began = time.perf_counter()
        for first in range(0, len(rows), MAX_ITEMS):
            with connection.cursor() as cursor:
                cursor.executemany(insert, rows[first : first + MAX_ITEMS])
            connection.commit()
        return time.perf_counter() - began


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:")


def _name(station: int) -> str:
    return f"cn-{station:04d}"
