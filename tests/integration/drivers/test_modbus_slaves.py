"""integration: are sales of Modbus slaves that are not ours booked exactly once, whatever happens to them?

Two foreign implementations of the slave's side, libmodbus in C and pyModbusTCP, both in processes of their
own, are read through the production line and port. Neither shares a line with our codec or simulator.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.conformance import identity_of
from drivers.events import DeviceBack, DeviceSilent, Fuelling, FuellingStarted
from drivers.line import Line
from drivers.modbus import DRIVER
from tests.integration.drivers.line_rig import Ledger, running, wait_until
from tests.integration.drivers.slaves.foreign_slave import ForeignSlave, compiled, of_pymodbustcp
from tests.integration.drivers.slaves.shared_wire import SharedWire

UNIT = 3
PRICE_MILLI = 7_770
SLAVES = ("libmodbus-tcp", "libmodbus-rtu", "pymodbustcp-tcp")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("slave"))


class Station:
    """A slave, and a line that reads it; `restart_agent` is a new session that knows nothing."""

    def __init__(self, slave: ForeignSlave, transport: str, device: str) -> None:
        self.slave = slave
        self.device = device
        self.options = DRIVER.options.model_validate(
            {"map": "compac-c5000", "transport": transport, "poll_ms": 50, "answer_ms": 200, "baud": 115_200}
        )
        self.sold: list[tuple[int, int, int]] = []

    @contextmanager
    def agent(self) -> Iterator[tuple[Ledger, Line]]:
        ledger = Ledger()
        with running(self.device, DRIVER.open_session(str(UNIT), self.options), ledger) as line:
            yield ledger, line

    def sell(self, volume_ml: int, flow_ms: int = 150) -> None:
        amount_milli = volume_ml * PRICE_MILLI // 1_000
        total_ml = volume_ml + (self.sold[-1][2] if self.sold else 0)
        self.sold.append((volume_ml, (amount_milli + 5) // 10, total_ml))
        self.slave.sell(volume_ml, amount_milli, flow_ms)


def fuellings(ledger: Ledger) -> list[Fuelling]:
    return [event for event in ledger.events if isinstance(event, Fuelling)]


def booked(ledger: Ledger) -> list[tuple[int, int, int | None]]:
    return [(f.volume_ml, f.amount_fen, f.totalizer_after_ml) for f in fuellings(ledger)]


@pytest.fixture(params=SLAVES)
def station(request: pytest.FixtureRequest, program: Path, tmp_path: Path) -> Iterator[Station]:
    library, transport = request.param.split("-")
    command = [program] if library == "libmodbus" else of_pymodbustcp()
    wire = SharedWire(2) if transport == "rtu" else None
    slave = ForeignSlave(command, transport, wire.paths[1] if wire else "0", UNIT, tmp_path / "state")
    try:
        slave.order(f"price {PRICE_MILLI // 10}")
        yield Station(slave, transport, wire.paths[0] if wire else f"socket://127.0.0.1:{slave.place}")
    finally:
        slave.kill()
        if wire:
            wire.close()


def test_every_sale_once_with_its_values(station: Station) -> None:
    with station.agent() as (ledger, line):
        wait_until(lambda: line.status().counters.get("HEARD", 0) > 6)
        for volume_ml in (30_120, 30_120, 1, 65_536, 999_999):
            station.sell(volume_ml)
            wait_until(lambda: len(booked(ledger)) == len(station.sold))
        heard = line.status().counters["HEARD"]
        wait_until(lambda: line.status().counters["HEARD"] > heard + 20)
    assert booked(ledger) == station.sold
    assert all(f.flags == () and f.unit_price_milli == PRICE_MILLI for f in fuellings(ledger))
    assert all(f.ended is not None for f in fuellings(ledger))
    befores = [f.totalizer_before_ml for f in fuellings(ledger)]
    assert befores == [0, *(total_ml for _, _, total_ml in station.sold[:-1])]
    assert sum(isinstance(event, FuellingStarted) for event in ledger.events) >= 4


def test_a_retained_sale_is_the_same_for_a_new_agent(station: Station) -> None:
    with station.agent() as (ledger, line):
        wait_until(lambda: line.status().counters.get("HEARD", 0) > 6)
        station.sell(30_120)
        wait_until(lambda: len(booked(ledger)) == 1)
    with station.agent() as (again, _):
        wait_until(lambda: len(booked(again)) == 1)
        station.sell(30_120)
        wait_until(lambda: len(booked(again)) == 2)
    first, same, second = *fuellings(ledger), *fuellings(again)
    assert identity_of(first) == identity_of(same) != identity_of(second)
    assert booked(again) == station.sold


def test_a_slave_that_is_killed_and_comes_back(station: Station) -> None:
    """Once between two sales, for longer than silence takes to be noticed, and once while fuel flows."""
    with station.agent() as (ledger, line):
        wait_until(lambda: line.status().counters.get("HEARD", 0) > 6)
        station.sell(20_000)
        wait_until(lambda: len(booked(ledger)) == 1)
        station.slave.kill()
        wait_until(lambda: any(isinstance(event, DeviceSilent) for event in ledger.events))
        station.slave.start()
        wait_until(lambda: sum(isinstance(event, DeviceBack) for event in ledger.events) == 2)
        station.sell(20_000)
        wait_until(lambda: len(booked(ledger)) == 2)
        started = sum(isinstance(event, FuellingStarted) for event in ledger.events)
        station.slave.order("sell 40000 310800 60000")
        wait_until(lambda: sum(isinstance(event, FuellingStarted) for event in ledger.events) > started)
        station.slave.kill()
        station.sold.append((40_000, 31_080, 80_000))
        station.slave.start()
        wait_until(lambda: len(booked(ledger)) == 3)
        station.sell(10_000)
        wait_until(lambda: len(booked(ledger)) == 4)
    assert booked(ledger) == station.sold
    assert {flag for f in fuellings(ledger) for flag in f.flags} == set()


def test_refusals_and_late_answers_change_nothing(station: Station) -> None:
    with station.agent() as (ledger, line):
        wait_until(lambda: line.status().counters.get("HEARD", 0) > 6)
        for trouble in ("busy 3", "refuse 3", "late 2 350"):
            station.slave.order(trouble)
            station.sell(12_345)
            wait_until(lambda: len(booked(ledger)) == len(station.sold))
        heard = line.status().counters["HEARD"]
        wait_until(lambda: line.status().counters["HEARD"] > heard + 20)
        counters = line.status().counters
    assert booked(ledger) == station.sold
    assert counters["DEVICE_BUSY"] == 3
    assert counters["DEVICE_REFUSES"] == 3
    assert counters["NO_ANSWER"] >= 2
    assert counters["LATE_ANSWER"] >= 1
