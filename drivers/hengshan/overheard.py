"""Which of what passes by is a fuelling to report. For who cannot ask.

A controller asks for the totals when a sale has ended, then for the sale by the number that they name, then
confirms (devices.md 4.2). The record that answers is the fuelling, whoever it is read for; it is named by the
question before it, or by its own first bytes once they were seen to be that number. Its total is the one told
with this number while the dispenser was at rest.

Where each direction has a receiver of its own, a question may be heard some milliseconds late, behind its
record. It names no other record then; if it is what the record begins with, that is proof enough.
"""

from collections import Counter
from dataclasses import dataclass

from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.hengshan import reading, words
from drivers.hengshan.codec import Frame
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.reading import Total
from drivers.hengshan.words import Meter, Sale, Status

ANSWERED_WITHIN_MS = 1_000
LATE_QUESTION_MS = 50
"""A question that comes so soon behind a record that nobody asked for is that record's."""
WATCHED_WITHIN_MS = 2_000
"""An end counts as seen only if fuel was seen flowing at most this long before."""
_OUT = frozenset((words.CALLING, words.AUTHORISED, words.FUELLING, words.LIMIT))
"""The newest sale's number and the total may belong to different sales now [?]."""


@dataclass(frozen=True, slots=True)
class _Asked:
    sequence_no: int
    at: Monotonic


@dataclass(frozen=True, slots=True)
class _Unasked:
    """A record without a question before it, that is not known to name itself."""

    sale: Sale
    at: Monotonic


class Overheard:
    """Fed with every frame of one dispenser, both directions, in order."""

    def __init__(self, address: str, options: HengshanOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._address = address
        self._options = options
        self._state: int | None = None
        self._has_started = False
        self._flow_at: Monotonic | None = None
        self._ended: Monotonic | None = None
        self._asked: _Asked | None = None
        self._unasked: _Unasked | None = None
        self._is_echo_proven = False
        self._meter: Total | None = None
        self._last: Total | None = None
        self._told: tuple[int, Sale] | None = None

    def hear_host(self, frame: Frame, now: Monotonic) -> list[DriverEvent]:
        """A question or a command of the controller."""
        sequence_no, unasked = words.asked_number(frame), self._unasked
        is_late = unasked is not None and now - unasked.at <= LATE_QUESTION_MS
        self._asked = None if sequence_no is None or is_late else _Asked(sequence_no, now)
        if unasked is None or not is_late or unasked.sale.echo_no != sequence_no:
            self._drop_unasked()
            return []
        self._unasked, self._is_echo_proven = None, True
        return self._hear_sale(unasked.sale, now)

    def hear_device(self, frame: Frame, now: Monotonic) -> list[DriverEvent]:
        """An answer of the dispenser."""
        reply = words.reply(frame)
        if isinstance(reply, Status):
            return self._hear_state(reply, now)
        if isinstance(reply, Meter):
            self._hear_meter(reply)
        elif isinstance(reply, Sale):
            return self._hear_sale(reply, now)
        return []

    def lose_sight(self) -> None:
        """Frames may have been missed: what is heard next may be of another customer."""
        self._state, self._has_started = None, False
        self._flow_at = self._ended = self._asked = None
        self._drop_unasked()

    def _hear_state(self, status: Status, now: Monotonic) -> list[DriverEvent]:
        self._state = status.code
        if status.code in _OUT:
            self._meter = None
        if status.code == words.FUELLING:
            self._flow_at, self._ended = now, None
        elif self._flow_at is not None:
            was_watched = now - self._flow_at <= WATCHED_WITHIN_MS
            self._flow_at, self._ended = None, now if was_watched else None
        return self._start(status.code)

    def _start(self, state: int) -> list[DriverEvent]:
        """A nozzle is out, or fuel flows already: told once a customer."""
        if state == words.CALLING:
            self._ended = None
        is_out = state in (words.CALLING, words.FUELLING)
        if state not in _OUT:
            self._has_started = False
        if not is_out or self._has_started:
            return []
        self._has_started = True
        return [FuellingStarted(self._address, reading.NOZZLE)]

    def _hear_meter(self, meter: Meter) -> None:
        if self._state not in _OUT:
            self._meter = Total(meter.sequence_no, meter.total_count)

    def _hear_sale(self, sale: Sale, now: Monotonic) -> list[DriverEvent]:
        sequence_no = self._number_of(sale, now)
        if sequence_no is None:
            self._drop_unasked()
            self._unasked = _Unasked(sale, now)
            return []
        if self._told == (sequence_no, sale):
            self.counts["REPEATED_RECORD"] += 1
            return []
        self._told = (sequence_no, sale)
        after = self._meter if self._meter is not None and self._meter.sequence_no == sequence_no else None
        if sale.volume_count == 0:
            self.counts["ZERO_VOLUME"] += 1
            return []
        return [self._fuelling(sale, sequence_no, after)]

    def _number_of(self, sale: Sale, now: Monotonic) -> int | None:
        asked = self._asked if self._asked and now - self._asked.at <= ANSWERED_WITHIN_MS else None
        self._asked = None
        self._is_echo_proven |= asked is not None and asked.sequence_no == sale.echo_no
        if self._is_echo_proven:
            return sale.echo_no
        return None if asked is None else asked.sequence_no

    def _drop_unasked(self) -> None:
        self.counts["UNASKED_SALE"] += self._unasked is not None
        self._unasked = None

    def _fuelling(self, sale: Sale, sequence_no: int, after: Total | None) -> Fuelling:
        """Only the newest sale can be the one whose end was watched."""
        ended = None
        if after is not None:
            ended, self._ended = self._ended, None
        fuelling = reading.as_fuelling(
            sale, sequence_no, self._address, self._options, after=after, last=self._last, ended=ended
        )
        self._last = after or self._last
        return fuelling
