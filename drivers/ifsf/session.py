"""Our side of the IFSF conversation: find, read twice, report, and only when it is durable clear.

One question is out at a time, with a token that the answer must repeat. A round goes: what was sold while
no controller was there, unpaid sales of each point when something says that there may be one (or at the
latest every `list_ms`), the state of each point. Nothing is ever said that is not in `questions.py`.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.events import Answer, DriverEvent, Fuelling, FuellingStarted, Monotonic, Notice
from drivers.ifsf import questions
from drivers.ifsf.agenda import Agenda
from drivers.ifsf.codec import CONTROLLER, Kind, Message, Reader, field_map, is_accepted
from drivers.ifsf.options import SILENCE_MS, IfsfOptions
from drivers.ifsf.points import PointWatch
from drivers.ifsf.questions import Aim, Question
from drivers.ifsf.reading import CLEARED, Record, as_fuelling, is_sale_place, record_of
from drivers.ifsf.wrapper import framing_of
from drivers.presence import Presence

LAST_TOKEN = 15
"""Higher tokens would make status bytes that are marks of the serial wrapper."""
RECEIPTS_LIMIT = 8


@dataclass(frozen=True, slots=True)
class _WithTill:
    """A sale that the till has not answered yet."""

    fuelling: Fuelling
    record: Record
    is_offline: bool


class IfsfSession:
    """One dispenser; `address` is its node, on serial its number. See `drivers/session.py`."""

    def __init__(self, address: str, options: IfsfOptions) -> None:
        self._address = address
        self._options = options
        self._framing = framing_of(options.transport)
        self._us, self._device = bytes((CONTROLLER, options.own_node)), self._framing.device_address(address)
        self._reader = Reader(self._framing, route=self._us + self._device)
        self._presence = Presence(address, SILENCE_MS)
        self._agenda = Agenda(options)
        self._events: deque[DriverEvent] = deque()
        self._receipts: deque[Message] = deque(maxlen=RECEIPTS_LIMIT)
        self._counters: Counter[str] = Counter()
        self._with_till: _WithTill | None = None
        self._asked: Question | None = None
        self._token_no = 0
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        for message in self._reader.feed(data):
            self._hear(message, now)
        self._count_frames()

    def next_event(self) -> DriverEvent | None:
        return self._events.popleft() if self._events else None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        held = self._with_till
        if held is None or event is not held.fuelling:
            return
        self._with_till = None
        if not answer.durable:
            self._counters["NOT_DURABLE"] += 1
        again_at = now if answer.durable else Monotonic(now + self._options.poll_ms)
        self._agenda.read_again(held.record, again_at, is_offline=held.is_offline)
        if answer.durable:
            self._agenda.keep(held.record, is_offline=held.is_offline)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A dispenser shows nothing of ours."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asked is not None or now < self._speak_at:
            return b""
        if self._receipts:
            return self._framing.wrap(self._receipts.popleft())
        if self._with_till is not None:
            return b""
        question = self._agenda.choose(now, self._reader.bad_frames + self._reader.other_frames)
        if question is None:
            return b""
        self._asked = question
        self._token_no = self._token_no % LAST_TOKEN + 1
        self._answer_due = Monotonic(now + self._options.answer_ms)
        return self._framing.wrap(question.message(self._device, self._us, self._token_no))

    def next_timer(self) -> Monotonic | None:
        timers = []
        if self._asked is not None:
            timers.append(self._answer_due)
        elif self._receipts:
            timers.append(self._speak_at)
        elif self._with_till is None:
            timers.append(max(self._speak_at, self._agenda.next_at()))
        if (silent_at := self._presence.due()) is not None:
            timers.append(silent_at)
        return min(timers, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if silent := self._presence.check(now):
            self._counters["SILENT"] += 1
            self._agenda.forget_readings(now)
            self._events.extend(silent)
        if self._asked is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._reader.forget()
            self._count_frames()
            self._failed(self._asked, now, refused=False)

    def awaiting(self) -> bool:
        return self._asked is not None

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._asked = None
        self._receipts.clear()
        self._speak_at = now
        self._agenda.forget_readings(now)

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _count_frames(self) -> None:
        self._counters["BAD_FRAME"] = self._reader.bad_frames
        self._counters["OTHER_NODE"] = self._reader.other_frames

    def _answered(self, now: Monotonic) -> None:
        self._asked = None
        self._speak_at = Monotonic(now + self._options.gap_ms)

    def _failed(self, asked: Question, now: Monotonic, *, refused: bool) -> None:
        self._answered(now)
        self._agenda.failed(asked, now, refused=refused)

    # What a message means.

    def _hear(self, message: Message, now: Monotonic) -> None:
        self._counters["HEARD"] += 1
        if back := self._presence.heard(now):
            self._agenda.forget_readings(now)
            self._events.extend(back)
        if message.kind in (Kind.PUSH, Kind.PUSH_WANTING_ACK):
            self._hear_push(message, now)
        elif message.kind in (Kind.READ, Kind.WRITE):
            self._counters["DEVICE_ASKS"] += 1
        elif self._asked is None or message.token_no != self._token_no:
            self._counters["LATE_ANSWER"] += 1
        else:
            self._hear_answer(self._asked, message, now)

    def _hear_push(self, push: Message, now: Monotonic) -> None:
        if push.kind is Kind.PUSH_WANTING_ACK:
            self._receipts.append(questions.receipt(push))
        watch = self._agenda.points.get(push.place[0] - questions.FIRST_POINT)
        if watch is None:
            self._counters["OTHER_POINT"] += 1
        elif len(push.place) == 1:
            self._look(watch, push, now)
        elif is_sale_place(push.place):
            watch.hears_of_sale(push.place[2:], now)
            if field_map(push).get(0x15) != bytes((CLEARED,)):
                self._agenda.book.offered(push.place, None)
                watch.find_at = now

    def _hear_answer(self, asked: Question, message: Message, now: Monotonic) -> None:
        is_refused = message.kind is Kind.ACK and not is_accepted(message)
        if is_refused and message.place == asked.place:
            self._counters["REFUSED"] += 1
            self._failed(asked, now, refused=True)
        elif not self._understood(asked, message, now):
            self._counters["OTHER_FRAME"] += 1

    def _understood(self, asked: Question, message: Message, now: Monotonic) -> bool:
        is_here, is_ack = message.place == asked.place, message.kind is Kind.ACK
        if asked.aim is Aim.LIST:
            return self._hear_list(message, now, is_end=is_here and is_ack)
        if asked.aim is Aim.OFFLINE:
            return self._hear_offline(message, now, is_end=is_here and is_ack)
        if not is_here or is_ack is not (asked.kind is Kind.WRITE):
            return False
        self._answered(now)
        if asked.aim is Aim.STATE:
            watch = self._agenda.watch_of(asked.place)
            watch.state_at = Monotonic(now + self._options.poll_ms)
            self._look(watch, message, now)
        elif asked.aim is Aim.SLOT:
            self._hear_slot(message)
        elif asked.aim is Aim.SALE:
            self._hear_sale(message, now)
        elif asked.aim is Aim.CLEAR:
            self._counters["CLEARED"] += 1
            watch = self._agenda.watch_of(asked.place)
            watch.find_at = min(watch.find_at, Monotonic(now + self._options.poll_ms))
        else:
            self._counters["OFFLINE_REMOVED"] += 1
            self._agenda.shelf.removed()
            self._agenda.shelf_at = now
        return True

    def _look(self, watch: PointWatch, message: Message, now: Monotonic) -> None:
        started = watch.look(field_map(message), now)
        self._events.extend(FuellingStarted(self._address, nozzle) for nozzle in started)

    # Sales.

    def _hear_list(self, message: Message, now: Monotonic, *, is_end: bool) -> bool:
        assert self._asked is not None
        if is_end:
            self._answered(now)
            return True
        record = record_of(message) if message.kind is Kind.ANSWER else None
        if record is None or record.place[0] != self._asked.place[0]:
            return False
        self._answer_due = Monotonic(now + self._options.answer_ms)
        if not record.is_in(CLEARED):
            self._agenda.book.offered(record.place, record)
        return True

    def _hear_slot(self, message: Message) -> None:
        """The buffer's address has no number; the sale's own is in field 01, AAAA in an empty buffer."""
        found = field_map(message)
        place = bytes((message.place[0], questions.SALES)) + found.get(0x01, b"")
        if len(place) == 4 and found.get(0x15) != bytes((CLEARED,)) and place[2:] != b"\xaa\xaa":
            self._agenda.book.offered(place, None)

    def _hear_sale(self, message: Message, now: Monotonic) -> None:
        record = record_of(message)
        if record is None or record.is_in(CLEARED):
            self._agenda.book.leave(message.place)
            return
        self._counters["READINGS_DIFFER"] += self._agenda.book.differs(record)
        if self._agenda.book.read(record):
            self._take(record, now, is_offline=False)

    def _hear_offline(self, message: Message, now: Monotonic, *, is_end: bool) -> bool:
        if is_end:
            self._answered(now)
            self._agenda.shelf.forget_readings()
            self._agenda.shelf_at = Monotonic(now + self._options.offline_ms)
            return True
        record = record_of(message) if message.kind is Kind.ANSWER else None
        if record is None or questions.OFFLINE_SALE not in field_map(message):
            return False
        self._answered(now)
        if self._agenda.shelf.read(record):
            self._agenda.shelf_at = Monotonic(now + self._options.offline_ms)
            self._take(record, now, is_offline=True)
        elif self._agenda.shelf.is_left_there(record):
            self._agenda.shelf_at = Monotonic(now + self._options.offline_ms)
        return True

    def _take(self, record: Record, now: Monotonic, *, is_offline: bool) -> None:
        """A sale that two readings agree on."""
        if not record.is_readable():
            self._counters["UNREADABLE_RECORD"] += 1
        elif not record.has_volume():
            self._counters["ZERO_VOLUME"] += 1
            self._agenda.keep(record, is_offline=is_offline)
            self._agenda.read_again(record, now, is_offline=is_offline)
        else:
            self._report(record, now, is_offline=is_offline)

    def _report(self, record: Record, now: Monotonic, *, is_offline: bool) -> None:
        watch = self._agenda.points.get(record.point_no)
        ended = None
        if watch is not None and not is_offline:
            watch.hears_of_sale(record.place[2:], now)
            ended = watch.ended(record.place[2:])
        fuelling = as_fuelling(record, self._address, self._options, ended)
        self._counters["ODD_RECORD"] += bool(fuelling.flags)
        self._with_till = _WithTill(fuelling, record, is_offline)
        self._events.append(fuelling)
