"""Our side of the conversation: read, read again, report, and only when it is durable step on.

A round is: the record at the read pointer until there is none, then the nozzles that flow, then rest.
The step has no number, and in CBC no reply: it is never sent twice for one reading, a lost one shows as
the same record again (reported again, the till says REPEATED), and afterwards the pointers are looked at,
so that a record that was stepped over unread is fetched by its position, before any newer one is read: the
till counts litres without a record from one report to the next. Nothing else is ever sent.
"""

from drivers.companytec import codec, reading
from drivers.companytec.dialects import Ask, Fields
from drivers.companytec.forms import RecordForms
from drivers.companytec.handing import Handing
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.turns import Turn
from drivers.companytec.watches import RingWatch
from drivers.events import FuellingStarted, Monotonic

POINTER_CHECK_MS = 10_000
"""Time between two looks at the pointers on a quiet forecourt."""


class CompanytecSession(Handing):
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: CompanytecOptions) -> None:
        super().__init__(address, options, RingWatch(options.ring_records))
        self._forms = RecordForms(self._dialect.chain, asks_wide=self._dialect.asks_wide)
        self._pointers = Turn()
        self._flow = Turn()
        self._round_began = Monotonic(0)
        self._first_reading: str | None = None
        self._narrow: Fields | None = None
        self._out_of_place: int | None = None
        self._is_waiting = False

    def disconnected(self, now: Monotonic) -> None:
        super().disconnected(now)
        self._begin_anew(now)

    def _came_back(self, now: Monotonic) -> None:
        self._begin_anew(now)

    def _begin_anew(self, now: Monotonic) -> None:
        """The device may be another: first of all, where its pointers are."""
        self._first_reading = self._narrow = None
        for turn in (self._pointers, self._flow, self._cards):
            turn.renew(now)

    def _surprised(self, now: Monotonic) -> None:
        self._pointers.hurry(now)

    # What to ask next.

    def _choose(self, now: Monotonic) -> Ask:
        """A step that is due, then missed records, then the pointers, then a card, then the record or the
        flow by turns. Between two tries of a question that fails, another lets us see that the device lives;
        the next record only where the pointers are not to be had."""
        if self._step_ready or self._tag_step_ready:
            return Ask.STEP if self._step_ready else Ask.TAG_STEP
        if self._first_reading is not None:
            return self._ask
        if self._narrow is not None:
            return Ask.WIDE
        if self._ring.missed and self._last_failed is not Ask.MISSED:
            return Ask.MISSED
        if self._pointers.is_due(now) or (self._ring.missed and not self._pointers.is_absent):
            return Ask.FLOW if self._last_failed is Ask.POINTERS else Ask.POINTERS
        if self._wants_cards(now):
            return Ask.TAG
        return Ask.FLOW if self._flow_turn and self._flow.is_due(now) else Ask.RECORD

    def _wants_cards(self, now: Monotonic) -> bool:
        is_on = self._options.unknown_tags != "leave"
        return is_on and self._cards.is_due(now) and self._last_failed is not Ask.TAG

    def _say(self, now: Monotonic) -> bytes:
        if self._ask is Ask.STEP:
            self._step_ready = False
            self._counters["STEP_SENT"] += 1
            self._pointers.hurry(now)
        elif self._ask is Ask.TAG_STEP:
            self._tag_step_ready = False
        position = self._ring.missed[0] if self._ask is Ask.MISSED else 0
        return self._dialect.question(self._ask, self._forms.form, position)

    def _failed(self, now: Monotonic) -> None:
        self._first_reading = None
        heard_count, bad_count = self._counters["HEARD"], self._counters["BAD_FRAME"]
        if self._ask is Ask.RECORD:
            self._flow_turn = True
            self._counters["RECORD_FORM_SILENT"] += self._forms.failed(heard_count)
        elif self._ask is Ask.WIDE and self._forms.wide_failed():
            self._counters["EXTENDED_SILENT"] += 1
            self._without_wide(now)
        elif self._ask is Ask.MISSED:
            self._counters["MISSED_GIVEN_UP"] += self._fetch.failed(heard_count, bad_count)
        elif self._ask is Ask.POINTERS:
            self._pointers.failed(now)
        elif self._ask is Ask.FLOW:
            self._flow_turn = False
            self._flow.failed(now)
        elif self._ask is Ask.TAG:
            self._cards.failed(now)

    # What an answer means.

    def _understand(self, body: str, now: Monotonic) -> bool:
        return {
            Ask.RECORD: self._hear_record,
            Ask.WIDE: self._hear_wide,
            Ask.MISSED: self._hear_missed,
            Ask.POINTERS: self._hear_pointers,
            Ask.STEP: self._hear_pointers,
            Ask.FLOW: self._hear_flow,
            Ask.TAG: self._hear_tag,
            Ask.TAG_STEP: self._hear_tag_step,
        }[self._ask](body, now)

    def _hear_record(self, body: str, now: Monotonic) -> bool:
        if self._dialect.is_nothing(body, Ask.RECORD):
            self._nothing_read(now)
        elif (fields := self._dialect.record(body)) is not None:
            self._answered(now)
            if not self._is_form_asked(body):
                self._first_reading = None
                self._counters["RECORD_FORM_OTHER"] += 1
                self._forms.failed(self._counters["HEARD"])
            elif self._agrees(body) and self._is_in_place(fields, now):
                self._take(fields, now)
        else:
            return False
        return True

    def _is_in_place(self, fields: Fields, now: Monotonic) -> bool:
        """False, once, for a record that is not where the pointer should be: what somebody stepped over
        before it is fetched first. Where numbers are no positions, it is taken the second time."""
        at, expected = reading.position(fields, self._options), self._ring.position
        if at is None or expected is None or at in (expected, self._out_of_place):
            self._out_of_place = None
            return True
        self._out_of_place = at
        self._pointers.hurry(now)
        return False

    def _is_form_asked(self, body: str) -> bool:
        """False where another form might still be answered with what this one leaves out, the tag."""
        if self._forms.is_settled or self._dialect.is_form(body, self._forms.form):
            self._forms.read()
            return True
        return False

    def _nothing_read(self, now: Monotonic) -> None:
        """The ring is empty. Where the pointers say that a record waits, firmware may not know the form."""
        has_flow = self._flow.is_due(now)
        self._answered(now, speak_at=now if has_flow else Monotonic(now + self._options.poll_ms))
        self._first_reading = None
        self._flow_turn = True
        self._round_began = now
        self._flows.drained(now)
        if self._is_waiting:
            self._counters["RECORD_FORM_SILENT"] += self._forms.failed(self._counters["HEARD"])
            self._pointers.hurry(now)
        else:
            self._forms.answered()

    def _hear_wide(self, body: str, now: Monotonic) -> bool:
        wide = self._dialect.wide(body)
        if wide is None:
            return False
        self._forms.wide_answered()
        self._answered(now)
        if self._agrees(body):
            assert self._narrow is not None
            whole = reading.widened(self._narrow, wide)
            self._counters["EXTENDED_USED" if whole is not None else "EXTENDED_DIFFERS"] += 1
            self._narrow = whole or self._narrow
            self._without_wide(now)
        return True

    def _without_wide(self, now: Monotonic) -> None:
        """Nothing more is to be had of this record."""
        assert self._narrow is not None
        fields, self._narrow = self._narrow, None
        self._settle(fields, Ask.RECORD, now)

    def _hear_missed(self, body: str, now: Monotonic) -> bool:
        is_empty = self._dialect.is_empty(body)
        fields = None if is_empty else self._dialect.record_at(body)
        if fields is None and not is_empty:
            return False
        self._answered(now)
        if not self._agrees(body):
            return True
        if fields is None:
            self._counters["EMPTY_POSITION"] += 1
            self._fetch.over()
        elif reading.position(fields, self._options) == self._ring.missed[0]:
            self._take(fields, now)
        else:
            self._counters["OTHER_RECORD"] += 1
            self._counters["MISSED_GIVEN_UP"] += self._fetch.useless()
        return True

    def _hear_pointers(self, body: str, now: Monotonic) -> bool:
        pointers = self._dialect.pointers(body)
        if pointers is None:
            return False
        self._answered(now)
        self._is_waiting = pointers.write != pointers.read
        next_check = Monotonic(now + POINTER_CHECK_MS)
        if max(pointers.write, pointers.read) >= self._options.ring_records:
            self._counters["POINTER_BEYOND_RING"] += 1
            self._pointers.answered(next_check)
            return True
        missed_before, set_before = len(self._ring.missed), self._ring.set_count
        self._ring.elapse(now)
        is_settled = self._ring.look(pointers)
        self._counters["MISSED_RECORD"] += len(self._ring.missed) - missed_before
        self._counters["POINTER_SET"] += self._ring.set_count - set_before
        self._pointers.answered(next_check if is_settled else now)
        return True

    def _hear_flow(self, body: str, now: Monotonic) -> bool:
        nozzles = self._dialect.flow(body)
        if nozzles is None:
            return False
        self._events.extend(
            FuellingStarted(self._address, nozzle) for nozzle in self._flows.look(nozzles, now)
        )
        self._flow_turn = False
        self._flow.answered(now)
        self._answered(now, speak_at=Monotonic(self._round_began + self._options.poll_ms))
        return True

    def _hear_tag(self, body: str, now: Monotonic) -> bool:
        if self._dialect.is_nothing(body, Ask.TAG):
            self._first_reading = None
            self._cards.empty(now)
        elif (fields := self._dialect.tag(body)) is not None:
            if self._agrees(body):
                self._take_card(fields, now)
        else:
            return False
        self._answered(now)
        return True

    def _hear_tag_step(self, body: str, now: Monotonic) -> bool:
        is_answer = self._dialect.tag_stepped(body)
        if is_answer:
            self._answered(now)
        return is_answer

    def _agrees(self, body: str) -> bool:
        """True when this reading may be believed: it is the second that says the same."""
        if not self._options.read_twice or self._first_reading == body:
            self._first_reading = None
            return True
        self._counters["READINGS_DIFFER"] += self._first_reading is not None
        self._first_reading = body
        return False

    def _take(self, fields: Fields, now: Monotonic) -> None:
        """A record that is believed."""
        if codec.is_empty(fields):
            self._counters["EMPTY_RECORD"] += 1
            self._release(self._ask, reading.position(fields, self._options))
        elif not reading.is_readable(fields):
            self._counters["UNREADABLE_RECORD"] += 1
            self._rest(now)
            if self._ask is Ask.MISSED:
                self._counters["MISSED_GIVEN_UP"] += self._fetch.useless()
            else:
                self._ring.read_beyond()
                self._pointers.hurry(now)
        elif self._wants_wide(fields):
            self._narrow = fields
        else:
            self._settle(fields, self._ask, now)

    def _wants_wide(self, fields: Fields) -> bool:
        """Only where the record is at the read pointer, and its known form may have run out of digits."""
        is_known_form = "totalizer_before" in fields and "serial" in fields
        can_ask = self._ask is Ask.RECORD and self._forms.asks_wide and is_known_form
        return can_ask and not reading.fits(fields, self._options)
