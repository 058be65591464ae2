"""One fuelling point: what its answers mean, what to ask it next, what is to be reported of it.

A transaction is shown by every answer until somebody closes it. We do, once it is safe and if the site
says that this is ours to do; otherwise its master does, and it is read as long as it is there.
"""

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

from drivers.events import Fuelling, FuellingStarted, Monotonic
from drivers.unipump import codec, reading
from drivers.unipump.codec import Flow, Record, Reply, State, Totals
from drivers.unipump.customer import CustomerWatch
from drivers.unipump.evidence import Evidence
from drivers.unipump.options import UnipumpOptions

OFFLINE, IDLE, NOZZLE_UP, READY, WORKING, STOPPED, ERROR = "0", "1", "3", "4", "5", "7", "8"
UNWATCHED_MS = 2_000
"""No customer lifts, fuels and hangs up in this time: who looked so long ago has missed no fuelling."""
ABSENT_COUNT = 3
ABSENT_MS = 1_500
"""After so many questions without an answer a point is asked this much later, and only one of all that are
absent in this time: perhaps nothing is there."""
DUE_AT_ONCE = 64
"""Fuellings that wait for the till at one point; more only if the till refuses while a master sells on."""


class Ask(Enum):
    """The only things there are to say."""

    STATE = "state"
    TOTALS = "totals"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Due:
    """A fuelling that the till has not taken yet."""

    record: Record
    fuelling: Fuelling


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record that waits for its totalizer. `is_standing`: it was there when we first looked, so an earlier
    session may have reported it."""

    record: Record
    evidence: Evidence
    is_standing: bool


class Point:
    """What is known of one fuelling point; fed with answers in the order in which they were given."""

    def __init__(self, number: int, address: str, options: UnipumpOptions, counters: Counter[str]) -> None:
        self.number = number
        self.due: deque[Due] = deque(maxlen=DUE_AT_ONCE)
        self.started: deque[FuellingStarted] = deque(maxlen=DUE_AT_ONCE)
        self._address = address
        self._options = options
        self._counters = counters
        self._state_at = Monotonic(0)
        self._close: str | None = None
        self._open: Record | None = None
        self._waiting: _Waiting | None = None
        self._told: Due | None = None
        self._stepped_over: Record | None = None
        self._is_doubtful = False
        self._heard_at: Monotonic | None = None
        self._has_looked = False
        self._failed_count = 0
        self._has_answered = False
        self._meters: dict[str, str] = {}
        self._refusing: set[str] = set()
        self._customer = CustomerWatch()
        self._state = ""

    # What to say.

    def next_at(self) -> Monotonic:
        """When this point wants to be asked next."""
        if self._close is not None:
            return Monotonic(0)
        totals_at = self._totals_at()
        return self._state_at if totals_at is None else min(self._state_at, totals_at)

    def ask(self, now: Monotonic) -> tuple[Ask, bytes]:
        """The next thing to say, taken as said."""
        self._state_at = Monotonic(now + (ABSENT_MS if self.is_absent() else self._options.poll_ms))
        if self._close is not None:
            transaction, self._close = self._close, None
            return Ask.CLOSE, codec.close(transaction)
        totals_at = self._totals_at()
        if self._waiting is not None and totals_at is not None and totals_at <= now:
            self._waiting.evidence.asked(now)
            self._has_looked = False
            return Ask.TOTALS, codec.totals_question(self._waiting.record.nozzle)
        return Ask.STATE, codec.state_question()

    def is_absent(self) -> bool:
        """It never answered yet, or not for several times in a row."""
        return not self._has_answered or self._failed_count >= ABSENT_COUNT

    def _totals_at(self) -> Monotonic | None:
        """Whether the record still stands is looked at before each reading of a totalizer for it."""
        looked = self._has_looked and not self._is_doubtful
        return self._waiting.evidence.asks_at() if self._waiting is not None and looked else None

    # What was answered.

    def unanswered(self, ask: Ask, now: Monotonic) -> None:
        self._failed_count += 1
        if ask is Ask.TOTALS and self._waiting is not None:
            self._waiting.evidence.lost(now)

    def interrupted(self, now: Monotonic) -> None:
        """The wire or the controller was gone: what happened meanwhile is unknown."""
        if self._waiting is not None:
            self._waiting.evidence.unanswered(now)
        self._failed_count = 0
        self._open = self._told = self._stepped_over = self._close = None
        self._customer.forget_end()
        self._heard_at = None
        self._meters.clear()

    def hear(self, reply: Reply, now: Monotonic) -> None:
        if self.is_absent():
            self._state_at = Monotonic(now + self._options.poll_ms)
        self._failed_count, self._has_answered = 0, True
        if self._heard_at is None or now - self._heard_at > UNWATCHED_MS:
            self._is_doubtful = self._waiting is not None
        if isinstance(reply, Totals):
            self._hear_totals(reply, now)
        else:
            self._hear_look(reply, now)
        if self._waiting is not None:
            self._waiting.evidence.wait_no_longer(now)
            if self._waiting.evidence.is_settled():
                self._prepare()

    def taken(self, due: Due) -> None:
        """The till has it: if the point still shows it, and closing is ours to do, it is closed next."""
        if due in self.due:
            self.due.remove(due)
        self._told = due
        if self._options.closes and self._open == due.record:
            self._close = due.record.transaction

    def _hear_look(self, reply: State | Flow | Record, now: Monotonic) -> None:
        is_first_look, self._heard_at, self._has_looked = self._heard_at is None, now, True
        if isinstance(reply, Record):
            self._hear_record(reply, is_first_look, now)
        elif isinstance(reply, Flow):
            self._hear_flow(reply.nozzle, now)
        else:
            self._hear_state(reply, now)

    def _hear_state(self, reply: State, now: Monotonic) -> None:
        if reply.state == OFFLINE and self._state != OFFLINE:
            self._counters["POINT_OFFLINE"] += 1
        self._state = reply.state
        if reply.state == WORKING:
            self._hear_flow(reply.nozzle, now)
            return
        if reply.state in (OFFLINE, ERROR):
            self._customer.forget_end()
            return
        self._customer.rests(now)
        if reply.state in (NOZZLE_UP, READY):
            self._start(reply.nozzle)
            self._next_customer()
            self._customer.forget_end()
        elif reply.state == STOPPED:
            self._customer.stopped()
        elif reply.state == IDLE:
            self._open = None
            self._customer.done()
            if self._is_doubtful:
                self._next_customer()

    def _hear_flow(self, nozzle: str, now: Monotonic) -> None:
        self._state = WORKING
        self._start(nozzle)
        self._next_customer()
        self._customer.flows(nozzle, now)

    def _hear_totals(self, reply: Totals, now: Monotonic) -> None:
        waiting = self._waiting
        if waiting is None or reply.nozzle != waiting.record.nozzle:
            self._counters["OTHER_TOTALS"] += 1
        elif self._is_doubtful:
            waiting.evidence.unanswered(now)
        else:
            waiting.evidence.take(reply.volume, now)

    def _hear_record(self, record: Record, is_first_look: bool, now: Monotonic) -> None:
        self._customer.rests(now)
        self._customer.done()
        known = [due.record for due in self.due]
        if self._waiting is not None:
            known.append(self._waiting.record)
        self._open = record
        if self._told is not None and self._told.record == record:
            self._shown_again(self._told)
        elif record in known:
            self._is_doubtful = False
        else:
            self._begin(record, is_first_look)

    def _shown_again(self, told: Due) -> None:
        """Our close was lost: the till is told again, and answers REPEATED. Others' transactions stay."""
        if self._options.closes and self._close is None and told not in self.due:
            self._counters["REPEATED_RECORD"] += 1
            self.due.append(told)

    def _begin(self, record: Record, is_standing: bool) -> None:
        if record != self._stepped_over:
            self._next_customer()
        self._open = record
        if not reading.has_volume(record):
            self._counters["ZERO_VOLUME"] += self._stepped_over != record
            self._stepped_over = record
            self._close = record.transaction if self._options.closes else None
            return
        before = self._meters.get(record.nozzle, "")
        was_refused = record.nozzle in self._refusing
        evidence = Evidence(record, before, was_refused, self._options)
        self._waiting, self._is_doubtful = _Waiting(record, evidence, is_standing), False

    # What follows from it.

    def _start(self, nozzle: str) -> None:
        if self._customer.begins(nozzle):
            self.started.append(FuellingStarted(self._address, reading.nozzle_name(self.number, nozzle)))

    def _next_customer(self) -> None:
        """Whatever was shown is over: a record that waits for its totalizer has what it has."""
        self._open = self._told = self._stepped_over = None
        if self._waiting is None:
            return
        if self._waiting.evidence.after or self._options.closes or not self._waiting.is_standing:
            self._counters["RECORD_OVERTAKEN"] += 1
            self._prepare()
        else:
            self._counters["STANDING_RECORD_LOST"] += 1
            self._waiting = None

    def _prepare(self) -> None:
        """Make the waiting record ready for the till."""
        assert self._waiting is not None
        record, evidence = self._waiting.record, self._waiting.evidence
        self._waiting, self._is_doubtful = None, False
        ended, is_stopped = self._customer.take_end(record.nozzle)
        fuelling = reading.as_fuelling(
            record,
            self.number,
            self._address,
            self._options,
            after=evidence.after,
            before=evidence.before,
            ended=ended,
            is_stopped=is_stopped,
        )
        self._counters["ODD_RECORD"] += bool(fuelling.flags)
        self._remember(record, evidence)
        self._counters["DUE_LOST"] += len(self.due) == DUE_AT_ONCE
        self.due.append(Due(record, fuelling))

    def _remember(self, record: Record, evidence: Evidence) -> None:
        if evidence.after:
            self._meters[record.nozzle] = evidence.after
            self._refusing.discard(record.nozzle)
        elif evidence.is_refused():
            self._counters["TOTALS_REFUSED"] += 1
            self._refusing.add(record.nozzle)
