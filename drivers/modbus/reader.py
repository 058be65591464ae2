"""What a session asks of the reader of one kind of map: questions out, registers in, events out.

A reader knows registers and sales; it knows nothing of bytes, deadlines and silence. One round of
questions is a cycle: `next_question` gives None at its end, and the session begins the next one a
poll interval later.
"""

from collections import Counter, deque
from typing import Protocol

from drivers.events import Fuelling, FuellingStarted, Monotonic, TankRead
from drivers.modbus.codec import Question, Reply

RETRY_MS = 1_000
"""How long after a refusal by the till the same fuelling is reported again."""


ReaderEvent = Fuelling | FuellingStarted | TankRead


class Reader(Protocol):
    events: deque[ReaderEvent]
    counts: Counter[str]

    def next_question(self) -> Question | None:
        """The next question of this cycle, None at its end."""

    def answered(self, reply: Reply, now: Monotonic) -> None:
        """The device's registers, or its echo of a write (never an exception)."""

    def not_answered(self) -> None:
        """The question was refused or got no answer: this cycle is void."""

    def sight_lost(self) -> None:
        """The device was silent or unplugged: what comes next was not watched."""

    def confirmed(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        """The till's answer to a fuelling that this reader reported."""

    def owed_at(self) -> Monotonic | None:
        """When a fuelling that the till refused is to be reported again."""

    def repeat_owed(self, now: Monotonic) -> None:
        """Report it again if its time has come."""


class Owed:
    """The one fuelling that is with the till, or that the till could not take yet. Never more than one."""

    def __init__(self) -> None:
        self.fuelling: Fuelling | None = None
        self.again_at: Monotonic | None = None

    def report(self, fuelling: Fuelling, events: deque[ReaderEvent]) -> None:
        assert self.fuelling is None
        self.fuelling = fuelling
        events.append(fuelling)

    def settle(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> bool:
        """True if `fuelling` was owed and is now on disk."""
        if fuelling != self.fuelling:
            return False
        if durable:
            self.fuelling = self.again_at = None
        else:
            self.again_at = Monotonic(now + RETRY_MS)
        return durable

    def repeat(self, now: Monotonic, events: deque[ReaderEvent]) -> None:
        if self.fuelling is not None and self.again_at is not None and now >= self.again_at:
            self.again_at = None
            events.append(self.fuelling)
