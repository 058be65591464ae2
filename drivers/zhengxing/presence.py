"""Whether the dispenser is there, and what the till still owes an answer for: shared by both modes."""

from collections import Counter, deque
from collections.abc import Iterable

from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic

SILENCE_MS = 3_000
AGAIN_MS = 500
"""So much later a fuelling is reported again that the till could not keep."""
OWED_LIMIT = 256


class Presence:
    """Silence and return, each told once. One point that answers is enough."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._heard_at: Monotonic | None = None
        self._is_silent: bool | None = None

    def heard(self, now: Monotonic) -> list[DriverEvent]:
        self._heard_at = now
        was_silent, self._is_silent = self._is_silent, False
        return [] if was_silent is False else [DeviceBack(self._address)]

    def check(self, now: Monotonic) -> list[DriverEvent]:
        """Call at `due`: from the first call on, silence counts."""
        if self._heard_at is None:
            self._heard_at = now
        if self._is_silent is True or now - self._heard_at < SILENCE_MS:
            return []
        self._is_silent = True
        return [DeviceSilent(self._address, now - self._heard_at)]

    def due(self) -> Monotonic | None:
        if self._heard_at is None:
            return Monotonic(0)
        return None if self._is_silent is True else Monotonic(self._heard_at + SILENCE_MS)


class Owed:
    """Fuellings in their order until the till has them on disk; and the other events, told once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._events: deque[DriverEvent] = deque()
        self._owed: deque[Fuelling] = deque()
        self._with_till: Fuelling | None = None
        self._again_at: Monotonic | None = None

    def add(self, events: Iterable[DriverEvent]) -> None:
        for event in events:
            if not isinstance(event, Fuelling):
                self._events.append(event)
            elif len(self._owed) < OWED_LIMIT:
                self._owed.append(event)
            else:
                self.counts["OWED_LOST"] += 1

    def next_event(self) -> DriverEvent | None:
        if self._events:
            return self._events.popleft()
        if not self._owed or self._with_till is not None or self._again_at is not None:
            return None
        self._with_till = self._owed[0]
        return self._with_till

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> bool:
        """True if `event` is a fuelling that is durable now."""
        if event is not self._with_till:
            return False
        self._with_till = None
        if answer.durable:
            self._owed.popleft()
        else:
            self.counts["NOT_DURABLE"] += 1
            self._again_at = Monotonic(now + AGAIN_MS)
        return answer.durable

    def due(self) -> Monotonic | None:
        return self._again_at

    def check(self, now: Monotonic) -> None:
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
