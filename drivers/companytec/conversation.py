"""One question at a time: when to speak, how long to wait, and what a silence means.

What is asked and what an answer means is the session's (`session.py`); here is only the clockwork.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Mapping

from drivers.companytec.dialects import Ask, Dialect
from drivers.companytec.options import SILENCE_MS
from drivers.events import DriverEvent, Monotonic
from drivers.presence import Presence


class Conversation(ABC):
    """The part of a `drivers.session.Session` that knows time and counters."""

    def __init__(self, address: str, dialect: Dialect, answer_ms: int, gap_ms: int) -> None:
        self._dialect = dialect
        self._answer_ms = answer_ms
        self._gap_ms = gap_ms
        self._reader = dialect.reader()
        self._presence = Presence(address, SILENCE_MS)
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._ask = Ask.POINTERS
        self._last_failed: Ask | None = None
        self._answer_due: Monotonic | None = None
        self._speak_at = Monotonic(0)

    @abstractmethod
    def _is_held(self) -> bool:
        """True while nothing may be asked, because the till has not answered."""

    @abstractmethod
    def _choose(self, now: Monotonic) -> Ask:
        """The next question."""

    @abstractmethod
    def _say(self, now: Monotonic) -> bytes:
        """The question that was chosen, as bytes."""

    @abstractmethod
    def _understand(self, body: str, now: Monotonic) -> bool:
        """Take the answer to the question that is out; False if `body` is no answer to it."""

    @abstractmethod
    def _failed(self, now: Monotonic) -> None:
        """The question that was out got no answer, or a useless one."""

    @abstractmethod
    def _surprised(self, now: Monotonic) -> None:
        """A frame came that nobody waited for."""

    @abstractmethod
    def _came_back(self, now: Monotonic) -> None:
        """The first valid answer, or the first after a silence."""

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        for body in self._reader.feed(data):
            self._hear(body, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._is_held() or self._answer_due is not None or now < self._speak_at:
            return b""
        self._ask = self._choose(now)
        if self._ask in (Ask.STEP, Ask.TAG_STEP) and not self._dialect.step_is_answered:
            self._speak_at = Monotonic(now + self._gap_ms)
        else:
            self._answer_due = Monotonic(now + self._answer_ms)
        return self._say(now)

    def next_timer(self) -> Monotonic | None:
        timers = [self._presence.due()]
        if self._answer_due is not None:
            timers.append(self._answer_due)
        elif not self._is_held():
            timers.append(self._speak_at)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._events.extend(silent)
        if self._answer_due is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._answer_due is not None

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _hear(self, body: str, now: Monotonic) -> None:
        if self._answer_due is None:
            self._counters["LATE_ANSWER" if self._dialect.is_sound(body) else "BAD_FRAME"] += 1
            self._surprised(now)
        elif (error := self._dialect.error(body)) is not None:
            self._counters[f"DEVICE_ERROR_{error.upper()}"] += 1
            self._heard(now)
            self._fail(now)
        elif self._understand(body, now):
            self._heard(now)
        else:
            self._counters["OTHER_FRAME" if self._dialect.is_sound(body) else "BAD_FRAME"] += 1

    def _heard(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        if back := self._presence.heard(now):
            self._came_back(now)
            self._events.extend(back)

    def _answered(self, now: Monotonic, *, speak_at: Monotonic | None = None) -> None:
        self._answer_due = None
        self._last_failed = None
        self._speak_at = now if speak_at is None else speak_at

    def _fail(self, now: Monotonic) -> None:
        """Stay quiet for one answer time, so that a late answer cannot pass for the next question's."""
        self._last_failed = self._ask
        self._answer_due = None
        self._speak_at = Monotonic(now + self._answer_ms)
        self._failed(now)
