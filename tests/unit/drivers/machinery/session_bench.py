"""What the benches of several drivers share: one session, a clock that the test moves, a till."""

from collections.abc import Callable

from drivers.conformance import Identity, identity_of
from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted, Monotonic, Outcome
from drivers.session import Session

YES = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


class SessionBench:
    """`session` is replaced where the agent restarts. The till says `answer` to all that is reported, or
    what a test puts as `till`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = Monotonic(10_000)
        self.events: list[DriverEvent] = []
        self.answer = YES
        self.till: Callable[[DriverEvent], Answer] = lambda event: self.answer

    @property
    def fuellings(self) -> list[Fuelling]:
        return [event for event in self.events if isinstance(event, Fuelling)]

    @property
    def identities(self) -> list[Identity]:
        return [identity_of(fuelling) for fuelling in self.fuellings]

    @property
    def last_totals(self) -> list[str]:
        """The totals in each fuelling's raw digits, without what `drivers/standin.py` adds."""
        return [fuelling.raw.totalizer_after.partition("+")[0] for fuelling in self.fuellings]

    @property
    def started(self) -> list[str]:
        return [event.nozzle for event in self.events if isinstance(event, FuellingStarted)]

    def count(self, code: str) -> int:
        return self.session.counters().get(code, 0)

    def turn(self) -> None:
        """What the line does between hearing and speaking: a timer that is due, then events to the till."""
        timer = self.session.next_timer()
        if timer is not None and timer <= self.now:
            self.session.handle_timer(self.now)
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            self.session.confirm(event, self.till(event), self.now)
