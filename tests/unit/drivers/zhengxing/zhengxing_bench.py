"""Benches for the Zhengxing tests: a listener, frame by frame, and a master with its dispenser."""

from collections.abc import Callable

from drivers.events import Monotonic
from drivers.zhengxing.codec import Frame, Reader, encode
from drivers.zhengxing.commands import BOTH, Command
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.session import ZhengxingMaster
from drivers.zhengxing.simulator import ZhengxingSimulator
from drivers.zhengxing.tap import ZhengxingTap
from tests.unit.drivers.machinery.session_bench import SessionBench

IDLE, WAITS, LIFTED, FLOWS = 0x63, 0x73, 0xA4, 0xA8


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


class TapBench(SessionBench):
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
        self.turn()

    def wire(self, data: bytes) -> None:
        self.now = Monotonic(self.now + 20)
        self.session.receive(data, self.now)
        self.turn()
        assert self.session.bytes_to_send(self.now) == b""


class MasterBench(SessionBench):
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
            self.turn()
            if data := self.session.bytes_to_send(self.now):
                self.sent += Reader(BOTH).feed(data + b"\xfc")
                self.simulator.receive(self.wire(data), self.now)
