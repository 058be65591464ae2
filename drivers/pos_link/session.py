"""Our end of the POS link: one request at a time from the POS, one answer to each, notices in between.

The POS is told "we have it" only by an answer that the till made durable. A repeat of a message that
was answered gets the same bytes again and the till does not hear of it; UNAVAILABLE is never kept,
so that its repeat is asked anew (NOTES.md, "Numbers and repeats").
"""

import hashlib
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from drivers.events import (
    Answer,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Monotonic,
    Notice,
    Outcome,
    PosRequest,
)
from drivers.pos_link.codec import FS
from drivers.pos_link.fields import LAST_NUMBER, VERSIONS, Refusal
from drivers.pos_link.link import Delivery, Link
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.replies import STORED, write_answer, write_refusal, write_show
from drivers.pos_link.requests import Hello, read_request

WAIT_MS = 3000
"""How long our ENQ or message waits for its ACK; the POS waits 2000 ms (devices.md 12.3: 2 to 3 s)."""
PROBE_AFTER_MS = 10_000
PROBE_AGAIN_MS = 5_000
SILENT_AFTER_MS = 30_000
REMEMBERED_ANSWERS = 16
MOST_ANSWERS_WAITING = 8
MOST_NOTICES_WAITING = 16


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message of the POS: its number, and a digest because its content may hold a credential."""

    number: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Told:
    """The final answer to a message."""

    asked: _Asked
    framed: bytes


class PosLinkSession:
    """The conversation with one POS; `address` names it in DeviceSilent and DeviceBack."""

    def __init__(self, address: str, options: PosLinkOptions) -> None:
        self._address = address
        self._register = options.register_id
        self._encoding = options.encoding
        self._version = VERSIONS[0]
        self._link = Link(wins=False, wait_ms=WAIT_MS)
        self._counters: Counter[str] = Counter()
        self._start = ""
        self._mistaken: Refusal | None = None
        self._pending: _Asked | None = None
        self._pending_is_wanted = False
        self._request: PosRequest | None = None
        self._told: OrderedDict[int, _Told] = OrderedDict()
        self._answers: deque[bytes] = deque()
        self._notices: deque[bytes] = deque()
        self._sending: deque[bytes] | None = None
        self._last_show = 0
        self._presence: DeviceBack | DeviceSilent | None = None
        self._is_present = False
        self._said_silent = False
        self._quiet_since: Monotonic | None = None
        self._probe_at = Monotonic(0)

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._watch(now)
        for fields in self._link.receive(data, now):
            self._hear(fields)
        self._notice_life(now)
        self._speak(now)

    def next_event(self) -> DriverEvent | None:
        if presence := self._presence:
            self._presence = None
            return presence
        request, self._request = self._request, None
        return request

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if not isinstance(event, PosRequest):
            return
        asked, self._pending = self._pending, None
        assert asked is not None, "a confirmed request was asked"
        framed = self._put_in_words(asked, answer)
        if self._pending_is_wanted:
            self._queue_answer(framed)
        self._speak(now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        if len(self._notices) >= MOST_NOTICES_WAITING:
            self._counters["SHOW_DROPPED"] += 1
            return
        self._last_show = self._last_show % LAST_NUMBER + 1
        self._notices.append(write_show(self._last_show, notice, self._encoding, self._version))
        self._speak(now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return self._link.bytes_to_send()

    def next_timer(self) -> Monotonic | None:
        return min(t for t in (self._link.next_timer(), self._probe_at, self._silent_at()) if t is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._watch(now)
        self._link.handle_timer(now)
        self._probe(now)
        self._speak(now)
        self._notice_silence(now)

    def awaiting(self) -> bool:
        return self._link.waiting

    def disconnected(self, now: Monotonic) -> None:
        self._link.reset()
        self._sending = None
        self._counters["ANSWER_DROPPED"] += len(self._answers)
        self._counters["SHOW_DROPPED"] += len(self._notices)
        self._answers.clear()
        self._notices.clear()

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._link.counters

    def _hear(self, fields: Sequence[bytes]) -> None:
        request = read_request(fields, self._register, self._encoding)
        if isinstance(request, Refusal):
            if request.code == "WRONG_REGISTER":
                self._mistaken = request
            self._turn_down(request)
        elif isinstance(request.body, Hello):
            self._greet(request.number, request.body)
        elif self._mistaken is not None:
            self._turn_down(replace(self._mistaken, number=request.number), Outcome.UNAVAILABLE)
        else:
            digest = hashlib.sha256(bytes([FS]).join(fields)).digest()
            self._ask(_Asked(request.number, digest), request.body)

    def _greet(self, number: int, hello: Hello) -> None:
        self._mistaken = None
        self._version = hello.version
        if hello.start != self._start:
            self._start = hello.start
            self._forget_answers()
        self._counters["HELLO"] += 1
        welcome = Answer(Outcome.DONE, durable=True)
        self._queue_answer(write_answer(number, welcome, self._encoding, self._version))

    def _forget_answers(self) -> None:
        """The POS may number from 1 again: no answer from before may meet a new message of that number."""
        self._told.clear()
        self._answers.clear()
        self._pending_is_wanted = False
        if self._sending is self._answers:
            self._sending = None
            self._link.withdraw()

    def _ask(self, asked: _Asked, request: PosRequest) -> None:
        told = self._told.get(asked.number)
        if told is not None and told.asked == asked:
            self._counters["REPEATED"] += 1
            self._queue_answer(told.framed)
        elif told is not None:
            self._turn_down(Refusal("NUMBER_REUSED", "number", asked.number))
        elif self._pending is None:
            self._counters["REQUESTS"] += 1
            self._pending, self._request = asked, request
            self._pending_is_wanted = True
        elif self._pending == asked:
            self._counters["REPEATED"] += 1
            self._pending_is_wanted = True
        else:
            self._turn_down(Refusal("BUSY", "", asked.number), Outcome.UNAVAILABLE)

    def _turn_down(self, refusal: Refusal, outcome: Outcome = Outcome.REFUSED) -> None:
        self._counters[refusal.code] += 1
        self._queue_answer(write_refusal(refusal, self._encoding, self._version, outcome=outcome))

    def _put_in_words(self, asked: _Asked, answer: Answer) -> bytes:
        """The ANSWER for the wire, remembered if it is final. What is not durable is told as not kept."""
        if answer.outcome in STORED and not answer.durable:
            self._counters["NOT_DURABLE"] += 1
            refusal = Refusal("NOT_DURABLE", "", asked.number)
            return write_refusal(refusal, self._encoding, self._version, outcome=Outcome.UNAVAILABLE)
        framed = write_answer(asked.number, answer, self._encoding, self._version)
        if answer.outcome is not Outcome.UNAVAILABLE and self._pending_is_wanted:
            self._told[asked.number] = _Told(asked, framed)
            if len(self._told) > REMEMBERED_ANSWERS:
                self._told.popitem(last=False)
        return framed

    def _queue_answer(self, framed: bytes) -> None:
        if framed in self._answers:
            return
        if len(self._answers) >= MOST_ANSWERS_WAITING:
            self._counters["ANSWER_DROPPED"] += 1
            return
        self._answers.append(framed)

    def _speak(self, now: Monotonic) -> None:
        """Take the next answer, else the next notice, to the line when the line is free."""
        delivery = self._link.delivery()
        if delivery is not None and self._sending is not None:
            self._sending.popleft()
            if delivery is Delivery.GIVEN_UP:
                self._counters["ANSWER_DROPPED" if self._sending is self._answers else "SHOW_DROPPED"] += 1
            self._sending = None
        if self._sending is None and (waiting := self._answers or self._notices):
            self._sending = waiting
            self._link.offer(waiting[0], now)
        self._link.take_turn(now)

    def _watch(self, now: Monotonic) -> None:
        """Time starts with the first moment we are told of."""
        if self._quiet_since is None:
            self._quiet_since = now

    def _notice_life(self, now: Monotonic) -> None:
        if self._link.heard_at != now:
            return
        self._quiet_since = now
        self._probe_at = Monotonic(now + PROBE_AFTER_MS)
        self._said_silent = False
        if not self._is_present:
            self._is_present = True
            self._presence = DeviceBack(self._address)

    def _notice_silence(self, now: Monotonic) -> None:
        silent_at = self._silent_at()
        if self._quiet_since is None or silent_at is None or now < silent_at:
            return
        self._is_present, self._said_silent = False, True
        self._presence = DeviceSilent(self._address, now - self._quiet_since)
        self._counters["SILENT"] += 1

    def _silent_at(self) -> Monotonic | None:
        if self._quiet_since is None or self._said_silent:
            return None
        return Monotonic(self._quiet_since + SILENT_AFTER_MS)

    def _probe(self, now: Monotonic) -> None:
        """Ask whether the POS is there when it has been quiet: nothing else would show a dead one."""
        if now >= self._probe_at:
            self._probe_at = Monotonic(now + PROBE_AGAIN_MS)
            self._link.probe(now)
