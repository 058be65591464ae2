"""Benches for the DART tests: one for who listens, frame by frame, and one for a master with its pump."""

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.options import DartOptions
from drivers.dart.session import DartMaster
from drivers.dart.simulator import DartSimulator
from drivers.dart.tap import DartTap
from drivers.events import Monotonic
from tests.unit.drivers.machinery.session_bench import SessionBench


def status(code: int) -> bytes:
    return bytes((0x01, 1, code))


def display(volume: str, amount: str) -> bytes:
    return bytes.fromhex("0208" + volume.zfill(8) + amount.zfill(8))


def nozzle(number: int, *, out: bool, price: str = "000750") -> bytes:
    return bytes.fromhex("0304" + price) + bytes((number | out << 4,))


def totals(number: int, digits: str) -> bytes:
    return b"\x65\x10" + bytes((number,)) + bytes.fromhex(digits.zfill(10) * 2 + "0" * 10)


class TapBench(SessionBench):
    """A pair of wires, spoken on by the test."""

    def __init__(self, **options: object) -> None:
        self.options = DartOptions.model_validate({"nozzles": (1, 2), **options})
        super().__init__(DartTap("50", self.options))
        self.pump_tx_no = 0
        self.host_tx_no = 0

    def restart(self) -> None:
        """Our side dies and comes back."""
        self.session = DartTap("50", self.options)

    def pump(self, *transactions: bytes, address: int = 0x50, lost: bool = False) -> None:
        """The pump is polled and says this; we do not hear it if it is `lost`."""
        frame = Frame(address, Control.DATA, self.pump_tx_no, b"".join(transactions))
        self.pump_tx_no = self.pump_tx_no % 15 + 1
        self.wire(Frame(address, Control.POLL))
        if not lost:
            self.wire(frame)
        self.wire(Frame(address, Control.ACK, frame.tx_no))

    def quiet(self) -> None:
        """The pump is polled and has nothing to say."""
        self.wire(Frame(0x50, Control.POLL))
        self.wire(Frame(0x50, Control.EOT))

    def host(self, data: bytes) -> None:
        """The controller says this, the pump acknowledges."""
        self.wire(Frame(0x50, Control.DATA, self.host_tx_no, data))
        self.wire(Frame(0x50, Control.ACK, self.host_tx_no))
        self.host_tx_no = self.host_tx_no % 15 + 1

    def fuel(self, volume: str, amount: str, number: int = 1, price: str = "000750") -> None:
        """A whole fuelling up to its end, as captured pumps tell it."""
        self.pump(nozzle(number, out=True, price=price))
        self.host(words.ASK_STATE[:2] + b"\x05")
        self.pump(display("0", "0"), status(1))
        self.pump(status(2))
        self.pump(status(4))
        self.pump(display("1", "8"))
        self.pump(display(volume, amount), nozzle(0, out=False, price=price), status(5))
        self.quiet()

    def wait(self, duration_ms: int) -> None:
        self.now = Monotonic(self.now + duration_ms)
        self.turn()

    def wire(self, frame: Frame) -> None:
        self.now = Monotonic(self.now + 10)
        self.session.receive(codec.encode(frame), self.now)
        self.turn()
        assert self.session.bytes_to_send(self.now) == b""


class MasterBench(SessionBench):
    """A pump that sells by itself and its only master, on a perfect wire."""

    def __init__(self, simulator: DartSimulator | None = None, **options: object) -> None:
        self.options = DartOptions.model_validate({"mode": "master", "nozzles": (1, 2), **options})
        super().__init__(DartMaster("50", self.options))
        self.simulator = simulator or DartSimulator()
        self.sent: list[Frame] = []
        self.is_cut = False

    def restart(self) -> None:
        self.session = DartMaster("50", self.options)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 5):
            self.now = Monotonic(self.now + 5)
            timer = self.simulator.next_timer()
            if timer is not None and timer <= self.now:
                self.simulator.handle_timer(self.now)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(data, self.now)
            self.turn()
            if data := self.session.bytes_to_send(self.now):
                self.sent += codec.Reader().feed(data)
                if not self.is_cut:
                    self.simulator.receive(data, self.now)
