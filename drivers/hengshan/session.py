"""Our side as the only master of one fuelling point: read totals and sales, report, confirm what is durable.

Nothing else is ever said. The question for the state (02) carries the time of day, which a session does not
have and which would set the dispenser's clock: it is not asked. The totals (06) name the newest sale.
"""

from collections import Counter
from collections.abc import Mapping

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.hengshan import codec, words
from drivers.hengshan.codec import Frame
from drivers.hengshan.options import SILENCE_MS, HengshanOptions
from drivers.hengshan.sales import Ask, Question, Sales
from drivers.hengshan.words import Confirmation, Meter, NoSale, Reply, Sale
from drivers.owed import Owed
from drivers.presence import Presence

_COMMANDS = {Ask.TOTALS: codec.TOTALS, Ask.SALE: codec.SALE, Ask.CONFIRM: codec.CONFIRM}


class _FrameNumbers:
    """Whether an answer is that to the last question. No source says that a dispenser gives a question's
    number back: answers with another one are late ones only as long as the others bear it."""

    def __init__(self) -> None:
        self._trust_count = 0

    def belong(self, asked: int, answered: int) -> bool:
        if asked == answered:
            self._trust_count = min(3, self._trust_count + 1)
            return True
        was_trusted = self._trust_count > 0
        self._trust_count = max(0, self._trust_count - 1)
        return not was_trusted


class HengshanMaster:
    """A `Session`. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: HengshanOptions) -> None:
        self._device = codec.address_of(address)
        self._options = options
        self._counters: Counter[str] = Counter()
        self._reader = codec.Reader()
        self._sales = Sales(address, options, self._counters)
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._number = 0
        self._numbers = _FrameNumbers()
        self._asked: Question | None = None
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._look_at = Monotonic(0)
        self._is_waiting_out = False

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_frames
        for frame in self._reader.feed(data):
            if frame.address == self._device:
                self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        safe = self._owed.confirm(event, answer, now)
        if safe is not None:
            self._sales.taken(safe)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A dispenser's display is its own."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asked is not None or self._owed.is_with_till() or now < self._turn():
            return b""
        self._is_waiting_out = False
        self._asked, self._answer_due = self._sales.question(), Monotonic(now + self._options.answer_ms)
        if self._asked.ask is Ask.TOTALS:
            self._look_at = Monotonic(now + self._options.poll_ms)
        self._number = (self._number + 1) % codec.FRAME_NUMBERS
        return codec.encode(self._frame(self._asked))

    def next_timer(self) -> Monotonic | None:
        timers = [self._presence.due(), self._owed.due()]
        if self._asked is not None:
            timers.append(self._answer_due)
        elif not self._owed.is_with_till():
            timers.append(self._turn())
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        if silent := self._presence.check(now):
            self._counters["SILENT"] += 1
            self._sales.interrupted()
            self._owed.add(silent)
        if self._asked is not None and now >= self._answer_due:
            self._fail(self._asked, now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._sales.interrupted()
        self._asked, self._is_waiting_out, self._speak_at = None, False, now

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._owed.counts

    # What is said and heard.

    def _turn(self) -> Monotonic:
        return self._speak_at if self._sales.is_urgent() else max(self._speak_at, self._look_at)

    def _frame(self, question: Question) -> Frame:
        is_sale = question.ask is Ask.SALE
        data = words.number_bytes(question.sequence_no) if is_sale else b""
        return Frame(self._device, self._number, _COMMANDS[question.ask], data, question.checks_doubled)

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        reply = None if words.sender(frame) == "host" else words.reply(frame)
        if reply is None:
            self._counters["OTHER_FRAME"] += 1
            return
        if not self._answers(frame):
            self._counters["LATE_ANSWER"] += 1
            return
        self._asked, self._speak_at = None, Monotonic(now + self._options.gap_ms)
        self._counters["HEARD"] += 1
        self._counters["OTHER_FRAME_NUMBER"] += frame.number != self._number
        self._owed.add(self._presence.heard(now))
        self._take(reply)

    def _answers(self, frame: Frame) -> bool:
        if self._asked is None or frame.code != _COMMANDS[self._asked.ask]:
            return False
        return self._numbers.belong(self._number, frame.number)

    def _take(self, reply: Reply) -> None:
        was_ready = self._sales.ready
        if isinstance(reply, Meter):
            self._sales.hear_meter(reply)
        elif isinstance(reply, Sale):
            self._sales.hear_sale(reply)
        elif isinstance(reply, NoSale):
            self._sales.hear_no_sale(reply)
        elif isinstance(reply, Confirmation):
            self._sales.hear_confirmation(reply)
        if self._sales.ready is not None and self._sales.ready is not was_ready:
            self._owed.add([self._sales.ready])

    def _fail(self, question: Question, now: Monotonic) -> None:
        """No answer: stay quiet for one answer time, so that a late one cannot pass for the next one's."""
        self._counters["NO_ANSWER"] += 1
        self._asked, self._is_waiting_out = None, True
        self._speak_at = Monotonic(now + self._options.answer_ms)
        self._sales.unanswered(question)
