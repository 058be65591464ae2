"""One channel as its master sees it: what to ask next, what the answers mean, what is to be reported.

In state 4 a reading is: state, sale, totals, number, directly one after the other. Replies name neither
channel nor command, so an answer that came late or twice stands where one of another length is expected; then
the reading is dropped and begins anew. A record is confirmed only when the till has it and directly after its
sale was read once more: the pump refuses a confirmation of data that were not read (NOTES.md).
"""

from collections import Counter, deque

from drivers.azt2 import reading, words
from drivers.azt2.codec import Frame, Said, Short, channel_of
from drivers.azt2.options import AztOptions
from drivers.azt2.reading import Evidence, Record
from drivers.azt2.standing import Refusals, Standing
from drivers.azt2.words import Command, Sale, State
from drivers.events import Fuelling, FuellingStarted, Monotonic

SIGHT_MS = 2_000
"""A pump that was not looked at for so long may have begun another fuelling meanwhile."""
SHORTEST_SALE_DIGITS = 12
_DATA = (Command.TOTALS, Command.NUMBER)


class Channel:
    """Fed with the answer to each of its questions, in order."""

    def __init__(self, address: str, options: AztOptions, counts: Counter[str]) -> None:
        self.started: deque[FuellingStarted] = deque(maxlen=16)
        self.due: Fuelling | None = None
        """The fuelling that the till is to be told."""
        self._address = address
        self._options = options
        self._counts = counts
        self._todo: deque[Command] = deque()
        self._look_at = Monotonic(0)
        self._looked_at: Monotonic | None = None
        self._state: str | None = None
        self._is_started = False
        self._reason = ""
        self._sale: Sale | None = None
        self._totals = ""
        self._number = ""
        self._standing: Standing | None = None
        self._is_safe = False
        self._at_rest = ""
        self._is_rest_read = False
        self._earlier: Record | None = None
        self._refused = {command: Refusals() for command in _DATA}

    # What to ask.

    def next_at(self) -> Monotonic:
        return Monotonic(0) if self._todo else self._look_at

    def question(self) -> Command:
        """The next thing to say; it stays the next until it is answered or fails."""
        return self._todo[0] if self._todo else Command.STATE

    # What was answered.

    def failed(self, now: Monotonic) -> None:
        """No answer, or a wrong one: what was half read is dropped."""
        if self.question() is Command.CONFIRM:
            self._let_go()
        self._todo.clear()
        self._look_at = Monotonic(now + self._options.poll_ms)

    def sight_lost(self) -> None:
        """What the pump did meanwhile is unknown. A record that is with the till is read anew."""
        self._todo.clear()
        self._state = self._standing = None
        self._at_rest = ""
        self._earlier = None
        self._is_safe = self._is_started = self._is_rest_read = False
        self._look_at = Monotonic(0)

    def fits(self, command: Command, said: Said) -> bool:
        """Whether `said` can be the answer to that command."""
        if isinstance(said, Short):
            return command in _DATA or command is Command.CONFIRM
        if command is Command.STATE:
            return words.state(said) is not None
        if command is Command.SALE:
            return words.sale(said, self._options) is not None
        if command is Command.TOTALS:
            return words.totals(said) is not None
        return command is Command.NUMBER and words.number(said) is not None

    def misfit(self, command: Command, said: Said) -> None:
        """Count what tells of wrong options: without them the pump would wait for ever."""
        if command is Command.SALE and isinstance(said, Frame) and said.plain.isdigit():
            self._counts["SALE_WIDTH_DIFFERS"] += len(said.plain) >= SHORTEST_SALE_DIGITS

    def hear(self, command: Command, said: Said, now: Monotonic) -> None:
        """The fitting answer to the question that is next."""
        if self._todo:
            assert self._todo.popleft() is command
        if command is Command.STATE:
            state = words.state(said)
            assert state is not None
            self._hear_state(state, now)
        elif command is Command.SALE:
            self._sale = words.sale(said, self._options)
        elif command is Command.CONFIRM:
            self._hear_confirmed(said)
        else:
            self._hear_data(command, said)
        if self._state == words.FINISHED and not self._todo and command is not Command.STATE:
            self._finish_reading(command, now)

    def taken(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        """The till's answer. Without a durable one the same is due again."""
        if fuelling is not self.due or not durable:
            return
        self.due = None
        if self._standing is not None and self._standing.record is not None:
            self._is_safe = True
            self._look_at = now

    def _hear_state(self, state: State, now: Monotonic) -> None:
        before, looked_at = self._state, self._looked_at
        self._state, self._looked_at, self._reason = state.code, now, state.reason
        self._sale = None
        self._look_at = Monotonic(now + self._options.poll_ms)
        self._start(before, state.code)
        if state.code != words.FINISHED:
            self._standing, self._is_safe = None, False
            is_asked = not self._is_rest_read and not self._refused[Command.TOTALS].is_known
            if state.code in words.AT_REST and is_asked:
                self._todo.append(Command.TOTALS)
            return
        if self._standing is None:
            was_watched = before == words.FLOWS and looked_at is not None and now - looked_at <= SIGHT_MS
            evidence = Evidence(self._at_rest, self._earlier)
            self._standing = Standing(evidence, now if was_watched else None, self._options)
        if self._standing.record is None:
            self._todo.extend((Command.SALE, Command.TOTALS))
            if self._options.numbers:
                self._todo.append(Command.NUMBER)
            self._totals = self._number = ""
        elif self._is_safe:
            self._todo.append(Command.SALE)

    def _start(self, before: str | None, code: str) -> None:
        """A nozzle that is still up after its sale was confirmed is no new customer."""
        is_lifted = code == words.LIFTED and before in (words.HUNG_UP, words.LOCAL_PRESET)
        if (is_lifted or code == words.FLOWS) and not self._is_started:
            self._is_started = True
            self.started.append(FuellingStarted(self._address, str(channel_of(self._address))))
        elif code in (words.HUNG_UP, words.FINISHED):
            self._is_started = False

    def _hear_data(self, command: Command, said: Said) -> None:
        if isinstance(said, Short):
            self._counts["REFUSED"] += 1
            if not self._refused[command].refused():
                self._todo.clear()
                self._sale = None
            return
        self._refused[command].answered()
        if command is Command.NUMBER:
            self._number = words.number(said) or ""
            return
        totals = words.totals(said)
        assert totals is not None
        self._totals = totals.volume
        if self._state in words.AT_REST:
            self._at_rest, self._is_rest_read = totals.volume, True

    def _finish_reading(self, command: Command, now: Monotonic) -> None:
        """The sale, and what belongs to it, were read without a break."""
        standing, sale = self._standing, self._sale
        if standing is None or sale is None or command is Command.CONFIRM:
            return
        if standing.record is not None:
            self._check_again(standing.record.sale, sale)
            return
        read = Record(sale, self._reason, self._totals, self._number)
        if (believed := standing.take(read, now)) is not None:
            self._counts["EVIDENCE_UNSTEADY"] += believed != read
            self._believe(standing, believed)

    def _check_again(self, believed: Sale, sale: Sale) -> None:
        """Directly before the confirmation: what flowed meanwhile makes another record."""
        if sale == believed:
            self._todo.append(Command.CONFIRM)
        else:
            self._counts["RECORD_GREW"] += 1
            self._let_go()

    def _believe(self, standing: Standing, record: Record) -> None:
        if not int(record.sale.volume):
            self._counts["ZERO_VOLUME"] += 1
            self._is_safe = True
            self._look_at = Monotonic(0)
            return
        self.due = reading.as_fuelling(
            record, standing.evidence, self._address, self._options, ended=standing.ended
        )
        self._counts["TOTAL_DIFFERS"] += "TOTAL_DIFFERS" in self.due.flags
        self._counts["TOTALIZER_MISSING"] += "TOTALIZER_MISSING" in self.due.flags

    def _hear_confirmed(self, said: Said) -> None:
        """Believed is only the state that follows: these two bytes have no check value."""
        self._look_at = Monotonic(0)
        self._counts["CONFIRMED" if said is Short.DONE else "CONFIRM_REFUSED"] += 1
        self._let_go()

    def _let_go(self) -> None:
        """The confirmation was said, obeyed or not. An equal sale may stand there next: it is read anew."""
        if self._standing is not None and self._standing.record is not None:
            self._remember(self._standing.record)
        self._standing, self._is_safe = None, False

    def _remember(self, record: Record) -> None:
        """What the next record may have grown from, and where the totals stand now."""
        if int(record.sale.volume):
            self._earlier = record
        self._at_rest, self._is_rest_read = record.totals, False
