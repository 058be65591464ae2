"""A desk for one tax-control port and one session on a perfect wire, with a clock that the test moves."""

from drivers.cn_tax_port.codec import Frame, Reader
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.session import TaxPortSession
from drivers.cn_tax_port.simulator import TaxPortSimulator
from drivers.conformance import Identity, identity_of
from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class TaxDesk:
    """`run` serves both ends; the till says `answer`."""

    def __init__(self, simulator: TaxPortSimulator | None = None, **options: object) -> None:
        self.simulator = simulator or TaxPortSimulator()
        self.options = TaxPortOptions.model_validate({"poll_ms": 200, "answer_ms": 200, **options})
        self.session = TaxPortSession("1", self.options)
        self.now = Monotonic(10_000)
        self.events: list[DriverEvent] = []
        self.answer = YES
        self.is_cut = False

    @property
    def fuellings(self) -> list[Fuelling]:
        return [event for event in self.events if isinstance(event, Fuelling)]

    @property
    def identities(self) -> list[Identity]:
        return [identity_of(fuelling) for fuelling in self.fuellings]

    def count(self, code: str) -> int:
        return self.session.counters().get(code, 0)

    def restart(self) -> None:
        """The agent dies and comes back: nothing is remembered."""
        self.session = TaxPortSession("1", self.options)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 10):
            self.now = Monotonic(self.now + 10)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(data, self.now)
            timer = self.session.next_timer()
            if timer is not None and timer <= self.now:
                self.session.handle_timer(self.now)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self.session.confirm(event, self.answer, self.now)
            data = self.session.bytes_to_send(self.now)
            if data and not self.is_cut:
                self.simulator.receive(data, self.now)

    def sell(
        self, volume_cl: int = 3_000, amount_fen: int = 23_310, when: str = "311259", gun: int = 1
    ) -> None:
        self.simulator.sell(gun, volume_cl, amount_fen, 777, self.now, when=when)


def only_frame(data: bytes) -> Frame:
    (frame,) = Reader().feed(data)
    return frame
