"""Which totalizer belongs to a record: when readings may be believed, and when there will be none.

The transaction number has two digits, so the totalizer is what makes a sale's identity last. The same
record must always be given the same digits, also by a session that starts later: a totalizer stands still
while its transaction is open, and a reading is taken only when it cannot be the one from before the
fuelling (a pump's totals may lag behind its transaction: NOTES.md).
"""

from drivers.events import Monotonic
from drivers.unipump import reading
from drivers.unipump.codec import Record
from drivers.unipump.options import UnipumpOptions

STEADY_COUNT = 3
"""Equal readings that are believed where the totalizer moved, but not by the volume."""
STILL_COUNT = 8
"""Equal readings that are believed where it did not move, or where nobody knows whether it did."""
READING_GAP_MS = 500
REFUSED_COUNT = 5
"""Times that the controller answered, but gave no totalizer within `totals_ms`."""
UNANSWERED_COUNT, UNANSWERED_AGAIN_COUNT = 12, 4
"""Questions about totals in a row that were not answered at all, while those about the state were: so many
lost answers are no accident. The second: where this nozzle gave none the last time."""


class Evidence:
    """The totalizer after one record. `before` are the digits last known for its nozzle, "" if none;
    `was_refused`: this nozzle gave none last time, so once is enough now."""

    def __init__(self, record: Record, before: str, was_refused: bool, options: UnipumpOptions) -> None:
        self.before = before
        self.after = ""
        self._record = record
        self._options = options
        self._same_count = 0
        self._refused_count = 0
        self._unanswered_count = 0
        self._refusals_allowed = 1 if was_refused else REFUSED_COUNT
        self._unanswered_allowed = UNANSWERED_AGAIN_COUNT if was_refused else UNANSWERED_COUNT
        self._ask_at = Monotonic(0)
        self._asked_at: Monotonic | None = None

    def asks_at(self) -> Monotonic | None:
        """When the totalizer is to be asked for; None while an answer is out or none is wanted."""
        return None if self.is_settled() or self._asked_at is not None else self._ask_at

    def asked(self, now: Monotonic) -> None:
        self._asked_at = now

    def unanswered(self, now: Monotonic) -> None:
        """The question or its answer was lost, or its answer does not count: ask again."""
        self._asked_at, self._ask_at = None, now

    def lost(self, now: Monotonic) -> None:
        """No answer at all to a question about totals."""
        self._unanswered_count += 1
        self.unanswered(now)

    def take(self, digits: str, now: Monotonic) -> None:
        """One reading."""
        self._same_count = self._same_count + 1 if digits == self.after else 1
        self._refused_count = self._unanswered_count = 0
        self.after = digits
        self._asked_at, self._ask_at = None, Monotonic(now + READING_GAP_MS)

    def wait_no_longer(self, now: Monotonic) -> None:
        """Something else was answered; after `totals_ms` of that it is a refusal."""
        if self._asked_at is not None and now - self._asked_at >= self._options.totals_ms:
            self._refused_count += 1
            self._asked_at, self._ask_at = None, now

    def is_refused(self) -> bool:
        is_silent = self._unanswered_count >= self._unanswered_allowed
        return is_silent or self._refused_count >= self._refusals_allowed

    def is_settled(self) -> bool:
        """True when `after` may be reported: "" if there is none to be had, and the only reading where
        the controller then refused a second."""
        if not self._options.totals or self._record.nozzle == "0" or self.is_refused():
            return True
        if not self.after:
            return False
        moved_ml = self._moved_ml()
        if moved_ml is not None and self._fits(moved_ml):
            return True
        return self._same_count >= (STEADY_COUNT if moved_ml else STILL_COUNT)

    def _moved_ml(self) -> int | None:
        after_ml = reading.totalizer_ml(self.after, self._options)
        before_ml = reading.totalizer_ml(self.before, self._options)
        if after_ml is None or before_ml is None:
            return None
        return (after_ml - before_ml) % reading.modulus_ml(self._options)

    def _fits(self, moved_ml: int) -> bool:
        steps_ml = (
            10 ** (3 - decimals)
            for decimals in (self._options.volume_decimals, self._options.totalizer_decimals)
        )
        short_ml = moved_ml - reading.volume_ml(self._record, self._options)
        return moved_ml > 0 and abs(short_ml) < max(steps_ml)
