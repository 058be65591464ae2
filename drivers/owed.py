"""What the till still owes an answer for: fuellings in their order until they are on its disk."""

from collections import Counter, deque
from collections.abc import Iterable

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic

AGAIN_MS = 500
"""So much later a fuelling is reported again that the till could not keep."""
OWED_LIMIT = 256
"""Reached only where we merely listen and the till refuses: who asks has one at a time."""


class Owed:
    """`add` what happened, hand out `next_event`, and take back the till's answer.

    Other events are told once. Counts: OWED_LOST (no room), NOT_DURABLE (the till said "not now").
    """

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
            elif len(self._fuellings) < OWED_LIMIT:
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
        """When to call `check`."""
        return self._again_at

    def check(self, now: Monotonic) -> None:
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
