"""A desk for one Hengshan dispenser and one session on a perfect wire, with a clock that the test moves."""

from collections.abc import Callable

from drivers.events import Monotonic
from drivers.hengshan import DRIVER, codec
from drivers.hengshan.codec import Frame, Reader
from drivers.hengshan.controller import TappedLoop
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.simulator import HengshanSimulator
from tests.unit.drivers.machinery.session_bench import SessionBench


class DispenserDesk(SessionBench):
    """`run` serves both ends; `wire` replaces what we say, `loop` what we hear."""

    def __init__(self, simulator: HengshanSimulator | TappedLoop, **options: object) -> None:
        self.simulator = simulator
        is_master = isinstance(simulator, HengshanSimulator)
        given = {"mode": "master" if is_master else "listen", "gap_ms": 20, **options}
        self.options = HengshanOptions.model_validate(given)
        super().__init__(DRIVER.open_session("1", self.options))
        self.sent: list[Frame] = []
        self.wire: Callable[[bytes], list[bytes]] = lambda data: [data]
        self.loop: Callable[[bytes], list[bytes]] = lambda data: [data]

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 10):
            self.now = Monotonic(self.now + 10)
            timer = self.simulator.next_timer()
            if timer is not None and timer <= self.now:
                self.simulator.handle_timer(self.now)
            if data := self.simulator.bytes_to_send(self.now):
                for heard in self.loop(data):
                    self.session.receive(heard, self.now)
            self.turn()
            if data := self.session.bytes_to_send(self.now):
                self.sent.append(said(data))
                for heard in self.wire(data):
                    self.simulator.receive(heard, self.now)

    def restart(self) -> None:
        """The agent dies and comes back: nothing is remembered."""
        self.session = DRIVER.open_session("1", self.options)

    def said_count(self, command: int) -> int:
        """How often the session said this command."""
        return sum(frame.code == command for frame in self.sent)


def said(data: bytes) -> Frame:
    """The one frame in `data`."""
    (frame,) = Reader().feed(data)
    assert codec.encode(frame) == data
    return frame
