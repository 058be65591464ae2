"""Our side of the conversation: read, read again, report, and only when it is durable step on.

A round is: the record at the read pointer until there is none, then the nozzles that flow, then rest.
The step has no number, and in CBC no reply: it is never sent twice for one reading, a lost one shows as
the same record again (reported again, the till says REPEATED), and afterwards the pointers are looked at,
so that a record that was stepped over unread is fetched by its position. Nothing else is ever sent.
"""

from dataclasses import dataclass, replace

from drivers.companytec import codec, reading
from drivers.companytec.conversation import Conversation
from drivers.companytec.dialects import Ask, Fields, dialect_of
from drivers.companytec.forms import RecordForms
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.watches import FetchTries, FlowWatch, PointerTurn, RingWatch, TagTurn
from drivers.events import (
    Answer,
    CredentialShown,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    Monotonic,
    Notice,
    Outcome,
    RawDigits,
)


@dataclass(slots=True)
class _WithTill:
    """A record, or a card, that the till has not answered yet."""

    event: Fuelling | CredentialShown
    ask: Ask


class CompanytecSession(Conversation):
    """See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: CompanytecOptions) -> None:
        super().__init__(address, dialect_of(options), options.answer_ms, options.gap_ms)
        self._address = address
        self._options = options
        self._forms = RecordForms(self._dialect.chain, asks_wide=self._dialect.asks_wide)
        self._ring = RingWatch(options.ring_records)
        self._pointers = PointerTurn()
        self._fetch = FetchTries(self._ring)
        self._flows = FlowWatch()
        self._with_till: _WithTill | None = None
        self._round_began = Monotonic(0)
        self._first_reading: str | None = None
        self._narrow: Fields | None = None
        self._step_ready = self._tag_step_ready = False
        self._flow_turn = self._is_waiting = False
        self._tags = TagTurn(is_on=options.unknown_tags != "leave")
        self._last_ended: tuple[RawDigits, Monotonic | None] | None = None
        self._drained_at: Monotonic | None = None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        held = self._with_till
        if held is None or event is not held.event:
            return
        self._with_till = None
        if isinstance(held.event, CredentialShown) and (answer.durable or answer.outcome is Outcome.REFUSED):
            self._tag_step_ready = True
        elif isinstance(held.event, Fuelling) and answer.durable:
            self._release(held.ask, held.event.sequence_no)
        else:
            self._counters["NOT_DURABLE"] += 1
            self._speak_at = Monotonic(now + self._options.poll_ms)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A concentrator shows nothing."""

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._flows.forget()
        self._tags.forget()
        self._answer_due = self._first_reading = self._narrow = None
        self._step_ready = self._tag_step_ready = False
        self._pointers.renew(now)
        self._speak_at = now

    # What to ask next.

    def _is_held(self) -> bool:
        return self._with_till is not None

    def _choose(self, now: Monotonic) -> Ask:
        """A step that is due, then missed records, then the pointers when due, then the record or the flow
        by turns. A question that has just failed lets another go before it: old firmware may not know it."""
        if self._step_ready or self._tag_step_ready:
            return Ask.STEP if self._step_ready else Ask.TAG_STEP
        if self._first_reading is not None:
            return self._ask
        if self._narrow is not None:
            return Ask.WIDE
        if self._ring.missed and self._last_failed is not Ask.MISSED:
            return Ask.MISSED
        if self._pointers.is_due(now) and self._last_failed is not Ask.POINTERS:
            return Ask.POINTERS
        if self._tags.is_due(now):
            return Ask.TAG
        return Ask.FLOW if self._flow_turn else Ask.RECORD

    def _say(self, now: Monotonic) -> bytes:
        if self._ask is Ask.STEP:
            self._step_ready = False
            self._counters["STEP_SENT"] += 1
            self._pointers.hurry(now)
        elif self._ask is Ask.TAG_STEP:
            self._tag_step_ready = False
        position = self._ring.missed[0] if self._ask is Ask.MISSED else 0
        return self._dialect.question(self._ask, self._forms.form, position)

    def _surprised(self, now: Monotonic) -> None:
        self._pointers.hurry(now)

    def _came_back(self, now: Monotonic) -> None:
        self._pointers.renew(now)

    def _failed(self, now: Monotonic) -> None:
        self._first_reading = None
        heard_count = self._counters["HEARD"]
        if self._ask is Ask.POINTERS:
            self._pointers.failed(now)
        elif self._ask is Ask.RECORD:
            self._flow_turn = True
            self._counters["RECORD_FORM_SILENT"] += self._forms.failed(heard_count)
        elif self._ask is Ask.WIDE and self._forms.wide_failed():
            self._without_wide(now)
        elif self._ask is Ask.MISSED:
            self._counters["MISSED_GIVEN_UP"] += self._fetch.silent(heard_count)
        elif self._ask is Ask.TAG:
            self._tags.failed(now)

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
            self._answered(now)
            self._first_reading = None
            self._flow_turn = True
            self._round_began = self._drained_at = now
            self._nothing_read(now)
        elif (fields := self._dialect.record(body)) is not None:
            self._answered(now)
            self._forms.read()
            if self._agrees(body):
                self._take(fields, now)
        else:
            return False
        return True

    def _nothing_read(self, now: Monotonic) -> None:
        """Where the pointers say that a record waits, this firmware may not know the form."""
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
            self._settle(whole or self._narrow, Ask.RECORD, now)
        return True

    def _without_wide(self, now: Monotonic) -> None:
        assert self._narrow is not None
        self._counters["EXTENDED_SILENT"] += 1
        self._settle(self._narrow, Ask.RECORD, now)

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
        elif reading.record_no(fields, self._options) == self._ring.missed[0]:
            self._take(fields, now)
        else:
            self._counters["OTHER_RECORD"] += 1
            self._counters["MISSED_GIVEN_UP"] += self._fetch.useless()
        return True

    def _hear_pointers(self, body: str, now: Monotonic) -> bool:
        pointers = self._dialect.pointers(body)
        if pointers is None:
            return False
        missed_before = len(self._ring.missed)
        settled = self._ring.look(pointers)
        self._is_waiting = pointers.write != pointers.read
        self._counters["MISSED_RECORD"] += len(self._ring.missed) - missed_before
        self._pointers.answered(now, settled=settled)
        self._answered(now)
        return True

    def _hear_flow(self, body: str, now: Monotonic) -> bool:
        nozzles = self._dialect.flow(body)
        if nozzles is None:
            return False
        self._events.extend(
            FuellingStarted(self._address, nozzle) for nozzle in self._flows.look(nozzles, now)
        )
        self._flow_turn = False
        self._answered(now, speak_at=Monotonic(self._round_began + self._options.poll_ms))
        return True

    def _hear_tag(self, body: str, now: Monotonic) -> bool:
        if self._dialect.is_nothing(body, Ask.TAG):
            self._first_reading = None
            self._tags.rest(now)
        elif (fields := self._dialect.tag(body)) is not None:
            if self._agrees(body):
                self._take_tag(fields, now)
        else:
            return False
        self._answered(now)
        return True

    def _take_tag(self, fields: Fields, now: Monotonic) -> None:
        """A card without a sale: which point the nozzles belong to, only the station's settings know."""
        self._counters["UNKNOWN_TAG"] += 1
        credential = reading.credential(fields)
        if self._options.unknown_tags == "count" or credential is None:
            self._tag_step_ready = True
            return
        card = CredentialShown(
            self._address, reading.nozzles(fields), credential, self._tags.shown(fields, now)
        )
        self._with_till = _WithTill(card, self._ask)
        self._events.append(card)

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

    # What becomes of a record.

    def _take(self, fields: Fields, now: Monotonic) -> None:
        number = reading.record_no(fields, self._options)
        if codec.is_empty(fields):
            self._counters["EMPTY_RECORD"] += 1
            self._release(self._ask, number)
        elif not reading.is_readable(fields):
            self._counters["UNREADABLE_RECORD"] += 1
            self._speak_at = Monotonic(now + self._options.poll_ms)
            if self._ask is Ask.MISSED:
                self._counters["MISSED_GIVEN_UP"] += self._fetch.useless()
        elif self._wants_wide(fields):
            self._narrow = fields
        else:
            self._settle(fields, self._ask, now)

    def _wants_wide(self, fields: Fields) -> bool:
        """Only where the record is at the read pointer, and its known form may have run out of digits."""
        is_known_form = "totalizer_before" in fields and "serial" in fields
        can_ask = self._ask is Ask.RECORD and self._forms.asks_wide and is_known_form
        return can_ask and not reading.fits(fields, self._options)

    def _settle(self, fields: Fields, ask: Ask, now: Monotonic) -> None:
        """A whole record: a fuelling goes to the till, one of zero volume is stepped over."""
        self._narrow = None
        if reading.has_volume(fields):
            self._report(fields, ask, now)
        else:
            self._counters["ZERO_VOLUME"] += 1
            self._release(ask, reading.record_no(fields, self._options))

    def _report(self, fields: Fields, ask: Ask, now: Monotonic) -> None:
        fuelling = reading.as_fuelling(fields, self._address, self._options)
        if self._last_ended is None or self._last_ended[0] != fuelling.raw:
            watched = ask is Ask.RECORD
            ended = self._flows.ended(fuelling.nozzle, self._drained_at, now) if watched else None
            self._last_ended = (fuelling.raw, ended)
        fuelling = replace(fuelling, ended=self._last_ended[1])
        self._counters["ODD_RECORD"] += bool(fuelling.flags)
        self._with_till = _WithTill(fuelling, ask)
        self._events.append(fuelling)

    def _release(self, ask: Ask, number: int | None) -> None:
        """The record is safe (or no fuelling at all): the device may let it go."""
        self._ring.durable(number)
        if ask is Ask.MISSED:
            self._fetch.over()
        else:
            self._step_ready = True
