"""Whether the dispenser is there, and what the till still owes an answer for: shared by both modes."""

from collections import Counter, deque
from collections.abc import Iterable

from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, Monotonic

SILENCE_MS = 4_000
AGAIN_MS = 500
"""So much later a fuelling is reported again that the till could not keep."""
OWED_AT_ONCE = 256
"""More only if the till refuses while we merely listen: who asks has one at a time."""


class Presence:
    """Silence and return, each told once."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._heard_at: Monotonic | None = None
        self._is_silent: bool | None = None

    def heard(self, now: Monotonic) -> list[DriverEvent]:
        was_there, self._is_silent, self._heard_at = self._is_silent is False, False, now
        return [] if was_there else [DeviceBack(self._address)]

    def unheard_ms(self, now: Monotonic) -> int:
        return 0 if self._heard_at is None else now - self._heard_at

    def check(self, now: Monotonic) -> list[DriverEvent]:
        """Call at `due`: from the first call on, silence counts."""
        if self._heard_at is None:
            self._heard_at = now
        if self._is_silent or now - self._heard_at < SILENCE_MS:
            return []
        self._is_silent = True
        return [DeviceSilent(self._address, now - self._heard_at)]

    def due(self) -> Monotonic | None:
        if self._heard_at is None:
            return Monotonic(0)
        return None if self._is_silent else Monotonic(self._heard_at + SILENCE_MS)


class Owed:
    """Fuellings in their order until the till has them on disk; and the other events, told once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._events: deque[DriverEvent] = deque()
        self._fuellings: deque[Fuelling] = deque()
        self._with_till: Fuelling | None = None
        self._again_at: Monotonic | None = None

    def add(self, events: Iterable[DriverEvent]) -> None:
        for event in events:
            if not isinstance(event, Fuelling):
                self._events.append(event)
            elif len(self._fuellings) < OWED_AT_ONCE:
                self._fuellings.append(event)
            else:
                self.counts["OWED_LOST"] += 1

    def is_with_till(self) -> bool:
        return self._with_till is not None

    def next_event(self) -> DriverEvent | None:
        if self._events:
            return self._events.popleft()
        if not self._fuellings or self._with_till is not None or self._again_at is not None:
            return None
        self._with_till = self._fuellings[0]
        return self._with_till

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> Fuelling | None:
        """The fuelling that is safe now, if one is."""
        if self._with_till is None or event is not self._with_till:
            return None
        self._with_till = None
        if answer.durable:
            return self._fuellings.popleft()
        self.counts["NOT_DURABLE"] += 1
        self._again_at = Monotonic(now + AGAIN_MS)
        return None

    def due(self) -> Monotonic | None:
        return self._again_at

    def check(self, now: Monotonic) -> None:
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
