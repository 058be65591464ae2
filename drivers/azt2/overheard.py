"""Which of what passes by is a fuelling to report, and by what it is identified. For who cannot ask.

- A sale counts that was read in state 4 and was final: it was confirmed, or the state was 4 still, or at rest
  next. What the register shows at other times is a fuelling that runs, or an old one.
- With `totals_follow` it waits for its totals: those read in state 4 if they moved by the sale, else those
  read at rest after it, and where none are read then, those of state 4 all the same. Totals that were read
  late must have moved by the sale: another one may have passed unheard. They are its identity: the same
  record heard again after a restart has the same.
- If the next fuelling begins before, it is reported without: in the place of its totals stand the last ones
  heard and what `drivers/standin.py` adds. Then it cannot come back, so it is not reported in two ways.
- Without `totals_follow` it is reported so when the pump has left state 4.
"""

from collections import Counter
from dataclasses import dataclass, replace

from drivers.azt2 import reading, words
from drivers.azt2.codec import Frame, Said, Short, channel_of
from drivers.azt2.options import AztOptions
from drivers.azt2.reading import Evidence, Record
from drivers.azt2.words import Command, Sale, State
from drivers.events import DriverEvent, FuellingStarted, Monotonic
from drivers.standin import StandIn

TOTALS_SOON_MS = 1_500
"""No customer lifts, fuels and is confirmed in this time: totals read so soon after a sale are its own."""
REST_COUNT = 5
"""Looks at a pump at rest after which no totals are expected any more, if there are some of before."""


@dataclass(slots=True)
class _Pending:
    """A sale that was read in state 4. `is_over`: the pump has left that state."""

    record: Record
    sale_at: Monotonic
    ended: Monotonic | None
    is_final: bool = False
    is_over: bool = False
    rest_count: int = 0


