"""Which totalizer belongs to a record that waits in state 4: when what was read of it may be believed.

The totals are part of a sale's identity, so the same record must always be given the same digits, also by a
session that starts later. The pump stands still in state 4, but its totals may follow the fuelling late: they
are recommended to be read in states 0 and 1 ([one], NOTES.md). So what is read must be the same
`PROVEN_COUNT` times if the totals moved by the sale, else `STEADY_COUNT` times, and for `STILL_MS` if they
did not move, or if nobody knows where they stood before.
"""

from dataclasses import replace

from drivers.azt2 import reading
from drivers.azt2.options import AztOptions
from drivers.azt2.reading import Evidence, Record
from drivers.events import Monotonic

PROVEN_COUNT = 2
STEADY_COUNT = 3
STILL_MS = 3_000
PATIENCE_MS = 15_000
"""So long a pump may be held for evidence; then the sale is reported without what does not stand still."""
PATIENT_COUNT, LAST_PATIENCE_MS = 6, 60_000
"""On a bad wire few readings are whole: so many are wanted before something is said not to stand still, or so
much time."""
REFUSED_COUNT = 3


class Standing:
    """One stay of the pump in state 4. `ended`: when it came, if we watched it come."""

    def __init__(self, evidence: Evidence, ended: Monotonic | None, options: AztOptions) -> None:
        self.evidence = evidence
        self.ended = ended
        self.record: Record | None = None
        """What is believed; None as long as nothing is."""
        self._options = options
        self._read: Record | None = None
        self._first_at = self._since = Monotonic(0)
        self._same_count = self._read_count = 0
        self._totals_same_count = self._number_same_count = 0

    def take(self, record: Record, now: Monotonic) -> Record | None:
        """One whole reading; gives what is believed now, if it is enough."""
        self._compare(record, now)
        if record != self._read:
            self._since, self._same_count = now, 0
        self._read = record
        self._same_count += 1
        if self._is_enough(record, now - self._since):
            self.record = record
        elif now - self._first_at >= PATIENCE_MS:
            self._end_patience(record, now)
        return self.record

    def _end_patience(self, record: Record, now: Monotonic) -> None:
        """What the last two readings agree on stands still, whatever came before."""
        stands = self._totals_same_count > 1 and self._number_same_count > 1
        if stands or self._read_count >= PATIENT_COUNT or now - self._first_at >= LAST_PATIENCE_MS:
            self.record = replace(
                record,
                totals=record.totals if self._totals_same_count > 1 else "",
                number=record.number if self._number_same_count > 1 else "",
            )

    def _compare(self, record: Record, now: Monotonic) -> None:
        """What changes although the sale stands is no evidence, and must not hold the pump."""
        read = self._read
        if read is None or read.sale != record.sale:
            self._first_at, self._read_count = now, 0
            read = None
        self._read_count += 1
        is_same_totals = read is not None and record.totals == read.totals
        is_same_number = read is not None and record.number == read.number
        self._totals_same_count = self._totals_same_count + 1 if is_same_totals else 1
        self._number_same_count = self._number_same_count + 1 if is_same_number else 1

    def _is_enough(self, record: Record, stood_ms: int) -> bool:
        if reading.fits(record, self.evidence, self._options):
            return self._same_count >= PROVEN_COUNT
        if self._same_count < STEADY_COUNT:
            return False
        has_moved = reading.moved_ml(self.evidence.before, record.totals, self._options)
        return bool(has_moved) or not record.totals or stood_ms >= STILL_MS


class Refusals:
    """Whether a pump knows a command at all. It says "not supported" or "not now" with two bytes that have
    no check value, so once is not enough; after that it is."""

    def __init__(self) -> None:
        self._count = 0
        self.is_known = False

    def refused(self) -> bool:
        """The command was refused; True if it will not be answered for this record."""
        self._count += 1
        if self._count >= REFUSED_COUNT:
            self.is_known = True
        return self.is_known

    def answered(self) -> None:
        self._count, self.is_known = 0, False
