"""Our side as the only master of one channel: look, read, report, and confirm what is safe. Nothing else.

One question is out at a time, and the line must have been quiet before the next one: a reply says neither
whose it is nor what it answers, only the order tells.
"""

from collections import Counter, deque
from collections.abc import Mapping

from drivers.azt2 import codec
from drivers.azt2.channel import SIGHT_MS, Channel
from drivers.azt2.codec import Said
from drivers.azt2.options import SILENCE_MS, AztOptions
from drivers.azt2.words import Command
from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Notice
from drivers.presence import Presence

AGAIN_MS = 500
"""So much later a fuelling is reported again that the till could not keep."""


class AztMaster:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: AztOptions) -> None:
        self._number = codec.channel_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._presence = Presence(address, SILENCE_MS)
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._channel = Channel(address, options, self._counters)
        self._with_till: Fuelling | None = None
        self._report_at = Monotonic(0)
        self._asked: Command | None = None
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._is_waiting_out = False
        self._last_heard: tuple[Command, Said] | None = None
        self._heard_at: Monotonic | None = None

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for said in self._reader.feed(data):
            self._hear(said, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        if self._asked is None:
            self._be_quiet(self._options.gap_ms, now)

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if self._with_till is None or event is not self._with_till:
            return
        fuelling, self._with_till = self._with_till, None
        self._channel.taken(fuelling, durable=answer.durable, now=now)
        if not answer.durable:
            self._counters["NOT_DURABLE"] += 1
            self._report_at = Monotonic(now + AGAIN_MS)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A pump's display is its own."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asked is not None or now < max(self._speak_at, self._channel.next_at()):
            return b""
        self._is_waiting_out = False
        self._reader.forget()
        self._asked = self._channel.question()
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return codec.ask(self._number, self._asked)

    def next_timer(self) -> Monotonic | None:
        turn = max(self._speak_at, self._channel.next_at()) if self._asked is None else self._answer_due
        timers = [turn]
        if (silent := self._presence.due()) is not None:
            timers.append(silent)
        if self._with_till is None and self._channel.due is not None:
            timers.append(self._report_at)
        return min(timers)

    def handle_timer(self, now: Monotonic) -> None:
        silent = self._presence.check(now)
        if silent:
            self._counters["SILENT"] += 1
            self._events.extend(silent)
        if self._asked is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)
        self._report(now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._channel.sight_lost()
        self._asked = self._last_heard = None
        self._is_waiting_out = False
        self._speak_at = now

    def counters(self) -> Mapping[str, int]:
        return self._counters

    # What is heard.

    def _hear(self, said: Said, now: Monotonic) -> None:
        if self._is_repeated(said):
            self._counters["REPEATED_ANSWER"] += 1
        elif self._asked is None or not self._channel.fits(self._asked, said):
            self._counters["LATE_ANSWER"] += 1
            if self._asked is not None:
                self._channel.misfit(self._asked, said)
            self._fail(now)
        else:
            command, self._asked = self._asked, None
            self._last_heard = (command, said)
            self._heard(now)
            self._channel.hear(command, said, now)
            self._events.extend(self._channel.started)
            self._channel.started.clear()
            self._report(now)

    def _is_repeated(self, said: Said) -> bool:
        """The very answer to the question before: the wire, or the pump, said it twice. It is harmless."""
        if self._last_heard is None or not isinstance(said, codec.Frame):
            return False
        command, last = self._last_heard
        return said == last and self._asked is not command

    def _heard(self, now: Monotonic) -> None:
        if self._heard_at is not None and now - self._heard_at > SIGHT_MS:
            self._channel.sight_lost()
        self._heard_at = now
        self._counters["HEARD"] += 1
        self._events.extend(self._presence.heard(now))

    def _fail(self, now: Monotonic) -> None:
        """Be quiet for one answer time, so that a late answer cannot pass for the next one's."""
        self._asked = None
        self._channel.failed(now)
        self._is_waiting_out = True
        self._be_quiet(self._options.answer_ms, now)

    def _be_quiet(self, duration_ms: int, now: Monotonic) -> None:
        self._speak_at = max(self._speak_at, Monotonic(now + duration_ms))

    def _report(self, now: Monotonic) -> None:
        if self._with_till is None and self._channel.due is not None and now >= self._report_at:
            self._with_till = self._channel.due
            self._events.append(self._with_till)