class Overheard:
    """Fed with every answer of one channel, in order."""

    def __init__(self, address: str, options: AztOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._address = address
        self._nozzle = str(channel_of(address))
        self._options = options
        self._state: str | None = None
        self._reason = ""
        self._ended: Monotonic | None = None
        self._is_started = False
        self._pending: _Pending | None = None
        self._settled: Sale | None = None
        """What state 4 shows is dealt with."""
        self._before = ""
        """Where the totals stood before the fuelling that runs or is read; "" if something was missed."""
        self._earlier: Record | None = None
        self._last_totals = ""
        self._stand_in = StandIn()

    def hear(self, command: int, said: Said, now: Monotonic) -> list[DriverEvent]:
        """What is to be reported now."""
        self._stand_in.hear(bytes((command,)) + (said.plain if isinstance(said, Frame) else bytes((said,))))
        if command == Command.STATE:
            state = words.state(said)
            return [] if state is None else self._hear_state(state, now)
        if command == Command.SALE:
            sale = words.sale(said, self._options)
            return [] if sale is None else self._hear_sale(sale, now)
        if command == Command.TOTALS:
            totals = words.totals(said)
            return [] if totals is None else self._hear_totals(totals.volume, now)
        if said is not Short.DONE:
            return []
        if command == Command.CONFIRM:
            # Hung up or not, nobody said: lifted, so that a nozzle still up is no new customer.
            self._state = words.LIFTED
            return self._leave_state_4()
        return self._next_begins() if command == Command.AUTHORISE else []

    def lose_sight(self) -> list[DriverEvent]:
        """Fuellings may have been missed. One that the pump has let go of cannot be heard again."""
        events = self._without_totals()
        if self._pending is not None and not self._pending.is_over:
            self._drop("RECORD_LOST_SIGHT")
        self._state, self._ended, self._settled, self._earlier = None, None, None, None
        self._before = ""
        self._is_started = False
        return events

    # States.

    def _hear_state(self, state: State, now: Monotonic) -> list[DriverEvent]:
        before, self._state, self._reason = self._state, state.code, state.reason
        events = self._start(before, state.code)
        if state.code == words.FINISHED:
            return events + self._enter_state_4(before, now)
        if before == words.FINISHED and state.code in words.AT_REST:
            return events + self._leave_state_4()
        self._settled = None
        if state.code in words.IN_USE:
            return events + self._next_begins()
        return events + self._at_rest()

    def _start(self, before: str | None, code: str) -> list[DriverEvent]:
        """A nozzle that is still up after its sale was confirmed is no new customer."""
        is_lifted = code == words.LIFTED and before in (words.HUNG_UP, words.LOCAL_PRESET)
        if (is_lifted or code == words.FLOWS) and not self._is_started:
            self._is_started = True
            return [FuellingStarted(self._address, self._nozzle)]
        if code in (words.HUNG_UP, words.FINISHED):
            self._is_started = False
        return []

    def _enter_state_4(self, before: str | None, now: Monotonic) -> list[DriverEvent]:
        if before != words.FINISHED:
            self._ended = now if before == words.FLOWS else None
            return self._next_begins()
        if self._pending is not None and not self._pending.is_over:
            self._pending.is_final = True
        return self._if_identified()

    def _leave_state_4(self) -> list[DriverEvent]:
        self._settled = None
        pending = self._pending
        if pending is None:
            return []
        pending.is_final = pending.is_over = True
        if not int(pending.record.sale.volume):
            self._drop("ZERO_VOLUME")
        return self._if_identified() if self._options.totals_follow else self._without_totals()

    def _at_rest(self) -> list[DriverEvent]:
        """A control system that read totals before it confirmed does not read them again."""
        pending = self._pending
        if pending is None or not pending.record.totals:
            return []
        pending.rest_count += 1
        return self._without_totals() if pending.rest_count >= REST_COUNT else []

    def _next_begins(self) -> list[DriverEvent]:
        """Another fuelling: what was not final was perhaps never a record."""
        if self._pending is not None and not self._pending.is_final:
            self._drop("RECORD_UNPROVEN")
        return self._leave_state_4() + self._without_totals()

    # Digits.

    def _hear_sale(self, sale: Sale, now: Monotonic) -> list[DriverEvent]:
        if self._state != words.FINISHED or sale == self._settled:
            return []
        pending = self._pending
        if pending is not None and not pending.is_over and pending.record.sale == sale:
            pending.is_final, pending.sale_at = True, now
            return self._if_identified()
        self._pending = _Pending(Record(sale, self._reason), now, self._ended)
        return []

    def _hear_totals(self, digits: str, now: Monotonic) -> list[DriverEvent]:
        pending = self._pending
        if pending is None or not (pending.is_over or self._state == words.FINISHED):
            if self._state in words.AT_REST:
                self._learn(digits)
            return []
        record = replace(pending.record, totals=digits)
        is_its_own = self._are_totals_of(pending, record, now)
        if is_its_own:
            pending.record = record
        if not pending.is_over:
            return self._if_identified()
        events = self._report(pending) if is_its_own else self._without_totals()
        self._learn(digits)
        return events

    def _are_totals_of(self, pending: _Pending, record: Record, now: Monotonic) -> bool:
        """Whether no other fuelling can lie between the sale and these totals."""
        in_state_4 = pending.record.totals
        if in_state_4 and in_state_4 != record.totals:
            return reading.fits(record, Evidence(in_state_4), self._options)
        return now - pending.sale_at <= TOTALS_SOON_MS or reading.fits(
            record, self._evidence(), self._options
        )

    def _if_identified(self) -> list[DriverEvent]:
        """Report what is final and has totals that prove it."""
        pending = self._pending
        if pending is None or not pending.is_final or not int(pending.record.sale.volume):
            return []
        is_proven = reading.fits(pending.record, self._evidence(), self._options)
        return self._report(pending) if is_proven else []

    def _without_totals(self) -> list[DriverEvent]:
        """Report what waits for its totals in vain. Those that were read in state 4 are better than none."""
        pending = self._pending
        if pending is None or not pending.is_over:
            return []
        if pending.record.totals:
            return self._report(pending)
        self.counts["TOTALIZER_UNHEARD"] += self._options.totals_follow
        events = self._report(pending, stand_in=self._stand_in.digits(self._last_totals))
        self._before = ""
        return events

    def _report(self, pending: _Pending, stand_in: str = "") -> list[DriverEvent]:
        record, evidence = pending.record, self._evidence()
        self._pending = None
        self._settled = None if pending.is_over else record.sale
        self._earlier = record
        if record.totals:
            self._learn(record.totals)
        fuelling = reading.as_fuelling(
            record, evidence, self._address, self._options, ended=pending.ended, stand_in=stand_in
        )
        self.counts["TOTAL_DIFFERS"] += "TOTAL_DIFFERS" in fuelling.flags
        return [fuelling]

    def _learn(self, digits: str) -> None:
        self._before = self._last_totals = digits

    def _evidence(self) -> Evidence:
        return Evidence(self._before, self._earlier)

    def _drop(self, code: str) -> None:
        self._pending = None
        self.counts[code] += 1
