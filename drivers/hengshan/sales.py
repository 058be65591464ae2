"""What a master asks a dispenser, and which sales it has read. No time, no wire: answers in, questions out.

The totals name the newest sale. Each sale up to it is read by its number, until two readings are equal, and
is handed out; of the newest one the totals are read once more, so that its total is known. When it is safe
and still the newest, it is confirmed: nothing else makes the dispenser forget that it waits.
"""

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

from drivers.events import Fuelling
from drivers.hengshan import reading
from drivers.hengshan.codec import START
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.reading import NUMBER_MODULUS, Total
from drivers.hengshan.words import Confirmation, Meter, NoSale, Sale, number_bytes

EQUAL_READINGS = 2
EQUAL_READINGS_UNNAMED = 4
"""As many where the record does not begin with the number that was asked for."""
ABSENT_READINGS = 2
"""So often "no such sale" is heard before an older sale is stepped over."""
UNANSWERED_MOST = 12
"""So often an older sale is asked for without an answer before it is stepped over."""
METER_READINGS_MOST = 3
LOOKS_BETWEEN_CONFIRMS = 20
"""A refused confirmation is said again only after a while: a dispenser that waits for it must not wait for
ever, but one that does not wait should not hear it just when the next sale ends."""
GAP_MOST = 200
"""A number that is further from the last one has wrapped, or begun anew: what lies between never was."""
WANTED_MOST = 2_000


class Ask(Enum):
    """The only things there are to say."""

    TOTALS = "totals"
    SALE = "sale"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Question:
    """`sequence_no` of an `Ask.SALE`. `checks_doubled`: with the other form of the check value."""

    ask: Ask
    sequence_no: int = 0
    checks_doubled: bool = False


@dataclass(slots=True)
class _Reading:
    """A sale that is being read."""

    sequence_no: int
    began: Meter | None
    sale: Sale | None = None
    equal_count: int = 0
    absent_count: int = 0
    unanswered_count: int = 0
    meter_count: int = 0

    def take(self, sale: Sale) -> None:
        self.equal_count = self.equal_count + 1 if sale == self.sale else 1
        self.sale, self.absent_count = sale, 0

    def stood_at(self, total: int) -> bool:
        """The look before the reading named this sale and told the same total: no fuel has flowed since."""
        return self.began is not None and (self.began.sequence_no, self.began.total_count) == (
            self.sequence_no,
            total,
        )

    def is_sure(self) -> bool:
        if self.sale is None:
            return False
        is_named = self.sale.echo_no == self.sequence_no
        return self.equal_count >= (EQUAL_READINGS if is_named else EQUAL_READINGS_UNNAMED)


