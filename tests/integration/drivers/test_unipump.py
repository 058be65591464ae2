"""Integration: does the UniPump driver book every sale once over a real pseudo-terminal?"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.events import Fuelling, Monotonic
from drivers.stage import SimulatorOnPty
from drivers.unipump.options import UnipumpOptions
from drivers.unipump.session import UnipumpSession
from drivers.unipump.simulator import Sale, UnipumpSimulator
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

OPTIONS = UnipumpOptions(point_count=2, closes=True, poll_ms=50, answer_ms=1_000)
SALES = 80


class Witness(UnipumpSimulator):
    """Notes what is closed before the ledger has it."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(2)
        self.early: list[Sale] = []
        self._ledger = ledger

    def receive(self, data: bytes, now: Monotonic) -> None:
        before = len(self.released)
        super().receive(data, now)
        self.early += [sale for sale in self.released[before:] if _key(sale) not in _booked(self._ledger)]


def _key(sale: Sale) -> tuple[str, str]:
    return sale.name, f"{sale.totalizer_cl:010d}"


def _sell(device: UnipumpSimulator, rng: random.Random) -> Sale:
    volume_cl = rng.choice((2_574, rng.randrange(1, 9_000)))
    nozzle = f"{rng.randint(1, 2)}/{rng.randint(1, 2)}"
    return device.sell(nozzle, volume_cl, volume_cl * 777 // 100, 777, monotonic_ms())


def _booked(ledger: Ledger) -> dict[tuple[str, str], Fuelling]:
    fuellings = (event for event in ledger.events if isinstance(event, Fuelling))
    return {(fuelling.nozzle, fuelling.raw.totalizer_after): fuelling for fuelling in fuellings}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def stage(ledger: Ledger, tmp_path: Path) -> Iterator[SimulatorOnPty[Witness]]:
    stage = SimulatorOnPty(Witness(ledger), monotonic_ms, link=tmp_path / "by-id-pts")
    yield stage
    stage.close()


def test_many_sales_of_two_points_arrive_once_each_and_are_closed_after_commit(
    stage: SimulatorOnPty[Witness], ledger: Ledger
) -> None:
    rng = random.Random(21)
    with running(stage.path, UnipumpSession("1", OPTIONS), ledger) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        sold = [stage.act(lambda device: _sell(device, rng)) for _ in range(SALES)]
        wait_until(lambda: stage.act(lambda device: device.backlog()) == 0)
        assert stage.act(lambda device: device.forbidden_heard) == []
    booked = _booked(ledger)
    assert {_key(sale): (sale.transaction, sale.volume_cl * 10, sale.amount_fen) for sale in sold} == {
        key: (fuelling.sequence_no, fuelling.volume_ml, fuelling.amount_fen)
        for key, fuelling in booked.items()
    }
    assert stage.act(lambda device: device.early) == []


def test_a_pulled_plug_loses_nothing_and_books_nothing_twice(
    stage: SimulatorOnPty[Witness], ledger: Ledger
) -> None:
    rng = random.Random(22)
    with running(stage.path, UnipumpSession("1", OPTIONS), ledger) as line:
        wait_until(lambda: line.status().port_open)
        stage.act(lambda device: _sell(device, rng))
        stage.unplug()
        wait_until(lambda: not line.status().port_open)
        stage.act(lambda device: _sell(device, rng))
        stage.replug()
        wait_until(lambda: stage.act(lambda device: device.backlog()) == 0)
    assert len(_booked(ledger)) == 2
