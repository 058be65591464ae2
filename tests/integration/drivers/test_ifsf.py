"""Integration: does the IFSF driver book every sale once over real TCP and a real pseudo-terminal?"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.events import Fuelling, FuellingStarted, Monotonic
from drivers.ifsf.case import SERIAL
from drivers.ifsf.dispenser import Sale
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

OPTIONS = IfsfOptions(points=(1,), poll_ms=50, list_ms=500, gap_ms=1, answer_ms=500)
ON_SERIAL = SERIAL.model_copy(update={"points": (1,), "poll_ms": 50, "list_ms": 500, "gap_ms": 1})
SALES = 60
Stage = SimulatorOnTcp["Witness"] | SimulatorOnPty["Witness"]


class Witness(IfsfSimulator):
    """Notes in the ledger's own list when the device lets go of a sale."""

    def __init__(self, ledger: Ledger, **manners: Any) -> None:
        super().__init__(first_sequences=(9_990,), **manners)
        self._ledger = ledger

    def receive(self, data: bytes, now: Monotonic) -> None:
        before = len(self.released)
        super().receive(data, now)
        for sale in self.released[before:]:
            self._ledger.order.append(("released", sale.sequence_no))


def _sell(simulator: IfsfSimulator, rng: random.Random) -> Sale:
    volume_cl = rng.randrange(1, 9_000)
    return simulator.sell(1, rng.choice((1, 2)), volume_cl, volume_cl * 777 // 1_000, 7_770)


def _released_before_committed(ledger: Ledger) -> list[int | None]:
    committed: set[int | None] = set()
    early = []
    for what, number in ledger.order:
        if what == "committed":
            committed.add(number)
        elif number not in committed:
            early.append(number)
    return early


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(params=["tcp", "serial"])
def stage(request: pytest.FixtureRequest, ledger: Ledger) -> Iterator[Stage]:
    simulator = Witness(ledger, transport=request.param, wants_receipts=True)
    stage: Stage
    if request.param == "tcp":
        stage = SimulatorOnTcp(simulator, monotonic_ms)
    else:
        stage = SimulatorOnPty(simulator, monotonic_ms)
    yield stage
    stage.close()


def _where(stage: Stage) -> tuple[str, IfsfOptions]:
    if isinstance(stage, SimulatorOnTcp):
        return stage.device, OPTIONS
    return stage.path, ON_SERIAL


def test_every_sale_arrives_once_and_is_cleared_after_commit(stage: Stage, ledger: Ledger) -> None:
    rng = random.Random(11)
    device, options = _where(stage)
    with running(device, IfsfSession("1", options), ledger, pty=options is ON_SERIAL) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        sold = [stage.act(lambda device: _sell(device, rng)) for _ in range(SALES)]
        wait_until(lambda: stage.act(lambda device: len(device.released)) == SALES, 40)
    assert {sale.sequence_no: sale.volume_cl * 10 for sale in sold} == {
        number: fuelling.volume_ml for number, fuelling in ledger.durable.items()
    }
    assert sum(isinstance(event, Fuelling) for event in ledger.events) == SALES
    assert _released_before_committed(ledger) == []


def test_an_early_release_would_be_found(ledger: Ledger) -> None:
    ledger.order = [("committed", 1), ("released", 1), ("released", 2), ("committed", 2)]
    assert _released_before_committed(ledger) == [2]


def test_a_lost_connection_loses_no_sale(ledger: Ledger) -> None:
    rng = random.Random(13)
    stage = SimulatorOnTcp(Witness(ledger), monotonic_ms)
    try:
        with running(stage.device, IfsfSession("1", OPTIONS), ledger, pty=False) as line:
            for _ in range(2):
                wait_until(lambda: line.status().port_open)
                stage.act(lambda device: _sell(device, rng))
                stage.unplug()
                wait_until(lambda: not line.status().port_open)
                stage.act(lambda device: _sell(device, rng))
                stage.replug()
            wait_until(lambda: stage.act(lambda device: len(device.released)) == 4)
    finally:
        stage.close()
    assert len(ledger.durable) == 4
    assert _released_before_committed(ledger) == []


def test_start_and_end_are_seen_through_the_kernel_too(stage: Stage, ledger: Ledger) -> None:
    device, options = _where(stage)
    with running(device, IfsfSession("1", options), ledger, pty=options is ON_SERIAL) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        stage.act(lambda device: device.lift(1, 2))
        wait_until(lambda: FuellingStarted("1", "12") in ledger.events)
        stage.act(lambda device: device.begin(1))
        heard = line.status().counters["HEARD"]
        wait_until(lambda: line.status().counters["HEARD"] > heard + 4)
        hung_up = monotonic_ms()
        stage.act(lambda device: device.sell(1, 2, 500, 3_885, 7_770))
        wait_until(lambda: 9_990 in ledger.durable)
    ended = ledger.durable[9_990].ended
    assert ended is not None
    assert -5 <= ended - hung_up < 1_000
