"""When a question is due that firmware may not know, and the cards that one of them brings."""

from collections.abc import Mapping

from drivers.events import Monotonic

SILENT_TRIES = 5
ABSENT_MS = 60_000
"""A question that stayed unanswered so often in a row is asked again only so much later."""
TAG_CHECK_MS = 2_000
TAG_NEXT_MS = 1_000
"""Time to the next look at the unknown tags, where there was none and where there was one: sales come first,
even if the list cannot be stepped."""
TAG_FRESH_MS = 10_000


class Turn:
    """One question's turn. What was not answered is asked again soon, and after several times seldom."""

    def __init__(self) -> None:
        self._due = Monotonic(0)
        self._failures = 0

    @property
    def is_absent(self) -> bool:
        """True where this firmware does not seem to know the question."""
        return self._failures >= SILENT_TRIES

    def is_due(self, now: Monotonic) -> bool:
        return now >= self._due

    def hurry(self, now: Monotonic) -> None:
        """There is a reason to ask at once."""
        if not self.is_absent:
            self._due = now

    def renew(self, now: Monotonic) -> None:
        """The wire or the device is new: it may know the question after all."""
        self._failures, self._due = 0, now

    def answered(self, due: Monotonic) -> None:
        """It was, and need not be asked before `due`."""
        self._failures, self._due = 0, due

    def failed(self, now: Monotonic) -> None:
        self._failures += 1
        self._due = Monotonic(now + ABSENT_MS) if self.is_absent else now


class CardTurn(Turn):
    """The turn of the unknown tags, and when the one at its head was shown."""

    def __init__(self) -> None:
        super().__init__()
        self._empty_at: Monotonic | None = None
        self._card: Mapping[str, str] | None = None
        self._shown: Monotonic | None = None

    def empty(self, now: Monotonic) -> None:
        """There is none."""
        self.answered(Monotonic(now + TAG_CHECK_MS))
        self._empty_at = now

    def taken(self, now: Monotonic) -> None:
        """There was one: the next is not looked at before a sale had its turn."""
        self.answered(Monotonic(now + TAG_NEXT_MS))

    def forget(self) -> None:
        """Nobody knows any more when the list was empty."""
        self._empty_at = None

    def shown(self, fields: Mapping[str, str], now: Monotonic) -> Monotonic | None:
        """When this card of the list was shown, if just now; the same however often it is read."""
        if self._card != fields:
            is_fresh = self._empty_at is not None and now - self._empty_at <= TAG_FRESH_MS
            self._card, self._shown = fields, now if is_fresh else None
        return self._shown
