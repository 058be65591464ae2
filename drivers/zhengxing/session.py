"""Our side as the only master of a dispenser that sells by itself: read, report, acknowledge. Nothing else is
ever said.

A round goes to each fuelling point in turn, until it has nothing more to tell; then rest.
"""

from collections import Counter
from collections.abc import Mapping

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Notice
from drivers.owed import Owed
from drivers.presence import Presence
from drivers.zhengxing import codec, commands
from drivers.zhengxing.codec import Frame
from drivers.zhengxing.commands import Command
from drivers.zhengxing.options import SILENCE_MS, ZhengxingOptions
from drivers.zhengxing.point import Point


class ZhengxingMaster:
    """A `Session`. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: ZhengxingOptions) -> None:
        self._options = options
        self._reader = codec.Reader(commands.DEVICE)
        numbers = options.addresses or (codec.point_of(address),)
        self._points = tuple(Point(address, number, options) for number in numbers)
        self._turn = 0
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._counters: Counter[str] = Counter()
        self._asked: Command | None = None
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._is_waiting_out = False

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        for frame in self._reader.feed(data):
            self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if self._owed.confirm(event, answer, now):
            assert isinstance(event, Fuelling)
            for point in self._points:
                point.durable(event)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A dispenser's display is its own."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asked is not None or now < self._speak_at:
            return b""
        self._is_waiting_out = False
        point = self._points[self._turn]
        self._asked, body = point.question()
        assert self._asked in commands.HARMLESS
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return codec.encode(self._asked, point.number, body)

    def next_timer(self) -> Monotonic | None:
        turn = self._speak_at if self._asked is None else self._answer_due
        timers = (turn, self._presence.due(), self._owed.due())
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._owed.add(silent)
        if silent:
            self._lose_sight()
        if self._asked is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._asked = None
        self._lose_sight()
        self._speak_at = now

    def counters(self) -> Mapping[str, int]:
        return sum((point.counts for point in self._points), self._counters + self._owed.counts)

    # The conversation.

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        point = self._points[self._turn]
        if self._asked is None or frame.point != point.number or not _answers(frame, self._asked):
            self._counters["LATE_ANSWER"] += 1
            return
        self._counters["HEARD"] += 1
        self._asked = None
        self._owed.add(self._presence.heard(now))
        self._owed.add(point.hear(frame, now))
        if point.is_at_rest():
            self._next_point(now)
        else:
            self._speak_at = Monotonic(now + self._options.gap_ms)

    def _fail(self, now: Monotonic) -> None:
        """Stay quiet for one answer time, so that a late answer is over before we speak again."""
        self._reader.forget()
        self._points[self._turn].failed()
        self._asked, self._is_waiting_out = None, True
        self._next_point(now)
        self._speak_at = Monotonic(now + self._options.answer_ms)

    def _next_point(self, now: Monotonic) -> None:
        self._turn = (self._turn + 1) % len(self._points)
        is_round_over = self._turn == 0
        self._points[self._turn].begin_round()
        self._speak_at = Monotonic(now + (self._options.poll_ms if is_round_over else self._options.gap_ms))

    def _lose_sight(self) -> None:
        for point in self._points:
            point.lose_sight()


def _answers(frame: Frame, asked: Command) -> bool:
    return frame.command is asked or (asked is Command.SALE and frame.command is Command.NOTHING)
