"""What becomes of a record, or a card, that was read: to the till, and only when it is safe there let go of.

How it was read is the session's (`session.py`); here is what the device may be told of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivers.companytec import reading
from drivers.companytec.conversation import Conversation
from drivers.companytec.dialects import Ask, dialect_of
from drivers.companytec.flow import FlowWatch
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.turns import CardTurn
from drivers.companytec.watches import FetchTries, RingWatch
from drivers.events import Answer, CredentialShown, DriverEvent, Fuelling, Monotonic, Notice, Outcome


@dataclass(slots=True)
class _WithTill:
    """A record, or a card, that the till has not answered yet. `position_no`: the record's in the ring."""

    event: Fuelling | CredentialShown
    ask: Ask
    position_no: int | None = None


class Handing(Conversation):
    """The part of the session that faces the till. `_step_ready` and `_tag_step_ready` say what may go."""

    def __init__(self, address: str, options: CompanytecOptions, ring: RingWatch) -> None:
        super().__init__(address, dialect_of(options), options.answer_ms, options.gap_ms)
        self._address = address
        self._options = options
        self._ring = ring
        self._fetch = FetchTries(ring)
        self._flows = FlowWatch()
        self._cards = CardTurn()
        self._with_till: _WithTill | None = None
        self._step_ready = self._tag_step_ready = False
        self._flow_turn = False

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        held = self._with_till
        if held is None or event is not held.event:
            return
        self._with_till = None
        if isinstance(held.event, CredentialShown) and (answer.durable or answer.outcome is Outcome.REFUSED):
            self._tag_step_ready = True
        elif isinstance(held.event, Fuelling) and answer.durable:
            self._release(held.ask, held.position_no)
        else:
            self._counters["NOT_DURABLE"] += 1
            self._rest(now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A concentrator shows nothing."""

    def disconnected(self, now: Monotonic) -> None:
        """Nothing read on this wire is let go of on the next: it may lead to another device."""
        self._reader.forget()
        self._flows.forget()
        self._cards.forget()
        self._with_till = self._answer_due = None
        self._step_ready = self._tag_step_ready = False
        self._speak_at = now

    def _is_held(self) -> bool:
        return self._with_till is not None

    def _rest(self, now: Monotonic) -> None:
        """The record at the pointer stays for now; who begins to fuel meanwhile is seen all the same."""
        self._flow_turn = True
        self._speak_at = Monotonic(now + self._options.poll_ms)

    def _settle(self, fields: Mapping[str, str], ask: Ask, now: Monotonic) -> None:
        """A whole record: a fuelling goes to the till, one of zero volume is stepped over."""
        if reading.has_volume(fields, self._options):
            self._report(fields, ask, now)
        else:
            self._counters["ZERO_VOLUME"] += 1
            self._release(ask, reading.position(fields, self._options))

    def _report(self, fields: Mapping[str, str], ask: Ask, now: Monotonic) -> None:
        fuelling = reading.as_fuelling(fields, self._address, self._options)
        fuelling = replace(fuelling, ended=self._flows.ended(fuelling, now, is_new=ask is Ask.RECORD))
        self._counters["ODD_RECORD"] += bool(fuelling.flags)
        self._with_till = _WithTill(fuelling, ask, reading.position(fields, self._options))
        self._events.append(fuelling)

    def _release(self, ask: Ask, position: int | None) -> None:
        """The record is safe (or no fuelling at all): the device may let it go."""
        self._ring.durable(position)
        if ask is Ask.MISSED:
            self._fetch.over()
        else:
            self._step_ready = True

    def _take_card(self, fields: Mapping[str, str], now: Monotonic) -> None:
        """A card without a sale: which point the nozzles belong to, only the station's settings know."""
        self._counters["UNKNOWN_TAG"] += 1
        self._cards.taken(now)
        credential = reading.credential(fields)
        if self._options.unknown_tags == "count" or credential is None:
            self._tag_step_ready = True
            return
        shown = self._cards.shown(fields, now)
        card = CredentialShown(self._address, reading.nozzles(fields), credential, shown)
        self._with_till = _WithTill(card, Ask.TAG)
        self._events.append(card)
