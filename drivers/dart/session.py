"""Our side as the only master of a pump that sells by itself: poll, read, report. Nothing else is ever said.

A round is: poll until the pump has nothing to say (EOT), ask for what is missing, poll for the answer, and
so on; then rest. Every data frame is acknowledged with its own number, duplicates too. A frame with an
unexpected number is taken, because a NAK for ever would stop the conversation; what may have been missed
is asked for again.
"""

from collections import Counter
from collections.abc import Mapping
from enum import Enum

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.last_sale import LastSale
from drivers.dart.oddities import count_oddities
from drivers.dart.options import SILENCE_MS, DartOptions
from drivers.dart.sequence import Heard, Sequence, next_tx_no
from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.owed import Owed
from drivers.presence import Presence

SIGHT_MS = 2_500
"""A pump that was not heard for so long may have begun another fuelling meanwhile."""
PATIENCE = 3
"""So often a pump may have nothing to say after it acknowledged a question."""


class Out(Enum):
    """What we said and have not been answered yet."""

    NOTHING = "nothing"
    POLL = "poll"
    QUESTION = "question"


class DartMaster:
    """A `Session`. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: DartOptions) -> None:
        self._device = codec.address_of(address)
        self._options = options
        self._reader = codec.Reader()
        self._sequence = Sequence()
        self._sales = LastSale(address, options)
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._counters: Counter[str] = Counter()
        self._out = Out.NOTHING
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._acknowledge: int | None = None
        self._tx_no = 0
        self._is_number_out = False
        """`tx_no` was sent and is not acknowledged, however late that may come."""
        self._asked: bytes | None = None
        self._patience_left = 0
        self._is_pump_done = False
        self._is_waiting_out = False

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, noise_before = self._reader.bad_frames, self._reader.noise_bytes
        for frame in self._reader.feed(data):
            if frame.address == self._device:
                self._hear(frame, now)
        self._counters["BAD_FRAME"] += self._reader.bad_frames - bad_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._owed.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A pump's display is its own."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._out is not Out.NOTHING or now < self._speak_at:
            return b""
        self._is_waiting_out = False
        if self._acknowledge is not None:
            tx_no, self._acknowledge = self._acknowledge, None
            self._speak_at = Monotonic(now + self._options.gap_ms)
            return codec.encode(Frame(self._device, Control.ACK, tx_no))
        self._answer_due = Monotonic(now + self._options.answer_ms)
        question = self._sales.question() if self._is_pump_done else None
        self._is_pump_done = False
        if question is None:
            self._out = Out.POLL
            return codec.encode(Frame(self._device, Control.POLL))
        self._out, self._asked, self._patience_left = Out.QUESTION, question, PATIENCE
        self._is_number_out = True
        return codec.encode(Frame(self._device, Control.DATA, self._tx_no, question))

    def next_timer(self) -> Monotonic | None:
        turn = self._speak_at if self._out is Out.NOTHING else self._answer_due
        timers = (turn, self._presence.due(), self._owed.due())
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._owed.check(now)
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._owed.add(silent)
        if self._out is not Out.NOTHING and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._out is not Out.NOTHING or self._is_waiting_out

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._lose_sight()
        self._out, self._acknowledge, self._asked = Out.NOTHING, None, None
        self._is_pump_done = self._is_waiting_out = False
        self._speak_at = now

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._sales.counts + self._owed.counts

    # What is heard.

    def _hear(self, frame: Frame, now: Monotonic) -> None:
        if self._presence.unheard_ms(now) > SIGHT_MS:
            self._lose_sight()
        if frame.control is Control.DATA and self._out is Out.POLL:
            self._heard(now)
            self._hear_data(frame, now)
        elif frame.control is Control.EOT and self._out is Out.POLL:
            self._heard(now)
            self._hear_end(now)
        elif frame.control is Control.ACK and self._is_number_out and frame.tx_no == self._tx_no:
            self._hear_acknowledgement(now)
        elif frame.control is Control.NAK and self._out is Out.QUESTION:
            self._heard(now)
            self._counters["REFUSED"] += 1
            self._tx_no, self._is_number_out, self._asked = 0, False, None
            self._rest(now)
        else:
            # Not acknowledged: the pump says it again when it is polled.
            self._counters["LATE_ANSWER"] += 1

    def _heard(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._out = Out.NOTHING
        self._owed.add(self._presence.heard(now))

    def _hear_acknowledgement(self, now: Monotonic) -> None:
        self._is_number_out = False
        self._tx_no = next_tx_no(self._tx_no)
        if self._out is Out.QUESTION:
            self._heard(now)
            self._speak_at = Monotonic(now + self._options.gap_ms)
        else:
            self._counters["LATE_ANSWER"] += 1

    def _hear_data(self, frame: Frame, now: Monotonic) -> None:
        self._acknowledge = frame.tx_no
        self._speak_at = Monotonic(now + self._options.gap_ms)
        heard = self._sequence.hear(frame)
        if heard is Heard.DUPLICATE:
            self._counters["DUPLICATE"] += 1
            return
        if heard in (Heard.GAP, Heard.RESTARTED):
            self._counters["PUMP_RESTARTED" if heard is Heard.RESTARTED else "FRAMES_MISSED"] += 1
            self._sales.lose_sight()
        said = words.words(frame.data)
        count_oddities(said, self._options, self._counters)
        self._owed.add(self._sales.hear(said, now))

    def _hear_end(self, now: Monotonic) -> None:
        """The pump has nothing to say: ask, wait for the answer to a question, or rest."""
        question = self._sales.question()
        if question is None:
            self._asked = None
            self._rest(now)
        elif question != self._asked:
            self._is_pump_done = True
            self._speak_at = Monotonic(now + self._options.gap_ms)
        else:
            self._wait_for_answer(now)

    def _wait_for_answer(self, now: Monotonic) -> None:
        self._patience_left -= 1
        if self._patience_left > 0:
            self._speak_at = Monotonic(now + self._options.answer_ms)
            return
        self._counters["UNANSWERED_QUESTION"] += 1
        self._asked = None
        self._rest(now)

    def _rest(self, now: Monotonic) -> None:
        self._sales.begin_round()
        self._speak_at = Monotonic(now + self._options.poll_ms)

    def _fail(self, now: Monotonic) -> None:
        """No answer: stay quiet for one answer time, so that a late one is over before we speak again."""
        self._out, self._asked, self._is_waiting_out = Out.NOTHING, None, True
        self._speak_at = Monotonic(now + self._options.answer_ms)

    def _lose_sight(self) -> None:
        self._sequence.forget()
        self._sales.lose_sight()