class Sales:
    """`question()`, then the answer to it in one of the `hear_...`, or `unanswered`."""

    def __init__(self, address: str, options: HengshanOptions, counts: Counter[str]) -> None:
        self.ready: Fuelling | None = None
        """To be taken by the till before anything else is read."""
        self._address = address
        self._options = options
        self._counts = counts
        self._wanted: deque[int] = deque()
        self._meter: Meter | None = None
        self._reading: _Reading | None = None
        self._is_paused = False
        self._last: Total | None = None
        self._unconfirmed: int | None = None
        self._has_looked = False
        self._looks_to_wait = 0

    # What to say.

    def is_urgent(self) -> bool:
        """There is more to ask than how things stand."""
        return not self._is_paused and (self._must_confirm() or self._next_wanted() is not None)

    def question(self) -> Question:
        """What to ask now; when nothing is urgent, the totals."""
        if self._is_paused:
            self._is_paused = False
            return Question(Ask.TOTALS)
        if self._must_confirm():
            return Question(Ask.CONFIRM if self._has_looked else Ask.TOTALS)
        sequence_no = self._next_wanted()
        if sequence_no is None:
            return Question(Ask.TOTALS)
        return self._ask_for(sequence_no)

    def _must_confirm(self) -> bool:
        return self._unconfirmed is not None and self._looks_to_wait == 0

    def _next_wanted(self) -> int | None:
        return self._wanted[0] if self._wanted and self.ready is None else None

    def _ask_for(self, sequence_no: int) -> Question:
        if self._reading is None or self._reading.sequence_no != sequence_no:
            self._reading = _Reading(sequence_no, self._meter)
        if self._reading.is_sure():
            return Question(Ask.TOTALS)
        has_other_form = START in number_bytes(sequence_no) and self._reading.unanswered_count % 2 == 1
        return Question(Ask.SALE, sequence_no, checks_doubled=has_other_form)

    # What was answered.

    def hear_meter(self, meter: Meter) -> None:
        newest = None if self._meter is None else self._meter.sequence_no
        if meter.sequence_no != newest:
            self._unconfirmed, self._looks_to_wait = None, 0
            self._want_up_to(meter.sequence_no, newest)
        self._close_reading(meter)
        self._meter, self._has_looked = meter, True
        self._looks_to_wait = max(0, self._looks_to_wait - 1)

    def hear_sale(self, sale: Sale) -> None:
        read = self._reading
        if read is None:
            # Asked before an interruption: the sale is asked for anew.
            self._counts["OTHER_SALE"] += 1
            return
        read.take(sale)
        if not read.is_sure():
            return
        if sale.volume_count == 0:
            self._counts["ZERO_VOLUME"] += 1
            self._done(read.sequence_no)
        elif self._meter is not None and not self._is_newest(read.sequence_no):
            self._hand_out(read, self._meter.total_count)

    def hear_no_sale(self, answer: NoSale) -> None:
        """An older one does not exist any more; the newest is not stored yet: look again later."""
        read = self._reading
        if read is None or answer.sequence_no != read.sequence_no:
            self._counts["OTHER_SALE"] += 1
            return
        read.sale, read.equal_count = None, 0
        read.absent_count += 1
        if self._is_newest(read.sequence_no):
            self._is_paused = True
        elif read.absent_count >= ABSENT_READINGS:
            self._step_over(read, "NO_SUCH_SALE")

    def hear_confirmation(self, answer: Confirmation) -> None:
        self._has_looked = False
        if answer.is_done:
            self._unconfirmed = None
        else:
            self._counts["CONFIRM_REFUSED"] += 1
            self._looks_to_wait = LOOKS_BETWEEN_CONFIRMS

    def unanswered(self, question: Question) -> None:
        self._has_looked = False
        read = self._reading
        if question.ask is not Ask.SALE or read is None:
            return
        read.unanswered_count += 1
        if self._is_newest(read.sequence_no):
            self._is_paused = read.unanswered_count % 2 == 0
        elif read.unanswered_count >= UNANSWERED_MOST:
            self._step_over(read, "SALE_UNANSWERED")

    def interrupted(self) -> None:
        """The wire or the dispenser was gone: what was half read is read anew."""
        self._reading, self._has_looked = None, False

    def taken(self, fuelling: Fuelling) -> None:
        """The till has it on disk."""
        assert self.ready is not None
        assert fuelling.sequence_no is not None
        self.ready = None
        self._done(fuelling.sequence_no)

    # What follows from it.

    def _is_newest(self, sequence_no: int) -> bool:
        return self._meter is not None and self._meter.sequence_no == sequence_no

    def _want_up_to(self, sequence_no: int, newest: int | None) -> None:
        if newest is None:
            first = min(sequence_no, max(1, sequence_no - self._options.look_back_count))
            self._wanted.extend(range(first, sequence_no + 1))
            return
        advanced_count = (sequence_no - newest) % NUMBER_MODULUS
        if advanced_count > GAP_MOST:
            self._counts["NUMBER_JUMPED"] += 1
            advanced_count = 1
        for step in reversed(range(advanced_count)):
            self._wanted.append((sequence_no - step) % NUMBER_MODULUS)
        while len(self._wanted) > WANTED_MOST:
            self._counts["WANTED_LOST"] += 1
            self._wanted.popleft()

    def _close_reading(self, meter: Meter) -> None:
        """The total after the newest sale is one that stood still while it was read."""
        read = self._reading
        if read is None or not read.is_sure() or self._next_wanted() != read.sequence_no:
            return
        read.meter_count += 1
        is_over = meter.sequence_no != read.sequence_no or read.meter_count >= METER_READINGS_MOST
        if is_over or read.stood_at(meter.total_count):
            self._hand_out(read, meter.total_count)
        read.began = meter

    def _hand_out(self, read: _Reading, total_count: int) -> None:
        """`total_count` as it stands now: the sale's own if it stood so when a look named the sale."""
        assert read.sale is not None
        after = Total(read.sequence_no, total_count) if read.stood_at(total_count) else None
        self.ready = reading.as_fuelling(
            read.sale, read.sequence_no, self._address, self._options, after=after, last=self._last
        )
        self._last = after

    def _step_over(self, read: _Reading, reason: str) -> None:
        self._counts[reason] += 1
        self._done(read.sequence_no)

    def _done(self, sequence_no: int) -> None:
        """Reported, or nothing to report: the newest one is confirmed next."""
        self._reading = None
        if self._wanted and self._wanted[0] == sequence_no:
            self._wanted.popleft()
        if self._is_newest(sequence_no):
            self._unconfirmed, self._has_looked = sequence_no, False
