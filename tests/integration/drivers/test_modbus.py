"""integration: does our session understand a Modbus device that is not ours, over a socket and a tty?

The device is pymodbus's own server with registers that this file sets by hand, so neither our codec,
nor our simulator, nor our maps could agree with themselves by mistake.
"""

import asyncio
import os
import random
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.events import Answer, DriverEvent, Fuelling, HandOver, Monotonic, Outcome
from drivers.line import Line
from drivers.modbus import DRIVER
from drivers.ports import DescriptorPort, Port, PortSpec, open_port

WAIT_S = 10.0
UNIT = 3


def clock() -> Monotonic:
    return Monotonic(time.monotonic_ns() // 1_000_000)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class ForeignDevice:
    """Registers 0 to 399 of one unit behind a pymodbus server; `asked` and `written` keep what it heard."""

    def __init__(self) -> None:
        self.words = [0] * 400
        self.asked: set[tuple[int, int]] = set()
        self.written: list[tuple[int, tuple[int, ...]]] = []

    def put(self, address: int, *words: int) -> None:
        """In one step, as the server's thread sees it."""
        self.words[address : address + len(words)] = words

    def device(self) -> SimDevice:
        registers = SimData(0, count=400, values=0, datatype=DataType.REGISTERS)
        return SimDevice(id=UNIT, simdata=[registers], action=self._act)

    async def _act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        new: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if new is None:
            self.asked.add((address, count))
        else:
            self.written.append((address, tuple(new)))
            self.put(address, *new)
        registers[:] = self.words[start : start + len(registers)]
        return None


@contextmanager
def serving(make: Callable[[], ModbusTcpServer | ModbusSerialServer]) -> Iterator[ModbusTcpServer]:
    """The server in a thread with its own event loop, ended by its own handle."""
    started: list[ModbusTcpServer] = []
    loop = asyncio.new_event_loop()

    async def start() -> None:
        server = make()
        await server.serve_forever(background=True)
        started.append(server)

    async def stop() -> None:
        await started[0].shutdown()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S)
        yield started[0]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


@contextmanager
def tcp_port(foreign: ForeignDevice) -> Iterator[Callable[[], Port]]:
    with serving(lambda: ModbusTcpServer(foreign.device(), address=("127.0.0.1", 0))) as server:
        number = server.transport.sockets[0].getsockname()[1]
        yield lambda: open_port(PortSpec(f"socket://127.0.0.1:{number}"))


