"""Our side of the tallyline conversation: look at display and totalizer, twice; report what is new.

The display keeps one sale and is never told anything. What is new is told by the nozzle's totalizer: after
a durable answer its digits are remembered, and as long as it shows them nothing is reported. A session that
starts anew remembers nothing and reports what is on show; the till knows it by its digits.
"""

from collections import Counter, deque
from collections.abc import Mapping

from tallyline import codec
from tallyline.options import TallylineOptions
from tallyline.reading import LOOK, Seen, as_fuelling, seen

from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    Notice,
)

SILENCE_MS = 4_000


class TallylineSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: TallylineOptions) -> None:
        self._address = address
        self._own_address = codec.address_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._answers: list[codec.Frame] = []
        self._reported: dict[str, str] = {}
        self._unsafe: Fuelling | None = None
        self._is_with_till = False
        self._retry_at = self._speak_at = Monotonic(0)
        self._running: Seen | None = None
        self._answer_due: Monotonic | None = None
        self._is_quiet = False
        self._heard_at: Monotonic | None = None
        self._silent: bool | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if not isinstance(event, Fuelling) or event is not self._unsafe:
            return
        self._is_with_till = False
        if answer.durable:
            self._reported[event.nozzle], self._unsafe = event.raw.totalizer_after, None
        else:
            self._counters["NOT_DURABLE"] += 1
            self._retry_at = Monotonic(now + self._options.poll_ms)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """This device shows nothing of ours."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._answer_due is not None or now < self._speak_at:
            return b""
        self._is_quiet = False
        self._reader.forget()
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return codec.encode(codec.Frame(self._own_address, LOOK[len(self._answers)]))

    def next_timer(self) -> Monotonic | None:
        timers = [self._speak_at if self._answer_due is None else self._answer_due]
        if self._unsafe is not None and not self._is_with_till:
            timers.append(self._retry_at)
        if self._heard_at is not None and self._silent is not True:
            timers.append(Monotonic(self._heard_at + SILENCE_MS))
        return min(timers)

    def handle_timer(self, now: Monotonic) -> None:
        if self._answer_due is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._look_again(now + self._options.quiet_ms)
            self._is_quiet = True
        if self._unsafe is not None and not self._is_with_till and now >= self._retry_at:
            self._report(self._unsafe)
        self._notice_silence(now)

    def awaiting(self) -> bool:
        return self._answer_due is not None or self._is_quiet

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._running = None
        self._look_again(now)

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _look_again(self, at_ms: int) -> None:
        self._answers, self._answer_due, self._speak_at = [], None, Monotonic(at_ms)
        self._is_quiet = False

    def _notice_silence(self, now: Monotonic) -> None:
        if self._heard_at is None:
            self._heard_at = now
        if self._silent is not True and now - self._heard_at >= SILENCE_MS:
            self._silent, self._running = True, None
            self._counters["SILENT"] += 1
            self._events.append(DeviceSilent(self._address, now - self._heard_at))

    def _hear(self, frame: codec.Frame, now: Monotonic) -> None:
        if frame.address != self._own_address:
            self._counters["OTHER_ADDRESS"] += 1
        elif frame.function in LOOK:
            self._counters["OTHER_MASTER"] += 1
        else:
            self._note_life(now)
            self._take(frame, now)

    def _note_life(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._heard_at = now
        if self._silent is not False:
            self._silent = False
            self._events.append(DeviceBack(self._address))

    def _take(self, frame: codec.Frame, now: Monotonic) -> None:
        wanted = codec.DISPLAY if LOOK[len(self._answers)] == codec.ASK_DISPLAY else codec.TOTALIZER
        if self._answer_due is None or frame.function != wanted:
            self._counters["LATE_ANSWER"] += 1
        elif not frame.is_decimal:
            self._counters["NOT_DECIMAL"] += 1
            self._look_again(now + self._options.poll_ms)
        else:
            self._answers.append(frame)
            self._answer_due, self._speak_at = None, now
            if len(self._answers) == len(LOOK):
                self._judge(now)

    def _judge(self, now: Monotonic) -> None:
        sight = seen(self._answers)
        self._look_again(now + self._options.poll_ms)
        if sight is None:
            self._counters["DISAGREES"] += 1
        elif sight.display.state == codec.LIFTED:
            self._runs(sight)
        elif sight.display.state != codec.HUNG_UP:
            self._counters["UNKNOWN_STATE"] += 1
        elif self._unsafe is None:
            self._is_over(sight, now)

    def _runs(self, sight: Seen) -> None:
        if self._running is None or self._running.nozzle != sight.nozzle:
            self._events.append(FuellingStarted(self._address, sight.nozzle))
        self._running = sight

    def _is_over(self, sight: Seen, now: Monotonic) -> None:
        running, self._running = self._running, None
        watched = running if running is not None and running.nozzle == sight.nozzle else None
        reported = self._reported.get(sight.nozzle)
        if int(sight.display.volume) == 0:
            self._counters["ZERO_VOLUME"] += watched is not None
            self._reported[sight.nozzle] = sight.totalizer
        elif sight.totalizer != reported:
            before = reported if watched is None else watched.totalizer
            self._report(as_fuelling(sight, before, self._address, None if watched is None else now))

    def _report(self, fuelling: Fuelling) -> None:
        self._unsafe, self._is_with_till = fuelling, True
        self._events.append(fuelling)
