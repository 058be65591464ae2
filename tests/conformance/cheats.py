"""Sessions that break one promise each, made of honest ones: for tests of the kit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drivers import catalogue
from drivers.conformance import Case, Report, run
from drivers.events import (
    Answer,
    DriverEvent,
    Fuelling,
    Monotonic,
    Notice,
    Outcome,
    TankDelivery,
    TankRead,
)
from drivers.faults import WIRES
from drivers.session import Session


class Cheat:
    """Honest. Subclasses change what is reported (`change`; None: swallowed, as if it were on disk)."""

    def __init__(self, honest: Session) -> None:
        self.honest = honest
        self.now = Monotonic(0)
        self._true_event: DriverEvent | None = None

    def change(self, event: DriverEvent) -> DriverEvent | None:
        return event

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.now = now
        self.honest.receive(data, now)

    def next_event(self) -> DriverEvent | None:
        while (event := self.honest.next_event()) is not None:
            told = self.change(event)
            if told is not None:
                self._true_event = event
                return told
            self.honest.confirm(event, Answer(Outcome.DONE, durable=True), self.now)
        return None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        assert self._true_event is not None
        self.honest.confirm(self._true_event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        self.honest.tell(notice, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return self.honest.bytes_to_send(now)

    def next_timer(self) -> Monotonic | None:
        return self.honest.next_timer()

    def handle_timer(self, now: Monotonic) -> None:
        self.now = now
        self.honest.handle_timer(now)

    def awaiting(self) -> bool:
        return self.honest.awaiting()

    def disconnected(self, now: Monotonic) -> None:
        self.honest.disconnected(now)

    def counters(self) -> Mapping[str, int]:
        return self.honest.counters()


class Speaks(Cheat):
    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b"\x05" if now % 1_000 < 10 else b""


class SwallowsFuellings(Cheat):
    """Reports every second fuelling only."""

    count = 0

    def change(self, event: DriverEvent) -> DriverEvent | None:
        self.count += isinstance(event, Fuelling)
        return None if isinstance(event, Fuelling) and self.count % 2 else event


class HidesTotalizers(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, totalizer_after_ml=None) if isinstance(event, Fuelling) else event


class WrapsElsewhere(Cheat):
    """Believes that the totalizer is of another size."""

    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, totalizer_modulus_ml=10**15) if isinstance(event, Fuelling) else event


class AltersVolumes(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, volume_ml=event.volume_ml + 10) if isinstance(event, Fuelling) else event


class AltersLevels(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, volume_ml=event.volume_ml + 1) if isinstance(event, TankRead) else event


class ReadsOnce(Cheat):
    """Tells how each tank stood when it was first read, and never again."""

    def __init__(self, honest: Session) -> None:
        super().__init__(honest)
        self._told: set[str] = set()

    def change(self, event: DriverEvent) -> DriverEvent | None:
        if not isinstance(event, TankRead):
            return event
        is_first = event.tank not in self._told
        self._told.add(event.tank)
        return event if is_first else None


class SwallowsDeliveries(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return None if isinstance(event, TankDelivery) else event


class AltersDeliveries(Cheat):
    def change(self, event: DriverEvent) -> DriverEvent | None:
        return replace(event, end_volume_ml=1) if isinstance(event, TankDelivery) else event


class TellsDeliveriesTwice(Cheat):
    """Reports each delivery once more, some time after it was durable."""

    def __init__(self, honest: Session) -> None:
        super().__init__(honest)
        self._again: list[TankDelivery] = []
        self._is_repeating = False

    def next_event(self) -> DriverEvent | None:
        self._is_repeating = bool(self._again)
        return self._again.pop() if self._again else super().next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if self._is_repeating:
            return
        if isinstance(event, TankDelivery) and answer.outcome is Outcome.DONE:
            self._again.append(event)
        super().confirm(event, answer, now)


def tried(
    place: tuple[str, str], cheat: Callable[[Session], Session], wire: str, seeds: Sequence[int]
) -> set[str]:
    """The codes of all failures of a case of the catalogue whose sessions cheat."""
    return {
        failure.split()[0].rstrip(":")
        for seed in seeds
        for failure in _one(place, cheat, wire, seed).failures
    }


def _one(place: tuple[str, str], cheat: Callable[[Session], Session], wire: str, seed: int) -> Report:
    name, case_name = place
    case: Case = catalogue.conformance_cases(name)[case_name]()
    open_session = case.open_session
    case.open_session = lambda: cheat(open_session())  # type: ignore[method-assign]
    return run(catalogue.find(name), case_name, case, WIRES[wire], seed)
