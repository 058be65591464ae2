"""A desk for one dispenser and one session on a perfect wire, with a clock that the test moves."""

from collections.abc import Callable

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.ifsf.codec import Kind, Message, parse
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from drivers.ifsf.wrapper import TAIL_BYTES

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
TURN_BYTES = 2


class Desk:
    """`run` serves both ends; `wire` may replace what the session wrote, `till` answers."""

    def __init__(self, simulator: IfsfSimulator | None = None, **options: object) -> None:
        self.options = IfsfOptions.model_validate(options)
        self.simulator = simulator or IfsfSimulator(transport=self.options.transport)
        self.session = IfsfSession("1", self.options)
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
            timer = self.simulator.next_timer()
            if timer is not None and timer <= self.now:
                self.simulator.handle_timer(self.now)
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

    def said(self) -> list[Message]:
        """Everything that the session said, decoded; a write of it that is no message fails."""
        return [decoded(data, self.options.transport) for data in self.sent]

    def writes(self) -> list[tuple[str, str]]:
        """(address, data) of the writes, in hex."""
        return [(said.place.hex(), said.data.hex()) for said in self.said() if said.kind is Kind.WRITE]


def decoded(data: bytes, transport: str) -> Message:
    message = parse(data[1 : -TAIL_BYTES - TURN_BYTES] if transport == "serial" else data)
    assert message is not None, data.hex(" ")
    return message
