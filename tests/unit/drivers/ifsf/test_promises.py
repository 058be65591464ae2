"""Unit: can an IFSF session say anything but reads, clears of what is safe, and receipts, on any wire?"""

import random

import pytest

from drivers.conformance import Cases, run
from drivers.events import Answer, DriverEvent, Monotonic
from drivers.faults import WIRES
from drivers.ifsf import DRIVER, conformance_cases
from drivers.ifsf.case import BESIDE, SERIAL, TCP, IfsfCase
from drivers.ifsf.codec import Kind
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.session import Session
from tests.unit.drivers.ifsf.ifsf_desk import Desk, decoded

COMMANDS = {b"\x1e\x00", b"\xc9\x00"}
CASES: Cases = conformance_cases()


class Recorded(IfsfCase):
    """Its sessions keep what they say; half of its sales are odd, unless a controller clears them unseen."""

    def __init__(self, options: IfsfOptions) -> None:
        super().__init__(options)
        self.said: list[bytes] = []

    def open_session(self) -> Session:
        session = super().open_session()
        honest = session.bytes_to_send

        def overheard(now: Monotonic) -> bytes:
            data = honest(now)
            self.said += [data] if data else []
            return data

        session.bytes_to_send = overheard  # type: ignore[method-assign]
        return session

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if self._options.clears and rng.randrange(2):
            self.sell_odd(rng, now)
        super().sell(rng, now)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("options", [TCP, SERIAL], ids=["tcp", "serial"])
def test_only_reads_clears_and_receipts_on_every_wire(wire: str, options: IfsfOptions) -> None:
    case = Recorded(options)
    report = run(DRIVER, "recorded", case, WIRES[wire], 5)
    assert not report.failures, report.explain()
    messages = [decoded(data, options.transport) for data in case.said]
    assert {message.kind for message in messages} <= {Kind.READ, Kind.WRITE, Kind.ACK}
    writes = [message for message in messages if message.kind is Kind.WRITE]
    assert writes
    assert {message.data for message in writes} <= COMMANDS
    assert all(len(message.place) == 4 and message.place[1] == 0x21 for message in writes)
    assert case.simulator.forbidden_heard == []


@pytest.mark.parametrize("wire", WIRES)
def test_beside_a_controller_every_sale_is_reported_and_nothing_is_written(wire: str) -> None:
    for seed in (1, 2, 3):
        case = Recorded(BESIDE)
        report = run(DRIVER, "recorded", case, WIRES[wire], seed)
        assert not report.failures, report.explain()
        kinds = {decoded(data, BESIDE.transport).kind for data in case.said}
        assert {Kind.READ} <= kinds <= {Kind.READ, Kind.ACK}
        assert case.released() == []


class ClearsAtOnce(IfsfSession):
    """Takes a sale for safe when it has read it."""

    def next_event(self) -> DriverEvent | None:
        event = super().next_event()
        if self._with_till is not None and event is self._with_till.fuelling:
            self._agenda.keep(self._with_till.record, is_offline=self._with_till.is_offline)
        return event

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if self._with_till is not None and event is self._with_till.fuelling:
            self._agenda.read_again(self._with_till.record, now, is_offline=self._with_till.is_offline)
            self._with_till = None


def test_the_kit_finds_a_session_that_clears_too_early() -> None:
    class Cheat(IfsfCase):
        def open_session(self) -> Session:
            return ClearsAtOnce("1", TCP)

    failures = [run(DRIVER, "cheat", Cheat(), WIRES["clean"], seed).failures for seed in (1, 2, 3)]
    assert any("RELEASED_TOO_EARLY" in failure for some in failures for failure in some)


@pytest.mark.parametrize("name", CASES)
def test_odd_sales_leave_no_backlog(name: str) -> None:
    case = CASES[name]()
    assert isinstance(case, IfsfCase)
    rng = random.Random(name)
    options = TCP if name == "tcp" else SERIAL
    desk = Desk(case.simulator, **options.model_dump())
    for _ in range(12):
        case.sell_odd(rng, desk.now)
        desk.run(700)
    desk.run(4_000)
    assert case.backlog() == 0
    assert len(desk.fuellings) == len(case.sold()) > 5
    assert len(case.released()) == len(case.sold())
