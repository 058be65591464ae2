"""A desk for one console and one session on a wire the test holds, with a clock that the test moves."""

from collections.abc import Callable

from drivers.events import Answer, DriverEvent, Monotonic, Outcome, TankDelivery, TankRead
from drivers.veeder_root.options import VeederRootOptions
from drivers.veeder_root.session import VeederRootSession
from drivers.veeder_root.simulator import VeederRootSimulator

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class ConsoleDesk:
    """`to_device` and `to_host` may replace what passes by; `till` answers."""

    def __init__(self, simulator: VeederRootSimulator | None = None, **options: object) -> None:
        self.simulator = simulator or VeederRootSimulator()
        self.options = VeederRootOptions.model_validate({"poll_s": 1, "answer_ms": 500, **options})
        self.session = VeederRootSession("1", self.options)
        self.now = Monotonic(0)
        self.sent: list[bytes] = []
        self.events: list[DriverEvent] = []
        self.to_device: Callable[[bytes], bytes] = lambda data: data
        self.to_host: Callable[[bytes], bytes] = lambda data: data
        self.till: Callable[[DriverEvent], Answer] = lambda event: YES

    @property
    def readings(self) -> list[TankRead]:
        return [event for event in self.events if isinstance(event, TankRead)]

    @property
    def deliveries(self) -> list[TankDelivery]:
        return [event for event in self.events if isinstance(event, TankDelivery)]

    def restart(self) -> None:
        self.session = VeederRootSession("1", self.options)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 20):
            self.now = Monotonic(self.now + 20)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(self.to_host(data), self.now)
            timer = self.session.next_timer()
            if timer is not None and timer <= self.now:
                self.session.handle_timer(self.now)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self.session.confirm(event, self.till(event), self.now)
            if data := self.session.bytes_to_send(self.now):
                self.sent.append(data)
                self.simulator.receive(self.to_device(data), self.now)
