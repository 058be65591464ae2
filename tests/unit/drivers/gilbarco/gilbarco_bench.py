"""Benches for the Gilbarco tests: one for who listens, word by word, and one for a master with its pumps."""

from drivers.events import Fuelling, Monotonic
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.session import GilbarcoMaster
from drivers.gilbarco.simulator import GilbarcoSimulator, block
from drivers.gilbarco.tap import GilbarcoTap
from tests.unit.drivers.machinery.session_bench import SessionBench

IDLE, CALL, AUTHORISED, BUSY, PEOT, FEOT, STOPPED = range(0x6, 0xD)


def shown_total(fuelling: Fuelling) -> str:
    """The raw totalizer; of the mark that stands in for one that was not read, only the "+" before it."""
    total, plus, mark = fuelling.raw.totalizer_after.partition("+")
    assert len(mark) == (8 if plus else 0)
    return total + plus


def digits(text: str) -> bytes:
    return bytes(0xE0 | int(digit) for digit in reversed(text))


def sale(volume: str, amount: str, price: str = "0750", grade: int = 0, pump: int = 1) -> bytes:
    head = bytes((0xF1, 0xF8, 0xEB, 0xE0 | (pump - 1), 0xE0, 0xE0, 0xE2, 0xF6, 0xE0 | grade, 0xF4, 0xF7))
    return block(head + digits(price) + b"\xf9" + digits(volume) + b"\xfa" + digits(amount))


def totals(*volumes: str) -> bytes:
    """Of grades 0, 1, ..."""
    return block(
        b"".join(
            bytes((0xF6, 0xE0 | grade, 0xF9)) + digits(volume) + b"\xfa" + digits(volume)
            for grade, volume in enumerate(volumes)
        )
    )


class TapBench(SessionBench):
    """A line on which the test speaks for both sides."""

    def __init__(self, **options: object) -> None:
        self.options = GilbarcoOptions.model_validate(options)
        super().__init__(GilbarcoTap("1", self.options))

    def restart(self) -> None:
        """Our side dies and comes back."""
        self.session = GilbarcoTap("1", self.options)

    def state(self, *states: int, pump: int = 1) -> None:
        """The controller looks, once for each state."""
        for state in states:
            self.wire(bytes((pump % 16,)), bytes((state << 4 | pump % 16,)))

    def sale(self, *args: str, pump: int = 1, grade: int = 0) -> None:
        self.wire(bytes((0x40 | pump % 16,)), sale(*args, grade=grade, pump=pump))

    def totals(self, *volumes: str, pump: int = 1) -> None:
        self.wire(bytes((0x50 | pump % 16,)), totals(*volumes))

    def fuel(self, volume: str, amount: str) -> None:
        """A whole fuelling, with the sale read once behind it."""
        self.state(IDLE, CALL)
        self.wire(b"\x11")
        self.state(AUTHORISED, BUSY)
        self.wire(b"\x61", b"\xe0\xe0\xe1\xe0\xe0\xe0")
        self.state(BUSY, PEOT)
        self.sale(volume, amount)
        self.state(FEOT, IDLE)

    def wait(self, duration_ms: int) -> None:
        """The controller looks on, once a second."""
        for _ in range(0, duration_ms, 1_000):
            self.now = Monotonic(self.now + 950)
            self.state(IDLE)

    def silence(self, duration_ms: int) -> None:
        self.now = Monotonic(self.now + duration_ms)
        self.turn()

    def wire(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.now = Monotonic(self.now + 25)
            self.session.receive(piece, self.now)
            self.turn()
            assert self.session.bytes_to_send(self.now) == b""


class MasterBench(SessionBench):
    """Pumps that sell by themselves and their only master, on a perfect line (that may echo)."""

    def __init__(self, simulator: GilbarcoSimulator | None = None, **options: object) -> None:
        self.options = GilbarcoOptions.model_validate({"mode": "master", **options})
        super().__init__(GilbarcoMaster("1", self.options))
        self.simulator = simulator or GilbarcoSimulator(self.options.pumps, grades=2)
        self.sent: list[bytes] = []
        self.is_cut = self.echoes = False

    def restart(self) -> None:
        self.session = GilbarcoMaster("1", self.options)

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
                self._say(data)

    def _say(self, data: bytes) -> None:
        self.sent.append(data)
        if self.echoes:
            self.session.receive(data, self.now)
        if not self.is_cut:
            self.simulator.receive(data, self.now)