@contextmanager
def tty_port(foreign: ForeignDevice) -> Iterator[Callable[[], Port]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    path = os.ttyname(theirs)
    try:
        with serving(lambda: ModbusSerialServer(foreign.device(), port=path, baudrate=115_200)):
            yield lambda: DescriptorPort(os.fdopen(ours, "r+b", buffering=0, closefd=False))
    finally:
        os.close(ours)
        os.close(theirs)


WIRES = {"tcp": tcp_port, "rtu": tty_port}


class Station:
    """The production line with our session on it, and a till that keeps the fuellings."""

    def __init__(self, port: Callable[[], Port], refusals: int = 0, **options: object) -> None:
        chosen = DRIVER.options.model_validate({"poll_ms": 50, "baud": 115_200, **options})
        self.fuellings: list[Fuelling] = []
        self.refusals_left = refusals
        self._stop = threading.Event()
        session = DRIVER.open_session(str(UNIT), chosen)
        self.line = Line("modbus", port, session, self._report, clock, random.Random(1))
        self._thread = threading.Thread(target=self.line.run, args=(self._stop,))

    def __enter__(self) -> "Station":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.line.wake()
        self._thread.join(WAIT_S)
        self.line.close()

    def _report(self, event: DriverEvent, now: Monotonic) -> Answer:
        if not isinstance(event, Fuelling):
            return Answer(Outcome.DONE, durable=False)
        if self.refusals_left:
            self.refusals_left -= 1
            return Answer(Outcome.UNAVAILABLE, durable=False)
        self.fuellings.append(event)
        return Answer(Outcome.DONE, durable=True)


def long(value: int, order: str) -> tuple[int, int]:
    high, low = value >> 16, value & 0xFFFF
    return (high, low) if order == "high_first" else (low, high)


@pytest.mark.parametrize("order", ["high_first", "low_first"])
@pytest.mark.parametrize("transport", WIRES)
def test_a_last_sale_and_the_next(transport: str, order: str) -> None:
    """Compac C5000 by hand: 101 price, 102 current, 106 and 109 totals, 124 flag, 125 and 127 last sale."""

    def total(*words: int) -> tuple[int, ...]:
        return words if order == "high_first" else words[::-1]

    foreign = ForeignDevice()
    foreign.put(101, 777)
    foreign.put(106, *total(0x0012, 0x3456, 0x7890), *total(0x0000, 0x0500, 0x0000))
    foreign.put(124, 1, *long(30_120, order), *long(234_050, order))
    with (
        WIRES[transport](foreign) as port,
        Station(port, map="compac-c5000", transport=transport, word_order=order) as station,
    ):
        wait_until(lambda: len(station.fuellings) == 1)
        foreign.put(124, 0)
        foreign.put(102, *long(50_000, order))
        heard = station.line.status().counters["HEARD"]
        wait_until(lambda: station.line.status().counters["HEARD"] > heard + 4)
        foreign.put(106, *total(0x0012, 0x3463, 0xE1F0)[:0])
        foreign.put(106, *total(0x0012, 0x3462, 0x7890), *total(0x0000, 0x0546, 0x6200))
        foreign.put(124, 1, *long(60_000, order), *long(466_200, order))
        wait_until(lambda: len(station.fuellings) == 2)
    retained, second = station.fuellings
    assert (retained.volume_ml, retained.amount_fen, retained.unit_price_milli) == (30_120, 23_405, 7_770)
    assert (retained.totalizer_after_ml, retained.ended) == (1_234_567_890, None)
    assert (second.volume_ml, second.amount_fen) == (60_000, 46_620)
    assert (second.totalizer_before_ml, second.totalizer_after_ml) == (1_234_567_890, 1_234_627_890)
    assert second.ended is not None
    assert second.flags == ()
    assert foreign.asked == {(124, 8), (101, 11)}
    assert foreign.written == []


@pytest.mark.parametrize("transport", WIRES)
def test_a_ring_is_read_and_acknowledged_after_the_commit(transport: str) -> None:
    foreign = ForeignDevice()
    for number in (1, 2, 3):
        slot = 100 + 12 * number
        volume, amount, total = 10_000 * number, 7_770 * number, (0x0000, 0x0001, 0x0000 + number)
        foreign.put(slot, number, *long(volume, "high_first"), *long(amount, "high_first"), 7_770, *total)
        foreign.put(slot + 11, number)
    foreign.put(0, 3, 0)
    with (
        WIRES[transport](foreign) as port,
        Station(port, map="ring-buffer", transport=transport) as station,
    ):
        wait_until(lambda: len(foreign.written) == 3)
    assert [(f.sequence_no, f.volume_ml, f.amount_fen) for f in station.fuellings] == [
        (1, 10_000, 7_770),
        (2, 20_000, 15_540),
        (3, 30_000, 23_310),
    ]
    assert {f.hand_over for f in station.fuellings} == {HandOver.BUFFERED}
    assert [f.totalizer_after_ml for f in station.fuellings] == [10_001, 10_002, 10_003]
    assert foreign.written == [(1, (1,)), (1, (2,)), (1, (3,))]


def test_nothing_is_written_while_the_till_refuses() -> None:
    foreign = ForeignDevice()
    foreign.put(112, 1, *long(10_000, "high_first"), *long(7_770, "high_first"), 7_770, 0, 1, 0)
    foreign.put(123, 1)
    foreign.put(0, 1, 0)
    with (
        tcp_port(foreign) as port,
        Station(port, refusals=1_000, map="ring-buffer", transport="tcp") as station,
    ):
        wait_until(lambda: station.refusals_left < 999)
        assert foreign.written == []
        station.refusals_left = 0
        wait_until(lambda: foreign.written == [(1, (1,))])
    assert len(station.fuellings) == 1
