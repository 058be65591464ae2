"""One question at a time, and only its own answer: here a late answer is kept from the next question.

RTU has no transaction number. An answer that comes after its deadline would be taken for the answer
to the next question, and every later one would be off by one (libraries.md, finding 2). The cure:
after every failure what was heard is discarded and the session stays silent for one answer time,
long enough for the late answer to pass by; and a reply counts only if unit, function and length (of
a write: address and content) are those asked for. On TCP the transaction number is checked as well.
"""

from collections import Counter
from dataclasses import dataclass, replace

from drivers.events import Monotonic
from drivers.modbus import codec
from drivers.modbus.codec import Question, Reply, Transport

_BITS_PER_CHARACTER = 11
_FAST_BAUD = 19_200
_FAST_GAP_MS = 2
"""1.75 ms, rounded up: above 19200 baud the Modbus serial line guide fixes it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the wire is. `baud` None is TCP: bytes take no time and no silence lies between frames."""

    baud: int | None
    answer_ms: int

    def wire_ms(self, size: int) -> int:
        """Milliseconds that `size` characters of 11 bits take, rounded up."""
        return 0 if self.baud is None else -(-size * _BITS_PER_CHARACTER * 1000 // self.baud)

    @property
    def gap_ms(self) -> int:
        """The silence between frames: 3.5 characters, 1.75 ms from 19200 baud, in whole milliseconds."""
        if self.baud is None:
            return 0
        return _FAST_GAP_MS if self.baud >= _FAST_BAUD else -(-35 * _BITS_PER_CHARACTER * 100 // self.baud)


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable reply after all tries."""

    question: Question


@dataclass(slots=True)
class _Asked:
    question: Question
    tries_left: int
    not_after: Monotonic
    """Noise on the wire may hold the question back until here, no longer."""
    deadline: Monotonic | None = None
    """Set while the question is out."""


class Exchange:
    """`ask`, then move bytes and time, until `result` gives the reply or the failure.

    `cured=False` leaves out the cure and pairs replies as a plain client does (by unit and function):
    it exists so that a test can show what happens then.
    """

    def __init__(self, transport: Transport, pace: Pace, *, cured: bool = True) -> None:
        self.counts: Counter[str] = Counter()
        self._transport = transport
        self._pace = pace
        self._cured = cured
        self._decoder = codec.Decoder(transport)
        self._transaction = 0
        self._asked: _Asked | None = None
        self._result: Reply | Failure | None = None
        self._quiet_until = Monotonic(0)
        self._failed = False
        self._heard_at: Monotonic | None = None

    @property
    def is_free(self) -> bool:
        """No question is under way and no result waits to be taken."""
        return self._asked is None and self._result is None

    def holds_the_wire(self) -> bool:
        """A question is out, or its late answer may still come: nobody else may speak."""
        return self._failed or (self._asked is not None and self._asked.deadline is not None)

    def ask(self, question: Question, now: Monotonic, retries: int) -> None:
        """Put a question; it is tried `retries` more times after a failure."""
        assert self.is_free
        self._asked = _Asked(question, retries, Monotonic(now + self._pace.answer_ms))

    def result(self) -> Reply | Failure | None:
        """The reply or the failure, once."""
        taken, self._result = self._result, None
        return taken

    def bytes_to_send(self, now: Monotonic) -> bytes:
        asked = self._asked
        if asked is None or asked.deadline is not None or now < self._may_speak_at(asked):
            return b""
        if self._cured:
            self._decoder.clear()
        self._failed = False
        self._transaction = self._transaction % 0xFFFF + 1
        frame = codec.encode(asked.question, self._transport, self._transaction)
        size = len(frame) + codec.reply_size(asked.question, self._transport)
        asked.deadline = Monotonic(now + self._pace.wire_ms(size) + self._pace.answer_ms)
        self.counts["QUESTION"] += 1
        return frame

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._heard_at = now
        decoder = self._decoder
        bad_before, noise_before = decoder.bad_frames, decoder.noise_bytes
        replies = decoder.feed(data)
        self.counts["BAD_FRAME"] += decoder.bad_frames - bad_before
        self.counts["NOISE_BYTES"] += decoder.noise_bytes - noise_before
        for reply in replies:
            self.counts["HEARD"] += 1
            self._hear(reply, now)

    def handle_timer(self, now: Monotonic) -> None:
        if self._failed and now >= self._quiet_until:
            self._failed = False
        if self._asked is not None and self._asked.deadline is not None and now >= self._asked.deadline:
            self.counts["NO_ANSWER"] += 1
            self._fail(now)

    def next_timer(self) -> Monotonic | None:
        if self._asked is None:
            return self._quiet_until if self._failed else None
        return self._asked.deadline or self._may_speak_at(self._asked)

    def disconnected(self) -> None:
        """The wire is gone, and with it every late answer."""
        self._decoder.clear()
        self._asked = self._result = self._heard_at = None
        self._failed = False
        self._quiet_until = Monotonic(0)

    def _may_speak_at(self, asked: _Asked) -> Monotonic:
        if self._heard_at is None:
            return self._quiet_until
        after_gap = min(self._heard_at + self._pace.gap_ms, asked.not_after)
        return Monotonic(max(self._quiet_until, after_gap))

    def _hear(self, reply: Reply, now: Monotonic) -> None:
        asked = self._asked
        of_now = self._transport == "rtu" or reply.transaction == self._transaction
        if asked is None or asked.deadline is None or not of_now:
            self.counts["LATE_ANSWER"] += 1
        elif self._pairs(reply, asked.question):
            self._asked, self._result = None, reply
        else:
            self.counts["WRONG_ANSWER"] += 1
            self._fail(now)

    def _pairs(self, reply: Reply, question: Question) -> bool:
        if self._cured:
            return reply.fits(question)
        return (reply.unit, reply.function) == (question.unit, question.function)

    def _fail(self, now: Monotonic) -> None:
        assert self._asked is not None
        if self._cured:
            self._decoder.clear()
            self._failed = True
            self._quiet_until = Monotonic(now + self._pace.answer_ms)
        if self._asked.tries_left == 0:
            self._result, self._asked = Failure(self._asked.question), None
            return
        again = Monotonic(self._quiet_until + self._pace.answer_ms)
        tries_left = self._asked.tries_left - 1
        self._asked = replace(self._asked, tries_left=tries_left, not_after=again, deadline=None)
