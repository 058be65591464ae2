"""Integration: do both forms of the DART driver work through the kernel, and does who listens stay silent?"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.conformance import identity_of
from drivers.dart.controller import TappedWire
from drivers.dart.options import DartOptions
from drivers.dart.session import DartMaster
from drivers.dart.simulator import DartSimulator
from drivers.dart.tap import DartTap
from drivers.events import Fuelling
from drivers.ports import PortSpec, open_port
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

MASTER = DartOptions(mode="master", nozzles=(1, 2), poll_ms=50)


def _fuellings(ledger: Ledger) -> list[Fuelling]:
    return [event for event in ledger.events if isinstance(event, Fuelling)]


@pytest.fixture
def pump(tmp_path: Path) -> Iterator[SimulatorOnPty[DartSimulator]]:
    stage = SimulatorOnPty(DartSimulator(), monotonic_ms, link=tmp_path / "by-id-dart")
    yield stage
    stage.close()


def test_a_master_reports_through_a_terminal_and_over_a_pulled_plug(
    pump: SimulatorOnPty[DartSimulator],
) -> None:
    ledger, rng = Ledger(), random.Random(3)
    with running(pump.path, DartMaster("50", MASTER), ledger) as line:
        for round_number in range(1, 4):
            wait_until(lambda: line.status().port_open)
            volume_count = rng.randrange(100, 9_000)
            pump.act(
                lambda device, count=volume_count: device.sell(
                    rng.choice((1, 2)), count, count * 750 // 100, 750, monotonic_ms(), duration_ms=200
                )
            )
            if round_number == 2:
                pump.unplug()
                wait_until(lambda: not line.status().port_open)
                pump.replug()
            wait_until(lambda expected=round_number: len(_fuellings(ledger)) == expected)
    sold = [(str(sale.nozzle_no), sale.volume_count * 10) for sale in pump.act(lambda device: device.sales())]
    assert [(each.nozzle, each.volume_ml) for each in _fuellings(ledger)] == sold
    assert pump.act(lambda device: device.forbidden_heard) == []


class _Deaf(TappedWire):
    """Keeps what it is sent, so that it can be asserted that this is nothing."""

    said = b""

    def receive(self, data: bytes, now: object) -> None:
        self.said += data


def test_who_listens_hears_all_and_says_nothing() -> None:
    stage, ledger = SimulatorOnTcp(_Deaf((0x50, 0x51)), monotonic_ms), Ledger()
    try:
        with running(stage.device, DartTap("50", DartOptions(nozzles=(1, 2))), ledger, pty=False) as line:
            wait_until(lambda: line.status().last_valid_heard_ms is not None)
            for nozzle in (1, 2, 1):
                stage.act(lambda wire, number=nozzle: wire.sell(number, 2_667, 20_000, 750, monotonic_ms()))
            wait_until(lambda: len(_fuellings(ledger)) == 3)
        assert stage.act(lambda wire: wire.said) == b""
        sales = stage.act(lambda wire: wire.pumps[0x50].sales())
    finally:
        stage.close()
    assert [each.totalizer_after_ml for each in _fuellings(ledger)] == [
        sale.total_count * 10 for sale in sales
    ]
    assert len({identity_of(each) for each in _fuellings(ledger)}) == 3


def test_a_listeners_port_cannot_write(pump: SimulatorOnPty[DartSimulator]) -> None:
    port = open_port(PortSpec(pump.path, pty=True, listen_only=True))
    try:
        with pytest.raises(AssertionError, match="may only listen"):
            port.write(b"\x50\x20\xfa")
    finally:
        port.close()
