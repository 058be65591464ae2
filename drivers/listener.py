"""What sessions that only listen share: not a byte is said, and what was overheard waits for the till."""

from collections import Counter

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.owed import Owed
from drivers.presence import Presence


class Listener:
    """A `Session` but for `receive` and `disconnected`; `drivers/session.py` says what every method promises.

    What is derived calls `_heard` for each valid frame of its device, and gives what happened to `_owed`.
    """

    def __init__(self, address: str, silence_ms: int) -> None:
        self._counters: Counter[str] = Counter()
        self._presence = Presence(address, silence_ms)
        self._owed = Owed()

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._owed.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """Who listens shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""

    def next_timer(self) -> Monotonic | None:
        return min((timer for timer in self._timers() if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._owed.add(silent)

    def awaiting(self) -> bool:
        return False

    def counters(self) -> Counter[str]:
        return self._counters + self._owed.counts

    def _heard(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._owed.add(self._presence.heard(now))

    def _timers(self) -> list[Monotonic | None]:
        """When `handle_timer` has something to do: the earliest counts."""
        return [self._presence.due(), self._owed.due()]
