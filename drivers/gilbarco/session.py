"""Our side as the only master of pumps that sell by themselves: look, read, report. Nothing else is said.

A visit to a pump is a question for its state, and while its display is not known yet, for its sale and its
totals. A word has no check value and a block does not name its pump: an answer counts only if it stands
alone, with quiet behind it. Nor do they say which question they answer: one that nobody waits for ends the
visit, and the line must then be quiet for one answer time before we speak again.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.gilbarco import codec, words
from drivers.gilbarco.codec import Block, Command, State, Word
from drivers.gilbarco.options import SILENCE_MS, GilbarcoOptions
from drivers.gilbarco.pump import Pump
from drivers.gilbarco.words import GradeTotals, Sale
from drivers.owed import Owed
from drivers.presence import Presence

ABSENT_COUNT = 3
ABSENT_MS = 1_500
"""A pump that never answers is asked so seldom."""
REFUSED_COUNT = 12
"""Questions for totals in a row that a pump leaves unanswered before it is said to have none."""
_START = Monotonic(0)
_STATES = frozenset(State) - {State.ERROR}


@dataclass(slots=True)
class _Visited:
    pump: Pump
    next_at: Monotonic = _START
    failed_count: int = 0
    totals_failed_count: int = 0


class GilbarcoMaster:
    """A `Session`. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: GilbarcoOptions) -> None:
        self._options = options
        self._counters: Counter[str] = Counter()
        self._reader = codec.Reader()
        self._presence = Presence(address, SILENCE_MS)
        self._owed = Owed()
        self._visited = [_Visited(Pump(number, address, options, self._counters)) for number in options.pumps]
        self._plan: deque[tuple[_Visited, Command]] = deque()
        self._asked: tuple[_Visited, Command] | None = None
        self._answered: Word | Block | None = None
        self._said: tuple[_Visited, State | Sale | tuple[GradeTotals, ...]] | None = None
        """An answer that is to stand alone until we speak again."""
        self._has_block_begun = False
        """A block was heard since the question, whole or not."""
        self._answer_due = Monotonic(0)
        self._speak_at = Monotonic(0)
        self._is_draining = False

    # What the line calls.

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before = self._reader.bad_blocks
        for heard in self._reader.feed(data):
            self._hear(heard, now)
        if self._reader.bad_blocks > bad_before:
            self._counters["BAD_FRAME"] += self._reader.bad_blocks - bad_before
            self._hear_damage()
        self._has_block_begun |= self._reader.is_inside_block or self._reader.bad_blocks > bad_before
        if self._is_draining:
            self._speak_at = Monotonic(now + self._options.answer_ms)
        elif self._reader.is_inside_block:
            self._answer_due = Monotonic(now + self._options.answer_ms)

    def next_event(self) -> DriverEvent | None:
        return self._owed.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._owed.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A pump's display is its own."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._take_answer(now)
        if self._asked is not None or now < self._speak_at:
            return b""
        self._is_draining = False
        if not self._plan:
            visited = min(self._visited, key=lambda each: each.next_at)
            if visited.next_at > now:
                return b""
            is_absent = visited.failed_count >= ABSENT_COUNT
            visited.next_at = Monotonic(now + (ABSENT_MS if is_absent else self._options.poll_ms))
            self._plan.append((visited, Command.STATE))
        self._asked, self._answered = self._plan.popleft(), None
        self._answer_due = Monotonic(now + self._options.answer_ms)
        self._reader.forget()
        self._has_block_begun = False
        visited, command = self._asked
        return codec.question(command, visited.pump.number)

    def next_timer(self) -> Monotonic | None:
        turn = self._answer_due if self._asked is not None else self._next_turn()
        timers = (turn, self._presence.due(), self._owed.due())
        return min(timer for timer in timers if timer is not None)

    def handle_timer(self, now: Monotonic) -> None:
        self._take_answer(now)
        self._owed.check(now)
        silent = self._presence.check(now)
        self._counters["SILENT"] += len(silent)
        self._owed.add(silent)
        if self._asked is not None and now >= self._answer_due:
            self._counters["NO_ANSWER"] += 1
            self._fail(now)

    def awaiting(self) -> bool:
        return self._asked is not None or self._is_draining

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._plan.clear()
        self._said = None
        self._asked, self._is_draining, self._speak_at = None, False, now
        for visited in self._visited:
            visited.pump.lose_sight()

    def counters(self) -> Mapping[str, int]:
        return self._counters + self._owed.counts

    # What is heard.

    def _hear(self, heard: Word | Block, now: Monotonic) -> None:
        if self._asked is None:
            self._hear_unasked(heard, now)
            return
        visited, command = self._asked
        if heard == Word(codec.question(command, visited.pump.number)[0]):
            # Our own question on a line that echoes; for a state it is also what a pump with an error says.
            self._counters["ECHO_OR_ERROR"] += 1
            return
        said = _understood(heard, command, visited.pump.number)
        if said is None:
            self._hear_unasked(heard, now)
            return
        self._asked, self._answered, self._said = None, heard, (visited, said)
        self._speak_at = Monotonic(now + self._options.gap_ms)
        visited.failed_count = 0
        visited.next_at = Monotonic(min(visited.next_at, now + self._options.poll_ms))
        self._counters["HEARD"] += 1
        self._owed.add(self._presence.heard(now))

    def _take_answer(self, now: Monotonic) -> None:
        if self._said is None or now < self._speak_at:
            return
        (visited, said), self._said = self._said, None
        if isinstance(said, State):
            self._owed.add(visited.pump.hear_state(said, now))
            if visited.pump.wants_reading:
                self._plan.extend(((visited, Command.SALE), (visited, Command.TOTALS)))
        elif isinstance(said, Sale):
            self._owed.add(visited.pump.hear_sale(said, now))
        else:
            visited.totals_failed_count = 0
            self._owed.add(visited.pump.hear_totals(said, now))

    def _hear_unasked(self, heard: Word | Block, now: Monotonic) -> None:
        """A late answer, or damage. The same answer once more, at once, is neither."""
        is_late = isinstance(heard, Block) or heard.high in _STATES
        self._counters["LATE_ANSWER" if is_late else "STRAY_WORD"] += 1
        if heard != self._answered:
            self._hear_damage()
            self._fail(now)

    def _hear_damage(self) -> None:
        for visited in self._visited:
            visited.pump.hear_damage()

    def _fail(self, now: Monotonic) -> None:
        """End this visit, and wait until the line is quiet: what is late must not answer a later question."""
        if self._asked is not None:
            visited, command = self._asked
            visited.failed_count += 1
            visited.totals_failed_count += command is Command.TOTALS and not self._has_block_begun
            if visited.totals_failed_count >= REFUSED_COUNT:
                self._owed.add(visited.pump.refuse_totals(now))
        self._plan.clear()
        self._asked = self._answered = self._said = None
        self._is_draining = True
        self._speak_at = Monotonic(now + self._options.answer_ms)

    def _next_turn(self) -> Monotonic:
        if self._plan or self._is_draining or self._said is not None:
            return self._speak_at
        return max(self._speak_at, min(visited.next_at for visited in self._visited))


def _understood(
    heard: Word | Block, command: Command, pump: int
) -> State | Sale | tuple[GradeTotals, ...] | None:
    """What `heard` says if it is an answer to this question."""
    if isinstance(heard, Word):
        is_state = command is Command.STATE and heard.pump == pump and heard.high in _STATES
        return State(heard.high) if is_state else None
    if command is Command.SALE:
        return words.sale(heard.data)
    return words.totals(heard.data) or None if command is Command.TOTALS else None
