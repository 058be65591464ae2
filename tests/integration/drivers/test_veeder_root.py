"""Integration: are tanks and deliveries read over a pseudo-terminal and TCP, through a pulled cable?"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.events import Answer, DeviceBack, DriverEvent, Monotonic, Outcome, TankDelivery, TankRead
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from drivers.veeder_root.options import VeederRootOptions
from drivers.veeder_root.session import VeederRootSession
from drivers.veeder_root.simulator import VeederRootSimulator
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until

OPTIONS = VeederRootOptions(poll_s=1, answer_ms=300, gap_ms=0)


class Books(Ledger):
    """Keeps deliveries, the first one only at the second attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: Counter[str] = Counter()
        self.newest: dict[str, TankRead] = {}

    def report(self, event: DriverEvent, now: Monotonic) -> Answer:
        super().report(event, now)
        if isinstance(event, TankRead):
            self.newest[event.tank] = event
        if isinstance(event, TankDelivery):
            self.heard[event.raw] += 1
            return Answer(Outcome.DONE, durable=self.heard[event.raw] > 1)
        return Answer(Outcome.DONE, durable=True)

    def volumes_ml(self) -> dict[str, int]:
        return {tank: read.volume_ml for tank, read in self.newest.items()}


class Hurried(VeederRootSession):
    """Waits 20 ms where an operator sets at least a second."""

    def _go_on(self, now: Monotonic) -> None:
        super()._go_on(now)
        self._begin_question(now + 20)


@contextmanager
def _on_pty(folder: Path) -> Iterator[SimulatorOnPty[VeederRootSimulator]]:
    stage = SimulatorOnPty(VeederRootSimulator(), monotonic_ms, link=folder / "by-id-tls")
    try:
        yield stage
    finally:
        stage.close()


def test_tanks_and_deliveries_through_a_pulled_cable(tmp_path: Path) -> None:
    books = Books()
    with _on_pty(tmp_path) as stage, running(stage.path, Hurried("1", OPTIONS), books) as line:
        wait_until(lambda: len(books.newest) == 3)
        stage.act(lambda console: console.deliver(2, 9_000_000, monotonic_ms()))
        wait_until(lambda: len(books.heard) == 1)
        stage.unplug()
        wait_until(lambda: not line.status().port_open)
        stage.act(lambda console: console.deliver(3, 7_000_000, monotonic_ms()))
        stage.replug()
        wait_until(lambda: sorted(books.heard.values()) == [2, 2])
        wait_until(lambda: books.volumes_ml() == {"1": 20_000_000, "2": 24_000_000, "3": 29_000_125})
        asked = line.status().counters["HEARD"]
        wait_until(lambda: line.status().counters["HEARD"] > asked + 30)
    assert sorted(books.heard.values()) == [2, 2], "what was kept is not reported again"
    assert any(isinstance(event, DeviceBack) for event in books.events)


def test_over_tcp_with_a_security_code() -> None:
    books = Books()
    stage = SimulatorOnTcp(VeederRootSimulator(security_code="246810"), monotonic_ms)
    options = VeederRootOptions.model_validate({"poll_s": 1, "security_code": "246810"})
    try:
        with running(stage.device, Hurried("1", options), books, pty=False):
            wait_until(lambda: len(books.newest) == 3)
    finally:
        stage.close()
    assert books.volumes_ml()["3"] == 22_000_125
