"""Our side of the UniPump conversation: look at each point in turn, report, close when it is durable.

One question is out at a time. An answer names its point, and a point answers any question with what it
has to say: a question about totals may be answered by the state, so answers are taken by what they are.
"""

from collections import Counter, deque
from collections.abc import Mapping

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.presence import Presence
from drivers.unipump import codec
from drivers.unipump.options import SILENCE_MS, UnipumpOptions
from drivers.unipump.point import ABSENT_MS, Ask, Due, Point


class UnipumpSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: UnipumpOptions) -> None:
        codec.check_address(address)
        self._options = options
        self._presence = Presence(address, SILENCE_MS)
        self._reader = codec.Reader()
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._points = [
            Point(number, address, options, self._counters) for number in range(1, options.point_count + 1)
        ]
        self._asked: tuple[Point, Ask] | None = None
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._absent_at = Monotonic(0)
        self._report_at = Monotonic(0)
        self._is_waiting_out = False
        self._with_till: tuple[Point, Due] | None = None

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if self._with_till is None or event is not self._with_till[1].fuelling:
            return
        (point, due), self._with_till = self._with_till, None
        if answer.durable:
            point.taken(due)
            self._report_at = now
            self._report(now)
        else:
            self._counters["NOT_DURABLE"] += 1
            self._report_at = Monotonic(now + self._options.poll_ms)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A controller shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._with_till is not None or self._asked is not None or now < self._speak_at:
            return b""
        point = min(self._points, key=self._turn_of)
        if self._turn_of(point) > now:
            return b""
        self._is_waiting_out = False
        ask, data = point.ask(now)
        self._asked, self._answer_due = (point, ask), Monotonic(now + self._options.answer_ms)
        self._counters["CLOSE_SENT"] += ask is Ask.CLOSE
        return codec.encode(point.number, data)

    def next_timer(self) -> Monotonic | None:
        timers = []
        if self._asked is not None:
            timers.append(self._answer_due)
        elif self._is_waiting_out:
            timers.append(self._speak_at)
        elif self._with_till is None:
            timers.append(max(self._speak_at, min(map(self._turn_of, self._points))))
        if self._with_till is None and any(point.due for point in self._points):
            timers.append(self._report_at)
        if (silent_at := self._presence.due()) is not None:
            timers.append(silent_at)
        return min(timers, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if silent := self._presence.check(now):
            self._counters["SILENT"] += 1
            self._interrupt(now)
            self._events.extend(silent)
        if self._is_waiting_out and now >= self._speak_at:
            self._is_waiting_out = False
        if self._asked is not None and now >= self._answer_due:
            self._fail(*self._asked, now)
        self._report(now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._interrupt(now)
        self._asked, self._is_waiting_out, self._speak_at = None, False, now

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _turn_of(self, point: Point) -> Monotonic:
        """Who gives no answer costs the others twice its time: of the absent one at a time is tried."""
        if point.is_absent() and not all(each.is_absent() for each in self._points):
            return max(point.next_at(), self._absent_at)
        return point.next_at()

    # What is heard.

    def _hear(self, frame: codec.Frame, now: Monotonic) -> None:
        if self._asked is None or frame.point != self._asked[0].number:
            self._counters["LATE_ANSWER"] += 1
            return
        reply = codec.parse_reply(frame.data)
        if reply is None:
            self._counters["OTHER_FRAME"] += 1
            return
        point, self._asked = self._asked[0], None
        self._speak_at = Monotonic(now + self._options.gap_ms)
        self._counters["HEARD"] += 1
        self._events.extend(self._presence.heard(now))
        point.hear(reply, now)
        self._events.extend(point.started)
        point.started.clear()
        self._report(now)

    def _fail(self, point: Point, ask: Ask, now: Monotonic) -> None:
        """No answer: stay quiet for one answer time, so that a late one cannot pass for the next one's."""
        self._counters["NO_ANSWER"] += 1
        self._asked, self._is_waiting_out = None, True
        self._speak_at = Monotonic(now + self._options.answer_ms)
        point.unanswered(ask, now)
        if point.is_absent():
            self._absent_at = Monotonic(now + ABSENT_MS)

    def _interrupt(self, now: Monotonic) -> None:
        for point in self._points:
            point.interrupted(now)

    # What is reported.

    def _next_due(self) -> tuple[Point, Due] | None:
        return next(((point, point.due[0]) for point in self._points if point.due), None)

    def _report(self, now: Monotonic) -> None:
        """Hand one fuelling at a time to the till; one that it could not take, again after a while."""
        if self._with_till is None and now >= self._report_at:
            self._with_till = self._next_due()
            if self._with_till is not None:
                self._events.append(self._with_till[1].fuelling)
