"""A desk for one PTS controller and one session on a perfect wire, with a clock that the test moves."""

from collections.abc import Callable

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.unipump import layouts
from drivers.unipump.codec import Reader
from drivers.unipump.options import UnipumpOptions
from drivers.unipump.session import UnipumpSession
from drivers.unipump.simulator import UnipumpSimulator

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class ControllerDesk:
    """`run` serves both ends; `wire` may replace what the session wrote, `till` answers."""

    def __init__(self, simulator: UnipumpSimulator, **options: object) -> None:
        self.simulator = simulator
        self.options = UnipumpOptions.model_validate({"poll_ms": 50, **options})
        self.session = UnipumpSession("1", self.options)
        self.now = Monotonic(0)
        self.sent: list[bytes] = []
        self.events: list[DriverEvent] = []
        self.wire: Callable[[bytes], list[bytes]] = lambda data: [data]
        self.till: Callable[[DriverEvent], Answer] = lambda event: YES

    @property
    def fuellings(self) -> list[Fuelling]:
        return [event for event in self.events if isinstance(event, Fuelling)]

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 5):
            self.now = Monotonic(self.now + 5)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(data, self.now)
            timer = self.session.next_timer()
            if timer is not None and timer <= self.now:
                self.session.handle_timer(self.now)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self.session.confirm(event, self.till(event), self.now)
            if data := self.session.bytes_to_send(self.now):
                self.sent.append(data)
                for heard in self.wire(data):
                    self.simulator.receive(heard, self.now)

    def restart(self) -> None:
        """The agent dies and comes back: nothing is remembered."""
        self.session = UnipumpSession("1", self.options)

    def count(self, title: str) -> int:
        """How often the session said what `layouts` calls `title`."""
        return sum(said(data) == title for data in self.sent)


def said(frame: bytes) -> str:
    """What a frame of ours says, by the name that `layouts` has for it."""
    (opened,) = Reader().feed(frame)
    known = layouts.recognise(opened.data)
    assert known is not None, frame.hex(" ")
    return known[0].title
