"""Integration: do sales survive a bad cable between kernel and production line, not only in simulation?

The device stands behind a real pseudo-terminal; its cable flips and loses bytes and brings bursts. Answers
are waited for in real time: longer frames get a better cable here than in the long simulated runs.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.conformance import SOAK, identity_of
from drivers.events import Fuelling, Monotonic
from drivers.faults import Faults, Wire
from drivers.session import Session, Simulator
from drivers.stage import SimulatorOnPty
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

SALES = 10
WORN = Faults("worn", lose_byte_bp=15, flip_bit_bp=30, noise_bp=200, noise_bytes=20)


class BadlyWired:
    """A device at the end of a bad cable."""

    def __init__(self, device: Simulator, faults: Faults, seed: int) -> None:
        self.device = device
        self._inward = Wire(faults, random.Random(seed))
        self._outward = Wire(faults, random.Random(seed + 1))
        self.harmed_count = 0

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._inward.carry(data, now)
        arrived = b"".join(self._inward.take(now))
        self.harmed_count += arrived != data
        self.device.receive(arrived, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = self.device.bytes_to_send(now)
        if not data:
            return b""
        self._outward.carry(data, now)
        arrived = b"".join(self._outward.take(now))
        self.harmed_count += arrived != data
        return arrived

    def next_timer(self) -> Monotonic | None:
        return self.device.next_timer()

    def handle_timer(self, now: Monotonic) -> None:
        self.device.handle_timer(now)

    def power_cycle(self, now: Monotonic) -> None:
        self.device.power_cycle(now)


def _sell_blueprint(device: BlueprintSimulator, rng: random.Random) -> tuple[int, int]:
    volume_cl = rng.randint(1, 9_999)
    sale = device.sell("02", volume_cl, volume_cl * 777 // 100, 777)
    return int(sale.sequence_no), volume_cl * 10


def _sell_companytec(device: CompanytecSimulator, rng: random.Random) -> tuple[int, int]:
    volume_ml = rng.randrange(10, 90_000, 10)
    record = device.sell("04", volume_ml, volume_ml * 777 // 1_000, 7_770)
    return record.number, volume_ml


def _blueprint() -> Session:
    return BlueprintSession("1", BlueprintOptions(poll_ms=50, answer_ms=50))


def _companytec() -> Session:
    return CompanytecSession("1", CompanytecOptions(poll_ms=50, gap_ms=2, record="short"))


@pytest.mark.parametrize(
    ("device", "open_session", "sell", "faults"),
    [
        (BlueprintSimulator, _blueprint, _sell_blueprint, SOAK),
        (CompanytecSimulator, _companytec, _sell_companytec, WORN),
    ],
    ids=["blueprint", "companytec"],
)
def test_sales_over_a_bad_cable_arrive_unaltered_and_are_released(
    device: Callable[[], Any],
    open_session: Callable[[], Session],
    sell: Callable[[Any, random.Random], tuple[int, int]],
    faults: Faults,
) -> None:
    rng, ledger = random.Random(31), Ledger()
    stage = SimulatorOnPty(BadlyWired(device(), faults, 32), monotonic_ms)
    try:
        with running(stage.path, open_session(), ledger) as line:
            sold = dict(stage.act(lambda wired: sell(wired.device, rng)) for _ in range(SALES))
            wait_until(lambda: stage.act(lambda wired: len(wired.device.released)) == SALES)
            status = line.status()
        harmed_count = stage.act(lambda wired: wired.harmed_count)
    finally:
        stage.close()
    assert {number: fuelling.volume_ml for number, fuelling in ledger.durable.items()} == sold
    reports = [event for event in ledger.events if isinstance(event, Fuelling)]
    assert len({identity_of(report) for report in reports}) == SALES
    assert harmed_count > 5
    assert status.port_open
