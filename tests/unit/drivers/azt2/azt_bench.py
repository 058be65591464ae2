"""Benches for the AZT 2.0 tests: a master with its pump, and one for who listens, frame by frame."""

from drivers.azt2 import codec, words
from drivers.azt2.codec import Frame, Short
from drivers.azt2.options import AztOptions
from drivers.azt2.session import AztMaster
from drivers.azt2.simulator import AztSimulator, Habits
from drivers.azt2.tap import AztTap
from drivers.azt2.words import Command
from drivers.events import Monotonic
from tests.unit.drivers.machinery.session_bench import SessionBench


class MasterBench(SessionBench):
    """One pump and its master on a perfect wire. `sent` are the commands that were said, in order."""

    def __init__(self, habits: Habits | None = None, **options: object) -> None:
        self.options = AztOptions.model_validate({"mode": "master", **options})
        super().__init__(AztMaster("3", self.options))
        self.simulator = AztSimulator(3, habits or Habits(fuelling_ms=500))
        self.sent: list[int] = []
        self.is_cut = False
        self.drop: set[int] = set()
        """Commands whose question is lost on the wire."""

    def restart(self) -> None:
        """The agent dies and comes back: nothing is remembered."""
        self.session = AztMaster("3", self.options)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 5):
            self.now = Monotonic(self.now + 5)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(data, self.now)
            self.turn()
            if data := self.session.bytes_to_send(self.now):
                command = said(data)
                self.sent.append(command)
                if not self.is_cut and command not in self.drop:
                    self.simulator.receive(data, self.now)

    def run_until_confirmed(self) -> None:
        """At most half a minute."""
        for _ in range(100):
            if not self.simulator.backlog():
                return
            self.run(300)
        raise AssertionError("the pump still waits")


class TapBench(SessionBench):
    """A wire of which every frame is said by the test. `ask` is question and answer, 15 ms apart."""

    def __init__(self, address: str = "1", **options: object) -> None:
        self.address = address
        self.options = AztOptions.model_validate(options)
        super().__init__(AztTap(address, self.options))

    def restart(self) -> None:
        self.session = AztTap(self.address, self.options)

    def ask(self, command: int, reply: str | Short | None, channel: int = 0) -> None:
        """One exchange; None: the answer is not heard."""
        self.hear(codec.ask(channel or int(self.address), command))
        self.wait(15)
        if reply is not None:
            self.hear(answer(reply))
        self.wait(40)

    def hear(self, data: bytes) -> None:
        self.session.receive(data, self.now)
        self.turn()

    def wait(self, duration_ms: int) -> None:
        until = self.now + duration_ms
        while self.now < until:
            self.now = Monotonic(min(self.now + 50, until))
            self.turn()

    def state(self, digits: str) -> None:
        self.ask(Command.STATE, digits)

    def totals(self, volume: str) -> None:
        self.ask(Command.TOTALS, volume.zfill(10) + "0000000001")

    def sale(self, volume: str, amount: str, price: str = "5000") -> None:
        self.ask(Command.SALE, volume.zfill(5) + amount.zfill(7) + price)

    def fuel(self, volume: str, amount: str, *, reason: str = "0") -> None:
        """A whole fuelling up to its confirmation, but for the totals."""
        for state in ("0", "1", "2", "3"):
            self.state(state)
        self.state("4" + reason)
        self.sale(volume, amount)
        self.ask(Command.CONFIRM, Short.DONE)


def answer(reply: str | Short) -> bytes:
    if isinstance(reply, Short):
        return bytes((codec.DEL, reply))
    return codec.encode(Frame(codec.STX, reply.encode("ascii")))


def said(data: bytes) -> int:
    """The command of the one frame that `data` is."""
    (frame,) = codec.Reader().feed(data)
    assert isinstance(frame, Frame)
    asked = words.asked(frame)
    assert asked is not None
    return asked.command_code
