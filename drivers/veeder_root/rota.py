"""Which question comes next, and which the console does not understand."""

from collections.abc import Mapping

from drivers.events import Monotonic
from drivers.veeder_root import codec

ROTA = (codec.INVENTORY, codec.SYSTEM, codec.LAST_DELIVERY, codec.ALARMS, codec.DELIVERIES)
REFUSALS = 5
"""So many in a row mean that the console does not know the function; fewer may be damaged questions."""
REFUSED_FOR_MS = 600_000
"""A refused function is tried again this much later."""
LAST_RESORTS = frozenset({codec.SYSTEM, codec.PRINTED_INVENTORY})
"""Asked again in their turn whatever was refused: sign of life, and the only way left to read the tanks."""
INSTEAD: Mapping[str, str] = {codec.INVENTORY: codec.PRINTED_INVENTORY}
"""What is asked in place of a question that is refused."""


class Rota:
    """`question` is the one whose turn it is."""

    def __init__(self) -> None:
        self._turn = 0
        self._refused_in_row = 0
        self._refused_until: dict[str, Monotonic] = {}
        self.question = ROTA[0]

    def next(self, now: Monotonic) -> None:
        """On to the next question that is not refused."""
        self._refused_in_row = 0
        for _ in ROTA:
            self._turn = (self._turn + 1) % len(ROTA)
            question = self._in_place_of(ROTA[self._turn], now)
            if question is not None:
                self.question = question
                return

    def refused(self, now: Monotonic) -> bool:
        """The console did not understand `question`; True if it is not to be asked again at once."""
        self._refused_in_row += 1
        if self.question in LAST_RESORTS:
            return True
        if self._refused_in_row < REFUSALS:
            return False
        self._refused_until[self.question] = Monotonic(now + REFUSED_FOR_MS)
        self._refused_in_row = 0
        return True

    def answered(self) -> None:
        self._refused_in_row = 0

    def forget_refusals(self) -> None:
        """It may be another console, or set up anew."""
        self._refused_until.clear()

    def instead(self) -> bool:
        """Turn to what is asked in place of `question`; False if there is nothing."""
        instead = INSTEAD.get(self.question)
        self.question = instead or self.question
        return instead is not None

    def _in_place_of(self, question: str | None, now: Monotonic) -> str | None:
        while question is not None and self._refused_until.get(question, 0) > now:
            question = INSTEAD.get(question)
        return question
