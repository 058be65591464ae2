"""Benches for the Zhengxing tests: a listener, frame by frame, and a master with its dispenser."""

from collections.abc import Callable

from drivers.conformance import Identity, identity_of
from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted, Monotonic, Outcome
from drivers.session import Session
from drivers.zhengxing.codec import Frame, Reader, encode
from drivers.zhengxing.commands import BOTH, Command
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.session import ZhengxingMaster
from drivers.zhengxing.simulator import ZhengxingSimulator
from drivers.zhengxing.tap import ZhengxingTap

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
IDLE, WAITS, LIFTED, FLOWS = 0x63, 0x73, 0xA4, 0xA8


class Bench:
    """What both have: a session, a clock, a till that says `answer`, and everything that was reported."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = Monotonic(10_000)
        self.events: list[DriverEvent] = []
        self.answer = YES

    @property
    def fuellings(self) -> list[Fuelling]:
        return [event for event in self.events if isinstance(event, Fuelling)]

    @property
    def identities(self) -> list[Identity]:
        return [identity_of(fuelling) for fuelling in self.fuellings]

    @property
    def started(self) -> list[str]:
        return [event.nozzle for event in self.events if isinstance(event, FuellingStarted)]

    def count(self, code: str) -> int:
        return self.session.counters().get(code, 0)

    def _report(self) -> None:
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            self.session.confirm(event, self.answer, self.now)


def sale_body(
    volume_count: int, amount_count: int, *, price: str = "0750", chain: str = "0001", number: int = 1
) -> bytes:
    """Bytes 4 to 34 of a sale, written by the published layout."""
    body = bytearray(31)
    body[2:4] = (amount_count >> 4).to_bytes(2, "big")
    body[4] = (amount_count & 0x0F) << 4 | volume_count >> 16
    body[5:7] = (volume_count & 0xFFFF).to_bytes(2, "big")
    body[15:17] = bytes.fromhex(price)
    body[19:21] = bytes.fromhex(chain)
    body[25] = number
    return bytes(body)


class TapBench(Bench):
    """A wire, spoken on by the test."""

    def __init__(self, address: str = "1", **options: object) -> None:
        self.point = int(address)
        super().__init__(ZhengxingTap(address, ZhengxingOptions.model_validate(options)))

    def ask(self, command: Command, body: bytes = b"") -> None:
        self.wire(encode(command, self.point, body))

    def reply(self, command: Command, body: bytes = b"", state: int = IDLE) -> None:
        self.wire(encode(command, self.point, bytes((state,)) + body))

    def state(self, *states: int) -> None:
        for state in states:
            self.ask(Command.STATE)
            self.reply(Command.STATE, state=state)

    def totals(self, volume_count: int, amount_count: int) -> None:
        self.ask(Command.TOTALS)
        totals = amount_count.to_bytes(4, "big") + volume_count.to_bytes(4, "big")
        self.reply(Command.TOTALS, totals + bytes(4), WAITS)

    def read(self, body: bytes, command: Command = Command.SALE) -> None:
        self.ask(command)
        self.reply(command, body, WAITS)

    def acknowledge(self, chain: str = "0001", after: int = IDLE) -> None:
        """The reply is recognised when the next question begins: questions to acknowledge are longer."""
        self.ask(Command.ACKNOWLEDGE, bytes.fromhex(chain))
        self.reply(Command.ACKNOWLEDGE, state=after)
        self.ask(Command.STATE)

    def wait(self, duration_ms: int) -> None:
        self.now = Monotonic(self.now + duration_ms)
        self.session.handle_timer(self.now)
        self._report()

    def wire(self, data: bytes) -> None:
        self.now = Monotonic(self.now + 20)
        self.session.receive(data, self.now)
        self.session.handle_timer(self.now)
        self._report()
        assert self.session.bytes_to_send(self.now) == b""


class MasterBench(Bench):
    """A dispenser that sells by itself and its only master. `wire` may replace what the session says, `back`
    what the dispenser says."""

    def __init__(self, simulator: ZhengxingSimulator | None = None, **options: object) -> None:
        self.options = ZhengxingOptions.model_validate({"mode": "master", "gap_ms": 20, **options})
        super().__init__(ZhengxingMaster("1", self.options))
        self.simulator = simulator or ZhengxingSimulator()
        self.sent: list[Frame] = []
        self.wire: Callable[[bytes], bytes] = lambda data: data
        self.back: Callable[[bytes], bytes] = lambda data: data

    def restart(self) -> None:
        self.session = ZhengxingMaster("1", self.options)

    def said(self, command: Command) -> int:
        return sum(frame.command is command for frame in self.sent)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 5):
            self.now = Monotonic(self.now + 5)
            timer = self.simulator.next_timer()
            if timer is not None and timer <= self.now:
                self.simulator.handle_timer(self.now)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(self.back(data), self.now)
            timer = self.session.next_timer()
            if timer is not None and timer <= self.now:
                self.session.handle_timer(self.now)
            self._report()
            if data := self.session.bytes_to_send(self.now):
                self.sent += Reader(BOTH).feed(data + b"\xfc")
                self.simulator.receive(self.wire(data), self.now)
