"""Our side of the CBC conversation: read, read again, report, and only when it is durable step on.

A round is: the record at the read pointer until there is none, then the nozzles that flow, then rest.
After every step the pointers are read, because `(&I)` has no reply: it is never sent twice for one
reading, a lost one shows as the same record again (reported again, the till says REPEATED), and a
record that was stepped over unread is fetched by its position. Nothing else is ever sent.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from drivers.companytec import codec, reading
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.watches import FlowWatch, RingWatch
from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    Notice,
    RawDigits,
)

SILENCE_MS = 5_000
POINTER_CHECK_MS = 10_000
"""Time between two looks at the pointers on a quiet forecourt."""
FETCH_TRIES = 25
"""Failures at one position, while other questions are answered, after which it is given up and counted."""
POINTER_TRIES = 5
POINTERS_ABSENT_MS = 60_000
"""Firmware that does not answer the pointer question (before CBC04) is asked again this much later."""


class Ask(Enum):
    """The only questions there are."""

    RECORD = "record"
    MISSED = "missed"
    POINTERS = "pointers"
    FLOW = "flow"


@dataclass(slots=True)
class _WithTill:
    """A record that the till has not answered yet."""

    fuelling: Fuelling
    ask: Ask


class CompanytecSession:
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: CompanytecOptions) -> None:
        self._address = address
        self._options = options
        self._reader = codec.Reader()
        self._ring = RingWatch()
        self._flows = FlowWatch()
        self._events: deque[DriverEvent] = deque()
        self._counters: Counter[str] = Counter()
        self._with_till: _WithTill | None = None
        self._ask = Ask.POINTERS
        self._last_failed: Ask | None = None
        self._answer_due: Monotonic | None = None
        self._speak_at = Monotonic(0)
        self._round_began = Monotonic(0)
        self._first_reading: str | None = None
        self._step_ready = False
        self._pointers_due = Monotonic(0)
        self._flow_turn = False
        self._fetch_tries = 0
        self._heard_at_failed_fetch = 0
        self._pointer_failures = 0
        self._last_ended: tuple[RawDigits, Monotonic | None] | None = None
        self._drained_at: Monotonic | None = None
        self._heard_at: Monotonic | None = None
        self._silent: bool | None = None

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        torn_before, noise_before = self._reader.torn_frames, self._reader.noise_bytes
        for body in self._reader.feed(data):
            self._hear(body, now)
        self._counters["TORN_FRAME"] += self._reader.torn_frames - torn_before
        self._counters["NOISE_BYTES"] += self._reader.noise_bytes - noise_before

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        held = self._with_till
        if held is None or event is not held.fuelling:
            return
        self._with_till = None
        if answer.durable:
            self._release(held.ask, held.fuelling.sequence_no)
        else:
            self._counters["NOT_DURABLE"] += 1
            self._speak_at = Monotonic(now + self._options.poll_ms)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A concentrator shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._with_till is not None or self._answer_due is not None or now < self._speak_at:
            return b""
        if self._step_ready:
            self._step_ready = False
            self._counters["STEP_SENT"] += 1
            if self._pointer_failures < POINTER_TRIES:
                self._pointers_due = now
            self._speak_at = Monotonic(now + self._options.gap_ms)
            return codec.STEP
        self._ask = self._choose(now)
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return self._question()

    def next_timer(self) -> Monotonic | None:
        timers = []
        if self._answer_due is not None:
            timers.append(self._answer_due)
        elif self._with_till is None:
            timers.append(self._speak_at)
        if self._heard_at is not None and self._silent is not True:
            timers.append(Monotonic(self._heard_at + SILENCE_MS))
        return min(timers, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if self._heard_at is None:
            self._heard_at = now
        if self._silent is not True and now - self._heard_at >= SILENCE_MS:
            self._silent = True
            self._events.append(DeviceSilent(self._address, now - self._heard_at))
        if self._answer_due is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._answer_due is not None

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._flows.forget()
        self._answer_due = self._first_reading = None
        self._step_ready = False
        self._pointer_failures = 0
        self._pointers_due = self._speak_at = now

    def counters(self) -> Mapping[str, int]:
        return self._counters

    # What to ask next.

    def _choose(self, now: Monotonic) -> Ask:
        """Missed records first, then the pointers when due, then the record or the flow by turns. A
        question that has just failed lets the record go before it: old firmware knows no pointers."""
        if self._first_reading is not None:
            return self._ask
        if self._ring.missed and self._last_failed is not Ask.MISSED:
            return Ask.MISSED
        if now >= self._pointers_due and self._last_failed is not Ask.POINTERS:
            return Ask.POINTERS
        return Ask.FLOW if self._flow_turn else Ask.RECORD

    def _question(self) -> bytes:
        if self._ask is Ask.MISSED:
            return codec.record_at(self._ring.missed[0], self._options.tags)
        if self._ask is Ask.RECORD:
            return codec.READS[self._options.tags]
        return codec.POINTERS if self._ask is Ask.POINTERS else codec.FLOW

    def _fail(self, now: Monotonic) -> None:
        """No answer or a useless one: stay quiet for one answer time, so that a late one cannot pass
        for the answer to the next question."""
        self._last_failed = self._ask
        self._answer_due = self._first_reading = None
        self._speak_at = Monotonic(now + self._options.answer_ms)
        if self._ask is Ask.POINTERS:
            self._pointer_failures += 1
            absent = self._pointer_failures >= POINTER_TRIES
            self._pointers_due = Monotonic(now + POINTERS_ABSENT_MS) if absent else now
        elif self._ask is Ask.MISSED and self._counters["HEARD"] > self._heard_at_failed_fetch:
            self._heard_at_failed_fetch = self._counters["HEARD"]
            self._useless_fetch()

    def _answered(self, now: Monotonic, *, speak_at: Monotonic | None = None) -> None:
        self._answer_due = None
        self._last_failed = None
        self._speak_at = now if speak_at is None else speak_at

    # What an answer means.

    def _hear(self, body: str, now: Monotonic) -> None:
        if self._answer_due is None:
            self._counters["UNASKED_FRAME"] += 1
            return
        if (error := codec.parse_error(body)) is not None:
            self._counters[f"DEVICE_ERROR_{error.upper()}"] += 1
            self._heard(now)
            self._fail(now)
            return
        understood = {
            Ask.RECORD: self._hear_record,
            Ask.MISSED: self._hear_missed,
            Ask.POINTERS: self._hear_pointers,
            Ask.FLOW: self._hear_flow,
        }[self._ask](body, now)
        if understood:
            self._heard(now)
        else:
            self._counters["OTHER_FRAME"] += 1

    def _heard(self, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        self._heard_at = now
        if self._silent is not False:
            self._silent = False
            self._pointer_failures, self._pointers_due = 0, now
            self._events.append(DeviceBack(self._address))

    def _hear_record(self, body: str, now: Monotonic) -> bool:
        if body == codec.NOTHING:
            self._answered(now)
            self._first_reading = None
            self._flow_turn = True
            self._round_began = self._drained_at = now
            return True
        fields = codec.parse_fields(body, self._options.tags)
        if fields is None:
            return False
        self._answered(now)
        if self._agrees(body):
            self._take(fields, now)
        return True

    def _hear_missed(self, body: str, now: Monotonic) -> bool:
        fields = codec.parse_record_at(body, self._options.tags)
        if fields is None:
            return False
        self._answered(now)
        if not self._agrees(body):
            return True
        if codec.is_empty(fields):
            self._counters["EMPTY_POSITION"] += 1
            self._forget_missed()
        elif reading.record_no(fields) == self._ring.missed[0]:
            self._take(fields, now)
        else:
            self._counters["OTHER_RECORD"] += 1
            self._useless_fetch()
        return True

    def _hear_pointers(self, body: str, now: Monotonic) -> bool:
        pointers = codec.parse_pointers(body)
        if pointers is None:
            return False
        self._pointer_failures = 0
        missed_before = len(self._ring.missed)
        settled = self._ring.look(pointers)
        self._counters["MISSED_RECORD"] += len(self._ring.missed) - missed_before
        self._pointers_due = Monotonic(now + POINTER_CHECK_MS) if settled else now
        self._answered(now)
        return True

    def _hear_flow(self, body: str, now: Monotonic) -> bool:
        nozzles = codec.parse_flow(body)
        if nozzles is None:
            return False
        self._events.extend(
            FuellingStarted(self._address, nozzle) for nozzle in self._flows.look(nozzles, now)
        )
        self._flow_turn = False
        self._answered(now, speak_at=Monotonic(self._round_began + self._options.poll_ms))
        return True

    def _agrees(self, body: str) -> bool:
        """True when this reading may be believed: it is the second that says the same."""
        if not self._options.read_twice or self._first_reading == body:
            self._first_reading = None
            return True
        self._counters["READINGS_DIFFER"] += self._first_reading is not None
        self._first_reading = body
        return False

    # What becomes of a record.

    def _take(self, fields: Mapping[str, str], now: Monotonic) -> None:
        number = reading.record_no(fields)
        if codec.is_empty(fields):
            self._counters["EMPTY_RECORD"] += 1
            self._release(self._ask, number)
        elif not reading.is_readable(fields):
            self._counters["UNREADABLE_RECORD"] += 1
            self._speak_at = Monotonic(now + self._options.poll_ms)
            if self._ask is Ask.MISSED:
                self._useless_fetch()
        elif not reading.has_volume(fields):
            self._counters["ZERO_VOLUME"] += 1
            self._release(self._ask, number)
        else:
            self._report(fields, now)

    def _report(self, fields: Mapping[str, str], now: Monotonic) -> None:
        fuelling = reading.as_fuelling(fields, self._address, self._options)
        if self._last_ended is None or self._last_ended[0] != fuelling.raw:
            watched = self._ask is Ask.RECORD
            ended = self._flows.ended(fuelling.nozzle, self._drained_at, now) if watched else None
            self._last_ended = (fuelling.raw, ended)
        fuelling = replace(fuelling, ended=self._last_ended[1])
        self._counters["ODD_RECORD"] += bool(fuelling.flags)
        self._with_till = _WithTill(fuelling, self._ask)
        self._events.append(fuelling)

    def _release(self, ask: Ask, number: int | None) -> None:
        """The record is safe (or no fuelling at all): the device may let it go."""
        self._ring.durable(number)
        if ask is Ask.MISSED:
            self._forget_missed()
        else:
            self._step_ready = True

    def _useless_fetch(self) -> None:
        self._fetch_tries += 1
        if self._fetch_tries >= FETCH_TRIES:
            self._counters["MISSED_GIVEN_UP"] += 1
            self._forget_missed()

    def _forget_missed(self) -> None:
        self._fetch_tries = 0
        self._ring.missed.popleft()
