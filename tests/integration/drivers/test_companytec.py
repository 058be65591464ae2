"""Integration: does the driver book every sale once, in the books of a station, over a real pseudo-terminal
and real TCP ports?"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from drivers.companytec.codec import POINTERS, STEP
from drivers.companytec.concentrator import RING, Concentrator, Record
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.port import Port
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted, Outcome
from drivers.stage import SimulatorOnPty, SimulatorOnTcp
from tests.integration.drivers.line_rig import Ledger, monotonic_ms, running, wait_until
from tests.unit.drivers.companytec.desk import YES, Desk
from tests.world import World

OPTIONS = CompanytecOptions(poll_ms=50, gap_ms=2)
SALES = 300


class Witness(CompanytecSimulator):
    """Notes in the ledger's own list when the device lets go of a record."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def _step(self) -> None:
        before = len(self.released)
        super()._step()
        for record in self.released[before:]:
            self._ledger.order.append(("released", record.number))


class EarlySession(CompanytecSession):
    """The control: steps over a record, and reports it only then."""

    held: DriverEvent | None = None

    def next_event(self) -> DriverEvent | None:
        if self.held is not None and not self._step_ready:
            event, self.held = self.held, None
            return event
        event = super().next_event()
        if isinstance(event, Fuelling):
            super().confirm(event, Answer(Outcome.DONE, durable=True), monotonic_ms())
            self.held = event
            return None
        return event


