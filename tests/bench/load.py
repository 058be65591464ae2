"""What headquarters takes from 1 to 500 stations at once: real envelopes, broker, workers and database.

Four courses in each case, one after the other, with stations of their own:

- `backlog`: full batches, as after a night in the dark; so many on the way that nobody waits for a station
- `sales`: every sale alone in its envelope, as by day, otherwise the same
- `by_day`: the same at half that pace, at times that chance decides: how long a sale waits for its ack
- `hellos`: the question that every station asks about twice a minute

All of it runs on one machine. So the figures beside sales per second, processor time per sale of each
part, are what another machine's may be calculated from.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from sync.tls import BrokerAddress, parse_broker
from tests.bench.figure import Figure, p50, p99, rounded
from tests.bench.load_stage import HQ_KEY, Stage, bytes_held, items_held, stage
from tests.bench.load_station import Heard, Station, connected
from tests.bench.load_supply import ITEMS_PER_SALE, Supply, supplies
from tests.integration.hq.postgres import cluster

ON_THE_WAY = 20
"""Messages between the stations and HQ for each worker: what mosquitto gives one at once."""
SALES_A_BATCH = 50
_WARM_UP_S = 1.0
_PATIENCE_S = 60.0
_FASTEST = {"backlog": 8_000, "sales": 1_200, "by_day": 600}
"""Sales a second for which envelopes are prepared; when they run out, the course ends early."""


@dataclass(frozen=True, slots=True)
class Case:
    """So many stations and workers on PostgreSQL, or on SQLite."""

    database: str
    stations: int
    workers: int

    @property
    def name(self) -> str:
        return f"{self.database}_{self.stations}_stations_{self.workers}_workers"


SERIES = (
    Case("sqlite", 500, 1),
    Case("postgresql", 1, 1),
    Case("postgresql", 500, 1),
    Case("postgresql", 500, 2),
    Case("postgresql", 500, 4),
)


def load(directory: Path, cases: Sequence[Case], *, seconds: float) -> Iterator[Figure]:
    """`ratio`: to the first case with the same database and stations."""
    firsts: dict[tuple[str, int, str], float] = {}
    with ExitStack() as undo:
        server = undo.enter_context(cluster(directory)) if _needs_server(cases) else None
        for case in cases:
            for course, figure in _measured(directory, server, case, seconds):
                first = firsts.setdefault((case.database, case.stations, course), figure.value)
                yield replace(figure, ratio=figure.value / first if first else 1.0)


def _needs_server(cases: Sequence[Case]) -> bool:
    return any(case.database == "postgresql" for case in cases)


def _measured(
    directory: Path, server: str | None, case: Case, seconds: float
) -> Iterator[tuple[str, Figure]]:
    """(course, figure) of one case, without a ratio."""
    many, single, slow = (_prepared(course, case, seconds) for course in _FASTEST)
    on_server = server if case.database == "postgresql" else None
    with stage(directory / case.name, on_server, case.workers, [*many, *single, *slow]) as here:
        way = ON_THE_WAY * case.workers
        arrived_s, [backlog] = asyncio.run(_played(here, many, seconds, _busy(way)))
        yield "connects", _connects(case, arrived_s)
        yield "backlog", _figure("backlog", "sales/s in full batches", case, backlog)
        _, [sales] = asyncio.run(_played(here, single, seconds, _busy(way)))
        yield "sales", _figure("sales", "sales/s, each in an envelope of its own", case, sales)
        half = sales.per_s / 2
        _, [by_day, hellos] = asyncio.run(_played(here, slow, seconds, _selling(half), _asking(way)))
        yield "by_day", _by_day(case, by_day, half)
        yield "hellos", _figure("hellos", "replies/s to stations that are up to date", case, hellos)
        yield "held", _held(case, here)


def _prepared(course: str, case: Case, seconds: float) -> list[Supply]:
    each = SALES_A_BATCH if course == "backlog" else 1
    sales = _FASTEST[course] * (seconds + _WARM_UP_S)
    envelopes = ceil(sales / each / case.stations) + 1
    return supplies(course.replace("_", "-"), case.stations, envelopes, each)


@dataclass(frozen=True, slots=True)
class Course:
    """What was done in `seconds`, how long each had to wait, and whose processor time that took."""

    seconds: float
    done: int
    waits_s: Sequence[float]
    processor_s: dict[str, float]

    @property
    def per_s(self) -> float:
        return self.done / self.seconds


class Turns:
    """Whose turn it is: one station after the other, so that all run dry together."""

    def __init__(self, stations: Sequence[Station], heard: Heard) -> None:
        self._stations, self._at = stations, 0
        self.heard = heard
        self.half_sent, self.all_dry = asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def send(self, due_s: float) -> None:
        station = self._next()
        if station.is_past_half:
            self.half_sent.set()
        if station.is_dry:
            self.all_dry.set()
        else:
            station.send(due_s)

    def ask(self) -> None:
        self._next().ask()

    async def stop(self) -> None:
        """Nothing more; returns when everything has its answer."""
        self.heard.after_each = lambda: None
        if self.task:
            self.task.cancel()
        until = time.perf_counter() + _PATIENCE_S
        while not all(station.is_quiet for station in self._stations):
            assert time.perf_counter() < until, "HQ did not acknowledge everything"
            await asyncio.sleep(0.02)

    @property
    def size(self) -> int:
        return len(self._stations)

    def _next(self) -> Station:
        self._at = (self._at + 1) % len(self._stations)
        return self._stations[self._at]


Load = Callable[[Turns], list[tuple[float, float, int]]]
"""Begins, and says where what comes of it is written down."""


def _busy(way: int) -> Load:
    """As much as may be on the way, always."""

    def begin(turns: Turns) -> list[tuple[float, float, int]]:
        turns.heard.after_each = lambda: turns.send(time.perf_counter())
        for _ in range(way):
            turns.send(time.perf_counter())
        return turns.heard.acked

    return begin


def _selling(per_s: float) -> Load:
    """At times that chance decides, whether HQ is busy or not: a sale that is sent late has waited."""

    async def sell(turns: Turns) -> None:
        chance, due_s = random.Random(1), time.perf_counter()
        while True:
            due_s += chance.expovariate(per_s)
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            turns.send(due_s)

    def begin(turns: Turns) -> list[tuple[float, float, int]]:
        turns.task = asyncio.create_task(sell(turns))
        return turns.heard.acked

    return begin


def _asking(way: int) -> Load:
    """So many stations wait for an answer to their hello, always."""

    def begin(turns: Turns) -> list[tuple[float, float, int]]:
        turns.heard.after_each = turns.ask
        for _ in range(min(way, turns.size)):
            turns.ask()
        return turns.heard.answered

    return begin


async def _played(
    here: Stage, known: Sequence[Supply], seconds: float, *loads: Load
) -> tuple[float, list[Course]]:
    """Seconds until all stations were connected and answered, and what each load came to."""
    heard, address = Heard(), parse_broker(here.url)
    assert isinstance(address, BrokerAddress)
    began = time.perf_counter()
    stations = await connected(known, address.host, address.port, HQ_KEY.public, heard)
    arrived_s, courses = time.perf_counter() - began, []
    for load in loads:
        turns = Turns(stations, heard)
        courses.append(await _measure(here, turns, load, seconds))
        await turns.stop()
    assert heard.not_taken == 0, "the broker did not take everything"
    for station in stations:
        station.leave()
    return arrived_s, courses


async def _measure(here: Stage, turns: Turns, load: Load, seconds: float) -> Course:
    written = load(turns)
    with suppress(TimeoutError):  # a fast machine would have nothing left to measure
        await asyncio.wait_for(turns.half_sent.wait(), _WARM_UP_S)
    began, before, first = time.perf_counter(), here.processor_s(), len(written)
    with suppress(TimeoutError):
        await asyncio.wait_for(turns.all_dry.wait(), seconds)
    while len(written) == first:
        assert time.perf_counter() < began + _PATIENCE_S, "nothing was acknowledged"
        await asyncio.sleep(0.02)
    took_s, after = time.perf_counter() - began, here.processor_s()
    done = written[first:]
    spent = {part: after[part] - before[part] for part in after}
    return Course(took_s, sum(many for _, _, many in done), [wait for _, wait, _ in done], spent)


def _connects(case: Case, arrived_s: float) -> Figure:
    details = {"unit": "stations/s connected, subscribed, known by state and answered", "seconds": arrived_s}
    return Figure(f"load_connects_{case.name}", case.stations / arrived_s, None, details=details)


def _figure(course: str, unit: str, case: Case, found: Course) -> Figure:
    return Figure(
        f"load_{course}_{case.name}", found.per_s, None, details={"unit": unit} | _circumstances(found)
    )


def _by_day(case: Case, found: Course, asked_per_s: float) -> Figure:
    details = {"unit": "ms from the sale to its ack, p99, at half of what is possible"}
    asked = {"sales_per_s": rounded(asked_per_s)}
    return Figure(
        f"load_by_day_{case.name}",
        1e3 * p99(found.waits_s),
        None,
        details=details | asked | _circumstances(found),
    )


def _circumstances(found: Course) -> dict[str, object]:
    """Processors that were busy, of each part; microseconds of them for each sale or reply; waiting."""
    spent = found.processor_s.items()
    return {
        "processors": {part: rounded(s / found.seconds) for part, s in spent},
        "processor_us_each": {part: rounded(1e6 * s / found.done) for part, s in spent},
        "wait_p50_ms": rounded(1e3 * p50(found.waits_s)),
        "wait_p99_ms": rounded(1e3 * p99(found.waits_s)),
        "seconds": rounded(found.seconds),
    }


def _held(case: Case, here: Stage) -> Figure:
    """By how much this case made the database grow, for each of its sales: tables, indexes, members."""
    before, after = here.at_first, bytes_held(here.database)
    sales = items_held(here.database) / ITEMS_PER_SALE
    details = {
        "unit": "bytes of the database per sale",
        "of_items": rounded((after.of_items - before.of_items) / sales),
        "logged": rounded((after.logged - before.logged) / sales),
        "sales": sales,
    }
    grown = after.everything - before.everything
    return Figure(f"load_held_{case.name}", grown / sales, None, details=details)
