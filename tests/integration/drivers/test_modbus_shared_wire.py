"""integration: do two dispensers on one RS-485 wire keep their sales apart, whatever one of them does?

A wire of real pseudo-terminals on which everybody hears everybody else: our line with a `Bus` of two
sessions, and two simulated dispensers with units of their own. Control: without the bus's guard,
where both sessions speak when they like, they talk at the same time and hear each other's answers.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from drivers.bus import Bus
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic, Notice
from drivers.line import Line
from drivers.modbus import DRIVER
from drivers.modbus.options import ModbusOptions
from drivers.modbus.simulator import ModbusSimulator
from drivers.ports import PortSpec, open_port
from drivers.session import Session
from drivers.stage import SimulatorStage
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until
from tests.integration.drivers.slaves.shared_wire import SharedWire

UNITS = ("1", "2")
OPTIONS = ModbusOptions(map="compac-c5000", transport="rtu", poll_ms=50, answer_ms=100, baud=115_200)
LATE_MS = 150
"""After the deadline, and within the silence that follows a failure."""


class Dispenser(SimulatorStage[ModbusSimulator]):
    """A simulated dispenser at one end of the wire; `dead` is without power: it hears and says nothing."""

    def __init__(self, unit: str, path: str) -> None:
        super().__init__(ModbusSimulator(unit, OPTIONS), monotonic_ms)
        self._port = open_port(PortSpec(path, pty=True))
        self.dead = False
        self._thread.start()

    def unplug(self) -> None:
        self._port.close()

    def _descriptor(self) -> int | None:
        return self._port.fileno()

    def _pump(self, readable: int | None) -> None:
        if self.dead:
            self._simulator.power_cycle(monotonic_ms())
            if readable is not None:
                self._port.read()
            return
        super()._pump(readable)

    def die(self) -> None:
        self.act(lambda device: device.power_cycle(monotonic_ms()))
        self.dead = True

    def revive(self) -> None:
        self.dead = False

    def sell(self, volume_ml: int) -> None:
        price_milli = 7_770
        amount_fen = volume_ml * price_milli // 10_000
        self.act(lambda device: device.sell(volume_ml, amount_fen, price_milli, monotonic_ms(), 150))

    def truth(self) -> list[tuple[int, int, int]]:
        return self.act(
            lambda device: [(sale.volume_ml, sale.amount_fen, sale.total_after_ml) for sale in device.truth]
        )


class Unguarded:
    """What a bus would be without its guard: everybody speaks when he likes and hears everything."""

    def __init__(self, sessions: list[Session]) -> None:
        self._sessions = sessions

    def receive(self, data: bytes, now: Monotonic) -> None:
        for session in self._sessions:
            session.receive(data, now)

    def next_event(self) -> DriverEvent | None:
        return next((event for each in self._sessions if (event := each.next_event()) is not None), None)

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        for session in self._sessions:
            session.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        return

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b"".join(session.bytes_to_send(now) for session in self._sessions)

    def next_timer(self) -> Monotonic | None:
        return min(timer for each in self._sessions if (timer := each.next_timer()) is not None)

    def handle_timer(self, now: Monotonic) -> None:
        for session in self._sessions:
            session.handle_timer(now)

    def awaiting(self) -> bool:
        return any(session.awaiting() for session in self._sessions)

    def disconnected(self, now: Monotonic) -> None:
        for session in self._sessions:
            session.disconnected(now)

    def counters(self) -> Mapping[str, int]:
        return {key: value for each in self._sessions for key, value in each.counters().items()}


class Forecourt:
    """Two dispensers, one wire, one line."""

    def __init__(self) -> None:
        self._left = ExitStack()
        self.wire = SharedWire(3, OPTIONS.baud)
        self._left.callback(self.wire.close)
        self.dispensers = {unit: Dispenser(unit, self.wire.paths[1 + at]) for at, unit in enumerate(UNITS)}
        for dispenser in self.dispensers.values():
            self._left.callback(dispenser.close)
        self.ledger = Ledger()

    def serve(self, session: Session) -> Line:
        return self._left.enter_context(running(self.wire.paths[0], session, self.ledger))

    def close(self) -> None:
        self._left.close()

    def booked(self, unit: str) -> list[tuple[int, int, int | None]]:
        return [
            (event.volume_ml, event.amount_fen, event.totalizer_after_ml)
            for event in self.ledger.events
            if isinstance(event, Fuelling) and event.address == unit
        ]

    def sell(self, unit: str, volume_ml: int) -> None:
        sold_before = len(self.booked(unit))
        self.dispensers[unit].sell(volume_ml)
        wait_until(lambda: len(self.booked(unit)) == sold_before + 1)

    def kept_apart(self, line: Line) -> None:
        """Nobody spoke while another did, and no session heard an answer to the other's question."""
        assert self.wire.collisions == 0
        assert line.status().counters.get("WRONG_ANSWER", 0) == 0

    def said(self, kind: type[DriverEvent], unit: str) -> int:
        return sum(isinstance(event, kind) and event.address == unit for event in self.ledger.events)


@pytest.fixture
def forecourt() -> Iterator[Forecourt]:
    found = Forecourt()
    try:
        yield found
    finally:
        found.close()


def sessions() -> list[Session]:
    return [DRIVER.open_session(unit, OPTIONS) for unit in UNITS]


def test_every_sale_once_and_at_its_own_dispenser(forecourt: Forecourt) -> None:
    """Both sell; unit 1 answers late, dies while both sell, comes back; unit 2 never notices."""
    line = forecourt.serve(Bus(sessions()))
    one, two = (forecourt.dispensers[unit] for unit in UNITS)
    wait_until(lambda: line.status().counters.get("HEARD", 0) > 12)
    for volume_ml in (10_000, 20_000):
        forecourt.sell("1", volume_ml)
        forecourt.sell("2", volume_ml)
    for _ in range(5):
        asked_late = line.status().counters.get("NO_ANSWER", 0)
        one.act(lambda device: device.answer_late(2, LATE_MS))
        wait_until(lambda seen=asked_late: line.status().counters.get("NO_ANSWER", 0) >= seen + 2)  # type: ignore[misc]
        forecourt.sell("2", 5_000)
        forecourt.sell("1", 6_000)
    one.die()
    forecourt.sell("2", 30_000)
    wait_until(lambda: forecourt.said(DeviceSilent, "1") == 1)
    forecourt.sell("2", 40_000)
    one.revive()
    wait_until(lambda: forecourt.said(DeviceBack, "1") == 2)
    forecourt.sell("1", 50_000)
    forecourt.sell("2", 50_000)
    heard = line.status().counters["HEARD"]
    wait_until(lambda: line.status().counters["HEARD"] > heard + 20)
    assert forecourt.booked("1") == one.truth()
    assert forecourt.booked("2") == two.truth()
    assert forecourt.said(DeviceSilent, "2") == 0
    forecourt.kept_apart(line)
    assert line.status().counters["NO_ANSWER"] >= 10
    assert line.status().counters["LATE_ANSWER"] >= 5


def test_the_control_without_the_guard_fails(forecourt: Forecourt) -> None:
    """Sales may still come through, because each session knows its own unit; but nothing keeps them apart."""
    line = forecourt.serve(Unguarded(sessions()))
    for dispenser in forecourt.dispensers.values():
        dispenser.sell(10_000)
    wait_until(lambda: forecourt.wire.collisions > 4)
    wait_until(lambda: line.status().counters.get("WRONG_ANSWER", 0) > 0)
    with pytest.raises(AssertionError):
        forecourt.kept_apart(line)