def _sell(simulator: Port, rng: random.Random) -> Record:
    volume_ml = rng.randrange(10, 90_000, 10)
    return simulator.sell(rng.choice(("04", "05", "44")), volume_ml, volume_ml * 777 // 1_000, 7_770)


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


@pytest.fixture
def stage(ledger: Ledger, tmp_path: Path) -> Iterator[SimulatorOnPty[Witness]]:
    stage = SimulatorOnPty(Witness(ledger), monotonic_ms, link=tmp_path / "by-id-cbc")
    yield stage
    stage.close()


def test_several_hundred_sales_arrive_exactly_once_and_are_released_after_commit(
    stage: SimulatorOnPty[Witness], ledger: Ledger
) -> None:
    rng = random.Random(11)
    with running(stage.path, CompanytecSession("1", OPTIONS), ledger) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        sold = [stage.act(lambda device: _sell(device, rng)) for _ in range(SALES)]
        wait_until(lambda: stage.act(lambda device: len(device.released)) == SALES, 40)
        status = line.status()
    assert {record.number: record.volume_ml for record in sold} == {
        number: fuelling.volume_ml for number, fuelling in ledger.durable.items()
    }
    assert [number for what, number in ledger.order if what == "released"] == list(range(SALES))
    assert _released_before_committed(ledger) == []
    assert status.port_open
    assert ledger.threads == {"line:test"}


def test_a_session_that_steps_too_early_is_found_out(stage: SimulatorOnPty[Witness], ledger: Ledger) -> None:
    rng = random.Random(12)
    with running(stage.path, EarlySession("1", OPTIONS), ledger) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        for _ in range(10):
            stage.act(lambda device: _sell(device, rng))
        wait_until(lambda: stage.act(lambda device: len(device.released)) == 10)
        wait_until(lambda: len(ledger.durable) == 10)
    assert _released_before_committed(ledger) != []


def test_a_pulled_plug_is_noticed_at_once_and_what_was_sold_meanwhile_arrives(
    stage: SimulatorOnPty[Witness], ledger: Ledger
) -> None:
    rng = random.Random(13)
    with running(stage.path, CompanytecSession("1", OPTIONS), ledger) as line:
        for _ in range(3):
            wait_until(lambda: line.status().port_open)
            stage.act(lambda device: _sell(device, rng))
            stage.unplug()
            pulled_at = monotonic_ms()
            wait_until(lambda: not line.status().port_open)
            assert monotonic_ms() - pulled_at < 1_000
            assert line.status().trouble
            stage.act(lambda device: _sell(device, rng))
            stage.replug()
        wait_until(lambda: len(ledger.durable) == 6)
        wait_until(lambda: stage.act(lambda device: len(device.released)) == 6)
        counters = line.status().counters
    assert counters["PORT_GONE"] == 3
    assert counters["PORT_OPENED"] == 4
    assert _released_before_committed(ledger) == []


def test_the_same_over_tcp_with_whole_segments(ledger: Ledger) -> None:
    rng = random.Random(14)
    stage = SimulatorOnTcp(CompanytecSimulator(whole_segments=True, pointer_head="TG99"), monotonic_ms)
    try:
        with running(stage.device, CompanytecSession("1", OPTIONS), ledger, pty=False) as line:
            wait_until(lambda: line.status().port_open)
            for _ in range(40):
                stage.act(lambda device: _sell(device, rng))
            wait_until(lambda: stage.act(lambda device: len(device.released)) == 20)
            stage.unplug()
            wait_until(lambda: not line.status().port_open)
            stage.replug()
            wait_until(lambda: stage.act(lambda device: len(device.released)) == 40)
    finally:
        stage.close()
    assert sorted(number for number in ledger.durable if number is not None) == list(range(40))


def test_start_and_end_are_seen_through_the_kernel_too(
    stage: SimulatorOnPty[Witness], ledger: Ledger
) -> None:
    with running(stage.path, CompanytecSession("1", OPTIONS), ledger) as line:
        wait_until(lambda: line.status().last_valid_heard_ms is not None)
        stage.act(lambda device: device.begin("05"))
        wait_until(lambda: FuellingStarted("1", "05") in ledger.events)
        began = line.status().counters["HEARD"]
        wait_until(lambda: line.status().counters["HEARD"] > began + 4)  # the ring was seen empty since
        hung_up = monotonic_ms()
        stage.act(lambda device: device.sell("05", 5_000, 3_885, 7_770))
        wait_until(lambda: 0 in ledger.durable)
    ended = ledger.durable[0].ended
    assert ended is not None
    assert -5 <= ended - hung_up < 1_000, "one or two rounds of 50 ms on an idle machine"


@pytest.mark.parametrize("protocol", ["cbc", "horustech"])
def test_two_programs_on_two_ports_read_everything_and_do_not_disturb_each_other(
    protocol: Literal["cbc", "horustech"],
) -> None:
    """As on a station: its own system on one TCP port, the agent on the second."""
    cabinet, rng = Concentrator(), random.Random(15)
    options = CompanytecOptions(protocol=protocol, poll_ms=50, gap_ms=2)
    make = CompanytecSimulator if protocol == "cbc" else HorustechSimulator
    stages: list[SimulatorOnTcp[Port]] = [SimulatorOnTcp(make(cabinet), monotonic_ms) for _ in range(2)]
    station, agent = stages
    ledgers = Ledger(), Ledger()
    try:
        with running(station.device, CompanytecSession("1", options), ledgers[0], pty=False) as line:
            wait_until(lambda: line.status().last_valid_heard_ms is not None)
            for _ in range(10):
                station.act(lambda device: _sell(device, rng))
            wait_until(lambda: station.act(lambda device: device.backlog()) == 0)
            assert agent.act(lambda device: device.backlog()) == 10, "the other port's pointer stands still"
            with running(agent.device, CompanytecSession("1", options), ledgers[1], pty=False):
                for _ in range(20):
                    station.act(lambda device: _sell(device, rng))
                wait_until(lambda: all(stage.act(lambda device: device.backlog()) == 0 for stage in stages))
            for _ in range(5):
                station.act(lambda device: _sell(device, rng))
            wait_until(lambda: station.act(lambda device: device.backlog()) == 0)
            assert agent.act(lambda device: device.backlog()) == 5, "and the first does not move the second's"
        released = [len(stage.act(lambda device: device.released)) for stage in stages]
    finally:
        for stage in stages:
            stage.close()
    sold = {record.number: record.volume_ml for record in cabinet.sold}
    booked = [
        {number: fuelling.volume_ml for number, fuelling in ledger.durable.items()} for ledger in ledgers
    ]
    assert booked[0] == sold
    assert booked[1] == {number: sold[number] for number in range(30)}
    assert released == [35, 30]


# With the books of a station, on simulated time.


class BookedDesk(Desk):
    """The till is a station's own, in front of its database."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.session = CompanytecSession("0", CompanytecOptions())
        self.till = self._book
        self._world = world

    def booked(self) -> list[tuple[str, int]]:
        """Kind and millilitres of every fact, in the order in which they were booked."""
        rows = self._world.rows("SELECT kind, volume_ml FROM fact ORDER BY stream_seq")
        return [(str(kind), int(volume_ml)) for kind, volume_ml in rows]

    def _book(self, event: DriverEvent) -> Answer:
        if not isinstance(event, Fuelling):
            return YES
        return self._world.book(event, ended_ago_ms=None).answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BookedDesk]:
    world = World(tmp_path / "station.db")
    desk = BookedDesk(world)
    desk.run(1_000)
    yield desk
    world.store.close()


def test_a_record_that_was_skipped_is_booked_in_its_place_and_no_litre_twice(desk: BookedDesk) -> None:
    """Every step arrives twice, and every other look at the pointers is lost."""
    looks: list[bytes] = []

    def wire(data: bytes) -> list[bytes]:
        looks.extend([data] if data == POINTERS else [])
        if data == POINTERS and len(looks) % 2:
            return []
        return [data, data] if data == STEP else [data]

    desk.wire = wire
    for number in range(1, 9):
        desk.simulator.sell("08", 10_000 * number, 7_850 * number, 7_850)
    desk.run(40_000)
    assert desk.booked() == [("fuelling", 10_000 * number) for number in range(1, 9)]


def test_a_record_read_again_after_a_power_cut_between_book_and_step_is_booked_once(desk: BookedDesk) -> None:
    desk.wire = lambda data: [] if data == STEP else [data]
    desk.simulator.sell("08", 10_000, 7_850, 7_850)
    desk.run(300)
    assert desk.simulator.backlog() == 1
    desk.session = CompanytecSession("0", CompanytecOptions())
    desk.wire = lambda data: [data]
    desk.simulator.sell("08", 20_000, 15_700, 7_850)
    desk.run(4_000)
    assert desk.simulator.backlog() == 0
    assert desk.booked() == [("fuelling", 10_000), ("fuelling", 20_000)]


def test_records_that_were_overwritten_unread_are_booked_as_litres(desk: BookedDesk) -> None:
    desk.simulator.sell("08", 10_000, 7_850, 7_850)
    desk.run(1_000)
    for _ in range(RING + 2):
        desk.simulator.sell("08", 5_000, 3_925, 7_850)
    desk.run(3_000)
    assert desk.booked() == [
        ("fuelling", 10_000),
        ("gap", RING * 5_000),
        ("fuelling", 5_000),
        ("fuelling", 5_000),
    ]


def test_a_pointer_set_back_over_the_whole_ring_books_nothing_again(desk: BookedDesk) -> None:
    for number in range(1, 31):
        desk.simulator.sell("08", 10_000 * number, 7_850 * number, 7_850)
    desk.run(8_000)
    before = desk.booked()
    assert len(before) == 30
    desk.simulator.read = 0
    desk.run(20_000)
    assert desk.simulator.backlog() == 0
    assert desk.booked() == before
