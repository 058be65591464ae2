"""A desk for one concentrator and one session on a perfect wire, with a clock that the test moves."""

from collections.abc import Callable

from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class Desk:
    """`run` serves both ends; `wire` may replace what the session wrote, `till` answers."""

    def __init__(
        self, simulator: CompanytecSimulator | HorustechSimulator | None = None, **options: object
    ) -> None:
        self.simulator = simulator or CompanytecSimulator()
        self.session = CompanytecSession("1", CompanytecOptions.model_validate(options))
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

    def count(self, frame: bytes) -> int:
        """How often the session sent `frame`."""
        return self.sent.count(frame)
