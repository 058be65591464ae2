"""How fast a backlog leaves the station, against paho alone; and what it costs the agent in memory.

Three processes: the agent's till and courier over a real database, mosquitto, and an HQ that acks every
batch at once. The baseline has all rows in memory, publishes each as a message of QoS 1 with as many in
flight, and takes the broker's word for delivery. Beside it stands paho with the very envelopes, sealed
beforehand: what MQTT alone costs, without reading, packing, signing or an answer of HQ's.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from agent.clock import Instant
from agent.store import reading
from agent.store.database import Store
from agent.store.outbox import LEDGER, OutboxReader
from sync.broker import start_broker
from sync.envelope import MAX_ITEMS
from sync.speech import Speech, Vitals
from sync.steps import Batch
from tests.bench.figure import Figure, rounded
from tests.bench.rig import MORNING_MS, site
from tests.bench.roadworks import PATIENCE_S, STATION_KEY, write_messages
from tests.bench.sales import items

ROOT = Path(__file__).parents[2]
ROWS_A_COMMIT = 2_000


def drain(directory: Path, *, pairs: int, sales: int, month_sales: int) -> list[Figure]:
    backlog = directory / "drain.db"
    fill(backlog, sales)
    write_messages(directory / "rows", items(sales))
    write_messages(directory / "envelopes", _sealed(backlog))
    runs = [_run(directory / f"run-{number}", directory) for number in range(pairs)]
    ratios = [run.rows_s / run.ours_s for run in runs]
    middle = runs[ratios.index(sorted(ratios)[len(ratios) // 2])]
    return [
        Figure(
            "drain_against_paho_alone",
            median(ratios),
            0.5,
            at_least=True,
            ratio=median(ratios),
            details={
                "unit": "rows/s of till and courier over rows/s of paho with one message a row, QoS 1",
                "sales": sales,
                "sales_per_s": rounded(sales / middle.ours_s),
                "paho_sales_per_s": rounded(sales / middle.rows_s),
                "paho_with_sealed_envelopes_sales_per_s": rounded(sales / middle.sealed_s),
                "ratio_to_sealed_envelopes": rounded(median(run.sealed_s / run.ours_s for run in runs)),
                "processor_us_per_sale": rounded(1e6 * middle.processor_s / sales),
                "spread": [rounded(min(ratios)), rounded(max(ratios))],
                "pairs": pairs,
            },
        ),
        *_month(directory, month_sales),
    ]


@dataclass(frozen=True, slots=True)
class _Run:
    """Seconds for the same rows: till and courier; paho with a message a row; paho with the envelopes."""

    ours_s: float
    rows_s: float
    sealed_s: float
    processor_s: float


def _run(place: Path, made: Path) -> _Run:
    place.mkdir()
    (place / "drain.db").write_bytes((made / "drain.db").read_bytes())
    with _road(place) as url:
        rows, sealed = run("paho", url, made / "rows"), run("paho", url, made / "envelopes")
        ours = run("courier", url, place / "drain.db")
    return _Run(ours["seconds"], rows["seconds"], sealed["seconds"], ours["processor_s"])


def _month(directory: Path, sales: int) -> list[Figure]:
    """Thirty days in the dark: everything that was sold, in one go."""
    database = directory / "month.db"
    fill(database, sales)
    with _road(directory / "broker-month") as url:
        ours = run("courier", url, database)
    details = {"sales": sales, "payload_mib": rounded(ours["payload_bytes"] / 2**20)}
    return [
        Figure(
            "month_drained_s",
            ours["seconds"],
            60,
            ratio=ours["processor_s"] / ours["seconds"],
            details=details | {"unit": "seconds; ratio: the agent's share of a processor"},
        ),
        Figure(
            "month_drained_growth_mib",
            ours["grown_kib"] / 1024,
            20,
            ratio=ours["grown_kib"] * 1024 / ours["payload_bytes"],
            details=details | {"unit": "MiB that the agent grew at most; ratio to what it sent"},
        ),
    ]


def fill(database: Path, sales: int) -> None:
    """A station's database whose outbox holds so many sales, and nothing else."""
    here = site()
    store = Store.open(database, here.station, here.programme, Instant(MORNING_MS))
    bodies = items(sales)
    try:
        while some := list(islice(bodies, ROWS_A_COMMIT)):
            with store.transaction() as tx:
                for body in some:
                    tx.outbox.put(LEDGER, json.loads(body)["kind"], body, MORNING_MS)
    finally:
        store.close()


def run(role: str, url: str, path: Path) -> dict[str, Any]:
    """One of the ends of the road, in a process of its own; what it measured."""
    command = [sys.executable, "-m", "tests.bench.roadworks", role, url, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@contextmanager
def _road(directory: Path) -> Iterator[str]:
    """A broker and an HQ that stands behind it; the broker's URL."""
    broker = start_broker("mosquitto", directory)
    try:
        with headquarters(broker.url):
            yield broker.url
    finally:
        broker.stop()


@contextmanager
def headquarters(url: str) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.roadworks", "hq", url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), "HQ did not come up"
        yield
        process.stdin.close()


def _sealed(database: Path) -> Iterator[bytes]:
    with closing(reading.connect(database)) as connection:
        outbox = OutboxReader(connection)
        here = site()
        speech = Speech(here.station, outbox, STATION_KEY, lambda: MORNING_MS, lambda: Vitals("0", "SYNCED"))
        after_seq = 0
        while rows := outbox.rows(LEDGER, after_seq, MAX_ITEMS):
            head = outbox.head_at(LEDGER, after_seq)
            assert head is not None
            batch = Batch(0, LEDGER, after_seq + 1, tuple(row.body for row in rows), head)
            yield speech.envelope(batch).payload
            after_seq = rows[-1].seq
