"""Listening to a controller and its pumps: nothing is ever said.

Both directions arrive as one stream. A word or block is a pump's answer only if it stands right behind the
question that it fits; the word `6n` is "idle" behind the question for pump n's state, else the question for
its running money. What is no pump's of ours is only followed.

Where each direction has a receiver of its own, a question may be heard some milliseconds late, behind its
answer. It is then nobody's question: the next block may be another pump's.
"""

from drivers.events import Monotonic
from drivers.gilbarco import codec, words
from drivers.gilbarco.codec import Block, Command, State, Word
from drivers.gilbarco.options import SILENCE_MS, GilbarcoOptions
from drivers.gilbarco.pump import Pump
from drivers.listener import Listener

_STATES = frozenset(State) - {State.ERROR}
_COMMANDS = frozenset(Command)
LATE_QUESTION_MS = 40
"""A question that comes so soon behind a block that nobody asked for is that block's. (USB converters keep
bytes back for up to 16 ms each.)"""


class GilbarcoTap(Listener):
    """A `Session` that only listens. See `drivers/session.py` for what every method promises."""

    def __init__(self, address: str, options: GilbarcoOptions) -> None:
        super().__init__(address, SILENCE_MS)
        self._reader = codec.Reader()
        self._pumps = {number: Pump(number, address, options, self._counters) for number in options.pumps}
        self._asked: tuple[Command, int] | None = None
        self._unasked_at: Monotonic | None = None
        """When a block was heard that answered nothing."""
        self._is_damaged = False
        """Of what was just received, something fits nowhere."""

    def receive(self, data: bytes, now: Monotonic) -> None:
        bad_before, self._is_damaged = self._reader.bad_blocks, False
        for heard in self._reader.feed(data):
            if isinstance(heard, Word):
                self._hear_word(heard, now)
            else:
                self._hear_block(heard, now)
        bad_blocks = self._reader.bad_blocks - bad_before
        self._counters["BAD_FRAME"] += bad_blocks
        if bad_blocks or self._is_damaged:
            for pump in self._pumps.values():
                pump.hear_damage()

    def handle_timer(self, now: Monotonic) -> None:
        for pump in self._pumps.values():
            self._owed.add(pump.check(now))
        super().handle_timer(now)

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._asked = self._unasked_at = None
        for pump in self._pumps.values():
            self._owed.add(pump.lose_sight())

    def _timers(self) -> list[Monotonic | None]:
        return [*super()._timers(), *(pump.due() for pump in self._pumps.values())]

    def _hear_word(self, word: Word, now: Monotonic) -> None:
        if word.code == codec.ALL_STOP:
            self._counters["ALL_STOP"] += 1
        elif self._asked == (Command.STATE, word.pump) and word.high in _STATES:
            self._asked = None
            self._hear_state(State(word.high), word.pump, now)
        elif word.high in _COMMANDS:
            self._asked = None if self._is_late(now) else (Command(word.high), word.pump)
        elif not self._hear_expected(word):
            self._counters["STRAY_WORD"] += 1
            self._asked, self._is_damaged = None, True

    def _is_late(self, now: Monotonic) -> bool:
        """This question was answered before it was heard."""
        unasked_at, self._unasked_at = self._unasked_at, None
        return unasked_at is not None and now - unasked_at <= LATE_QUESTION_MS

    def _hear_expected(self, word: Word) -> bool:
        """Digits of the running money, and a pump that is ready for the host's block."""
        if self._asked is None:
            return False
        command, pump = self._asked
        is_digit = command is Command.MONEY and word.high == codec.FIRST_BLOCK_WORD >> 4
        if is_digit and pump in self._pumps:
            self._pumps[pump].hear_money(bytes((word.code,)))
        is_ready = command is Command.DATA_NEXT and (word.high, word.pump) == (State.SEND_DATA, pump)
        return is_digit or is_ready

    def _hear_state(self, state: State, number: int, now: Monotonic) -> None:
        if (pump := self._pumps.get(number)) is not None:
            self._heard(now)
            self._owed.add(pump.hear_state(state, now))

    def _hear_block(self, block: Block, now: Monotonic) -> None:
        """An answer, or the host's block behind its announcement."""
        asked, self._asked, self._unasked_at = self._asked, None, None
        if asked is None:
            self._counters["LATE_ANSWER"] += 1
            self._unasked_at, self._is_damaged = now, True
            return
        command, pump = asked[0], self._pumps.get(asked[1])
        if pump is None:
            return
        if command is Command.SALE and (sale := words.sale(block.data)) is not None:
            self._heard(now)
            self._owed.add(pump.hear_sale(sale, now))
        elif command is Command.TOTALS and (totals := words.totals(block.data)):
            self._heard(now)
            self._owed.add(pump.hear_totals(totals, now))
        elif command is not Command.DATA_NEXT:
            self._counters["OTHER_BLOCK"] += 1
            self._unasked_at, self._is_damaged = now, True
