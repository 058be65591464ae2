"""A session and a simulated dispenser on one table: simulated time, a clean wire, a till of the test's."""

from collections.abc import Callable

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.modbus.options import ModbusOptions
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator, Sale

DURABLE = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


def options(map_name: str, transport: str = "rtu", **others: object) -> ModbusOptions:
    return ModbusOptions.model_validate({"map": map_name, "transport": transport, **others})


class Table:
    """`till` answers every event; `events` and `asked` (frames of the session) keep what happened."""

    def __init__(self, chosen: ModbusOptions, simulator: ModbusSimulator | None = None) -> None:
        self.options = chosen
        self.device = simulator or ModbusSimulator("1", chosen)
        self.session = ModbusSession("1", chosen)
        self.till: Callable[[DriverEvent], Answer] = lambda _: DURABLE
        self.events: list[DriverEvent] = []
        self.asked: list[tuple[int, bytes]] = []
        self.is_cut = False
        self.now = Monotonic(1_000)

    def restart_session(self) -> None:
        self.session = ModbusSession("1", self.options)

    def run(self, duration_ms: int) -> None:
        until = self.now + duration_ms
        while self.now < until:
            self._serve()
            moments = [self.session.next_timer(), self.device.next_timer(), Monotonic(until)]
            due = min(moment for moment in moments if moment is not None)
            self.now = Monotonic(max(due, self.now + 1))

    def fuellings(self) -> list[Fuelling]:
        return [event for event in self.events if isinstance(event, Fuelling)]

    def _serve(self) -> None:
        self.device.handle_timer(self.now)
        answer = self.device.bytes_to_send(self.now)
        if answer and not self.is_cut:
            self.session.receive(answer, self.now)
        timer = self.session.next_timer()
        if timer is not None and timer <= self.now:
            self.session.handle_timer(self.now)
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            self.session.confirm(event, self.till(event), self.now)
        question = self.session.bytes_to_send(self.now)
        if question:
            self.asked.append((self.now, question))
            if not self.is_cut:
                self.device.receive(question, self.now)


def as_sale(fuelling: Fuelling) -> Sale:
    """What the simulator's truth says about the same fuelling."""
    assert fuelling.totalizer_after_ml is not None
    return Sale(
        fuelling.sequence_no,
        fuelling.volume_ml,
        fuelling.amount_fen,
        fuelling.unit_price_milli,
        fuelling.totalizer_after_ml,
    )
