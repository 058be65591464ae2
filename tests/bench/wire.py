"""(a) From the last byte of a sale on the wire to the answer that says it is on the disk.

A simulated Companytec concentrator on a real pseudo-terminal, the production line in its thread, the
till in its own. The clock runs from just before the kernel is handed the frame that completes the
sale (the second of two equal readings) until the session is told that it is durable.

The baseline is the very transaction of each sale, replayed beside it in one thread, after as long a
pause as a poll takes: a disk and a processor that rested answer slower than busy ones, for us and for
the bare statements alike. The same transactions without pauses are printed too.
"""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from agent.handlers import dispatch
from agent.handlers.site import Site
from agent.handlers.told import Seen, Told
from agent.till import Till
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted, Monotonic, Outcome
from drivers.line import Line
from drivers.ports import PortSpec, open_port
from drivers.stage import SimulatorOnPty
from tests.bench.figure import Figure, p50, p99, rounded
from tests.bench.recording import Recorder, Replay
from tests.bench.rig import BETWEEN_SALES_MS, MORNING_MS, Customers, Day, Sale, serving, site, tag, till_on

LINE = "island-1"
POLL_MS = 50
PATIENCE_S = 10.0


class _Concentrator(CompanytecSimulator):
    """Notes when it last handed bytes to the kernel; it says nothing while we think about a record."""

    spoke_at_s = 0.0

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        if data:
            self.spoke_at_s = time.perf_counter()
        return data


class _Session(CompanytecSession):
    """Notes when each fuelling was confirmed as durable."""

    def __init__(self) -> None:
        super().__init__("0", CompanytecOptions(poll_ms=POLL_MS))
        self.confirmed = threading.Condition()
        self.durable_at_s: list[float] = []

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        at_s = time.perf_counter()
        super().confirm(event, answer, now)
        if isinstance(event, Fuelling) and answer.durable:
            with self.confirmed:
                self.durable_at_s.append(at_s)
                self.confirmed.notify()


def wire_to_durable(directory: Path, *, pairs: int, sales: int) -> list[Figure]:
    """With points in the same transaction (a tag at the pump, no POS), and the fact alone."""
    return [
        _figure(directory, "wire_to_durable_with_award", pairs, sales, award_on_fuelling=True),
        _figure(directory, "wire_to_durable_fact_only", pairs, sales, award_on_fuelling=False),
    ]


def _figure(directory: Path, name: str, pairs: int, sales: int, *, award_on_fuelling: bool) -> Figure:
    here = site(award_on_fuelling=award_on_fuelling)
    waits: list[float] = []
    commits: list[float] = []
    busy: list[float] = []
    ratios = []
    for pair in range(pairs):
        customers = Customers(random.Random(pair)).take(sales)
        ours, theirs, without_pause = _pair(directory, f"{name}-{pair}", here, customers)
        waits += ours
        commits += theirs
        busy += without_pause
        ratios.append(p50(ours) / p50(theirs))
    return Figure(
        name,
        value=p50(ratios),
        limit=4.0,
        ratio=p50(ratios),
        details={
            "unit": "p50 of ours over p50 of the baseline's transaction",
            "p50_ms": rounded(p50(waits) * 1_000),
            "p99_ms": rounded(p99(waits) * 1_000),
            "baseline_p50_ms": rounded(p50(commits) * 1_000),
            "baseline_p99_ms": rounded(p99(commits) * 1_000),
            "ratio_p99": rounded(p99(waits) / p99(commits)),
            "baseline_without_pauses_p50_ms": rounded(p50(busy) * 1_000),
            "ratio_without_pauses": rounded(p50(waits) / p50(busy)),
            "sales": sales,
            "pairs": pairs,
            "spread": [rounded(min(ratios)), rounded(max(ratios))],
        },
    )


def _pair(
    directory: Path, name: str, here: Site, sales: list[Sale]
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each sale from wire to answer, of its transaction replayed beside it, and without pauses."""
    clock, recorder = Day(), Recorder()
    till = till_on(directory / f"{name}.db", here, clock, recorder.connect)
    ours: list[float] = []
    theirs: list[float] = []
    with serving(till):
        assert till.opened.wait(PATIENCE_S)
        before = list(recorder.statements)
        replay = Replay(directory / f"{name}-beside.db", before)
        replayed = len(before)
        for wait_s in _serve(till, here, clock, sales):
            ours.append(wait_s)
            time.sleep(POLL_MS / 1_000)
            fresh = recorder.statements[replayed:]
            theirs += replay.transactions_s(fresh)
            replayed += len(fresh)
        replay.close()
    replay = Replay(directory / f"{name}-busy.db", before)
    busy = replay.transactions_s(recorder.statements[len(before) :])
    replay.close()
    assert len(ours) == len(theirs) == len(busy) == len(sales)
    return ours, theirs, busy


def _serve(till: Till, here: Site, clock: Day, sales: list[Sale]) -> Iterator[float]:
    concentrator, session = _Concentrator(), _Session()
    stage = SimulatorOnPty(concentrator, clock.monotonic_ms)

    def report(event: DriverEvent, heard: Monotonic) -> Answer:
        if not isinstance(event, Fuelling | FuellingStarted):
            return Answer(Outcome.DONE, durable=True)
        seen = Seen(clock.at_ms, clock.at_ms)
        told: Told = till.submit(lambda tx, at: dispatch.handle(event, LINE, seen, tx, here, at))
        return told.answer

    spec = PortSpec(stage.path, pty=True)
    line = Line(LINE, lambda: open_port(spec), session, report, clock.monotonic_ms, random.Random(1))
    stop = threading.Event()
    thread = threading.Thread(target=line.run, args=(stop,), name="line")
    thread.start()
    try:
        for number, sale in enumerate(sales):
            yield _sell(stage, session, clock, number, sale)
    finally:
        stop.set()
        line.wake()
        thread.join()
        line.close()
        stage.close()


def _sell(
    stage: SimulatorOnPty[_Concentrator], session: _Session, clock: Day, number: int, sale: Sale
) -> float:
    """One sale at the concentrator, ended at once; seconds until it was durable."""
    clock.at_ms = MORNING_MS + number * BETWEEN_SALES_MS
    with session.confirmed:
        stage.act(
            lambda device: device.sell(
                sale.nozzle, sale.volume_ml, sale.amount_fen, sale.price_milli, tag(sale.member)
            )
        )
        durable = session.confirmed.wait_for(lambda: len(session.durable_at_s) > number, PATIENCE_S)
    assert durable, "the concentrator's sale did not become durable"
    return session.durable_at_s[number] - stage.act(lambda device: device.spoke_at_s)
