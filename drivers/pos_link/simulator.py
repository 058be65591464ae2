"""A POS on the loyalty link, for tests, demo and training: verbs queue requests, answers are collected.

It writes every request into a journal before it is sent and strikes it out when its answer has come;
journal, message numbers, answers and what was shown survive a power cut. Lost with the power are the
turn on the line, half-heard frames and the wait for an answer: the open request is sent once more.

A PRESENT that stayed unanswered for a minute is struck out: the member has left.

It greets in its profile version, and goes back to version 1 where the agent knows no other. An agent
that restarted speaks version 1 until it is greeted, so an answer without room for a slip is a reason to.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.events import (
    BasketLine,
    CandidateChosen,
    Credential,
    MemberIdentified,
    MemberPresented,
    Monotonic,
    Notice,
    Outcome,
    PosRequest,
    SalePaid,
    SaleRefunded,
)
from drivers.pos_link.fields import LAST_NUMBER, PROFILE_VERSION, Refusal
from drivers.pos_link.link import Delivery, Link
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.replies import Shown, Told, read_reply
from drivers.pos_link.requests import Hello, write_request

WAIT_MS = 2000
"""How long an ENQ or a message of the POS waits for its ACK (NOTES.md, "Turns")."""
ANSWER_WAIT_MS = 5000
AGAIN_MS = 5000
"""Pause before the same message is sent again: the line was dead, or the answer was "not now"."""
PRESENT_KEPT_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    framed: bytes
    is_hello: bool


class PosSimulator:
    """A POS with one open request at a time. Each verb returns its message number, the key of `told`.

    `version` is the newest profile version that this POS knows.
    """

    def __init__(self, options: PosLinkOptions, version: int = PROFILE_VERSION) -> None:
        self.asked: dict[int, PosRequest] = {}
        self.told: dict[int, Told] = {}
        """The answer to each message number that needs no repeat; its slip is what the printer printed."""
        self.shown: list[Notice] = []
        self.counters: Counter[str] = Counter()
        self._register = options.register_id
        self._encoding = options.encoding
        self._knows_version = self._version = version
        self._journal: deque[_Entry] = deque()
        self._present_until: dict[int, Monotonic | None] = {}
        """The open PRESENTs by number, and when each is struck out; None until the clock was heard once."""
        self._last_number = 0
        self._starts = 0
        self._last_shown: Shown | None = None
        self._link = Link(wins=True, wait_ms=WAIT_MS)
        self._on_line: int | None = None
        self._wait_until: Monotonic | None = None
        self._start_anew()

    def present(self, point: str, credential: Credential) -> int:
        """A member shows a credential for a fuelling point."""
        return self._ask(MemberPresented(self._register, point, credential))

    def pay(
        self,
        pos_sale_id: str,
        point: str | None,
        fuel_amount_fen: int,
        tender: str,
        lines: Sequence[BasketLine] = (),
        credential: Credential | None = None,
    ) -> int:
        """A sale was paid: fuel, shop goods or both."""
        sale = SalePaid(self._register, pos_sale_id, point, fuel_amount_fen, tender, tuple(lines), credential)
        return self._ask(sale)

    def choose(self, pos_sale_id: str, fact_id: str) -> int:
        """The cashier says which of the candidates this sale paid for."""
        return self._ask(CandidateChosen(self._register, pos_sale_id, fact_id))

    def identify(self, pos_sale_id: str, credential: Credential) -> int:
        """A member identifies after the payment."""
        return self._ask(MemberIdentified(self._register, pos_sale_id, credential))

    def refund(self, refund_id: str, pos_sale_id: str, amount_fen: int) -> int:
        """Money was given back."""
        return self._ask(SaleRefunded(self._register, refund_id, pos_sale_id, amount_fen))

    @property
    def unanswered(self) -> int:
        """Requests whose answer has not come yet."""
        return len(self.asked.keys() - self.told.keys())

    def receive(self, data: bytes, now: Monotonic) -> None:
        for fields in self._link.receive(data, now):
            reply = read_reply(fields, self._register, self._encoding, self._knows_version)
            match reply:
                case Refusal(code):
                    self.counters[code] += 1
                case Told():
                    self._hear_answer(reply, now)
                case Shown():
                    self._hear_show(reply)
        self._speak(now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._speak(now)
        return self._link.bytes_to_send()

    def next_timer(self) -> Monotonic | None:
        if self._may_speak():
            return Monotonic(0)
        return min((t for t in (self._link.next_timer(), self._wait_until) if t is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._link.handle_timer(now)
        if self._wait_until is not None and now >= self._wait_until:
            self._wait_until = None
        self._speak(now)

    def power_cycle(self, now: Monotonic) -> None:
        """Off and on again: see the module docstring for what is lost. The POS greets anew."""
        self._link.reset()
        self._on_line = self._wait_until = None
        self._version = self._knows_version
        self._start_anew()

    def link_counters(self) -> Mapping[str, int]:
        """What the link layer of the POS counted."""
        return self._link.counters

    def _start_anew(self) -> None:
        self._starts += 1
        self._greet()

    def _greet(self) -> None:
        """HELLO goes first, in place of one that was not answered yet."""
        if self._journal and self._journal[0].is_hello:
            self._journal.popleft()
        hello = Hello(self._register, self._version, str(self._starts))
        self._journal.appendleft(self._enter(hello))

    def _ask(self, request: PosRequest) -> int:
        entry = self._enter(request)
        self.asked[entry.number] = request
        if isinstance(request, MemberPresented):
            self._present_until[entry.number] = None
        self._journal.append(entry)
        return entry.number

    def _enter(self, body: Hello | PosRequest) -> _Entry:
        number = self._last_number % LAST_NUMBER + 1
        framed = write_request(number, body, self._encoding)
        assert isinstance(framed, bytes), framed
        self._last_number = number
        return _Entry(number, framed, isinstance(body, Hello))

    def _hear_answer(self, told: Told, now: Monotonic) -> None:
        if not self._journal or self._journal[0].number != told.number:
            self.counters["REPEATED_ANSWER" if told == self.told.get(told.number) else "STRAY_ANSWER"] += 1
        elif told.answer.outcome is Outcome.UNAVAILABLE:
            self.counters["UNAVAILABLE"] += 1
            self._wait_until = Monotonic(now + AGAIN_MS)
            if told.answer.reason == "WRONG_REGISTER":
                self._greet()
        else:
            self.told[told.number] = told
            self._present_until.pop(told.number, None)
            was_hello = self._journal.popleft().is_hello
            self._wait_until = None
            if not was_hello:
                self._greet_if_forgotten(told.version)
            elif told.answer.reason == "WRONG_VERSION" and self._version > 1:
                self._version = 1
                self._greet()

    def _greet_if_forgotten(self, spoken_version: int) -> None:
        """The agent restarted if it speaks an older version than it was greeted in."""
        if spoken_version < self._version:
            self._greet()

    def _hear_show(self, shown: Shown) -> None:
        if not self._journal:
            self._greet_if_forgotten(shown.version)
        if shown == self._last_shown:
            self.counters["REPEATED_SHOW"] += 1
            return
        self._last_shown = shown
        self.shown.append(shown.notice)

    def _may_speak(self) -> bool:
        return bool(self._journal) and self._on_line is None and self._wait_until is None

    def _speak(self, now: Monotonic) -> None:
        """Note how the last message fared, then send the oldest of the journal if it is its time."""
        delivery = self._link.delivery()
        if delivery is not None:
            if self._journal and self._journal[0].number == self._on_line and self._wait_until is None:
                pause_ms = ANSWER_WAIT_MS if delivery is Delivery.DELIVERED else AGAIN_MS
                self._wait_until = Monotonic(now + pause_ms)
            self._on_line = None
        self._strike_out(now)
        if self._may_speak():
            self._on_line = self._journal[0].number
            self._link.offer(self._journal[0].framed, now)
        self._link.take_turn(now)

    def _strike_out(self, now: Monotonic) -> None:
        """The PRESENTs that are too old, but for one that is on the line just now."""
        for number, until in list(self._present_until.items()):
            if until is None:
                self._present_until[number] = Monotonic(now + PRESENT_KEPT_MS)
            elif now >= until and number != self._on_line:
                del self._present_until[number], self.asked[number]
                if self._journal[0].number == number:
                    self._wait_until = None
                self._journal = deque(entry for entry in self._journal if entry.number != number)
                self.counters["PRESENT_STRUCK_OUT"] += 1
