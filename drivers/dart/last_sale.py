"""What a master asks a pump at rest, and which display is a fuelling to report.

A display is identified by nozzle, totalizer, volume and amount: two equal fuellings in a row differ in
their totalizers, and a display that was there before is the same digits again. It is reported at once when
the totalizer moved by its volume; else, and when nothing is known of before, after `STEADY_READINGS` equal
readings: a totalizer that counts late, read too early, would name the fuelling wrongly.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from drivers.dart import reading, words
from drivers.dart.options import DartOptions
from drivers.dart.pump_view import COMPLETE, OFF, READY, PumpView, Shown
from drivers.dart.reading import Meter
from drivers.dart.words import Filling, Status, Totals, Word
from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic

STEADY_READINGS = 20
"""About six seconds."""


class LastSale:
    """Fed with every data frame of one pump in order; `question` is what to ask it next."""

    def __init__(self, address: str, options: DartOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._address = address
        self._options = options
        self._view = PumpView()
        self._totals: dict[int, str] = {}
        """Each nozzle's totalizer when it was last known to be at rest."""
        self._last: tuple[int, str, Filling] | None = None
        self._steady_count = 0
        self._previous: tuple[Filling, dict[int, str]] | None = None
        self._begin_rest()

    def question(self) -> bytes | None:
        """The transaction to ask with, None if all is known for now."""
        if self._view.state is None:
            return words.ASK_STATE
        if self._view.state == COMPLETE and not self._is_judged:
            return None if self._is_paused else self._missing()
        if self._view.state in READY or self._is_judged:
            return _ask_first(nozzle for nozzle in self._options.nozzles if nozzle not in self._totals)
        return None

    def begin_round(self) -> None:
        """A display that is to be read again may be asked for again."""
        self._is_paused = False

    def lose_sight(self) -> None:
        """The pump was silent, or frames are missing: ask for everything again."""
        self._view.sight_lost()
        self._begin_rest()

    def hear(self, said: Sequence[Word], now: Monotonic) -> list[DriverEvent]:
        if any(isinstance(word, Status) and word.code in OFF for word in said):
            self.lose_sight()
        self._view.hear(said, now)
        if self._is_judged and any(isinstance(word, Status | Filling) for word in said):
            self._begin_rest()
        if self._view.is_running:
            self._steady_count, self._previous = 0, None
        if self._view.state != COMPLETE:
            self._begin_rest()
        started = [FuellingStarted(self._address, str(nozzle)) for nozzle in self._view.take_started()]
        for word in said:
            if isinstance(word, Filling):
                self._is_filling_read = self._view.state == COMPLETE
            elif isinstance(word, Totals) and word.counter_no in words.VOLUME_COUNTERS:
                self._hear_totals(word.counter_no, word.counts[0])
        return [*started, *self._judge()]

    def _begin_rest(self) -> None:
        self._is_judged = self._is_paused = False
        self._begin_reading()

    def _begin_reading(self) -> None:
        self._is_filling_read = False
        self._read: dict[int, str] = {}

    def _missing(self) -> bytes | None:
        """The next part of a reading: the display, its price, the totals of the nozzles it may be of."""
        if not self._is_filling_read:
            return words.ASK_FILLING
        shown = self._view.shown()
        if shown is None:
            return words.ASK_PRICES
        return _ask_first(nozzle for nozzle in self._candidates(shown) if nozzle not in self._read)

    def _candidates(self, shown: Shown) -> tuple[int, ...]:
        is_named = shown.nozzle_no and self._is_its_nozzle(shown)
        return (shown.nozzle_no,) if is_named else self._options.nozzles

    def _hear_totals(self, counter: int, digits: str) -> None:
        if self._view.state == COMPLETE and not self._is_judged:
            self._read[counter] = digits
        elif self._view.state in READY or self._view.state == COMPLETE:
            self._totals[counter] = digits

    def _judge(self) -> list[Fuelling]:
        """What a complete reading is: nothing new, a fuelling, or to be read again."""
        shown = self._view.shown()
        if self._is_judged or shown is None or not self._is_filling_read:
            return []
        if not int(shown.filling.volume):
            self.counts["ZERO_VOLUME"] += shown.is_watched
            return self._close()
        if any(nozzle not in self._read for nozzle in self._candidates(shown)):
            return []
        nozzle = self._nozzle(shown)
        if self._must_read_again(shown, nozzle):
            self._is_paused = True
            self._begin_reading()
            return []
        if nozzle is None:
            self.counts["NOZZLE_UNKNOWN"] += 1
            return self._close()
        return self._report(shown, nozzle)

    def _must_read_again(self, shown: Shown, nozzle: int | None) -> bool:
        """Count equal readings; False when there were enough of them for what they say."""
        reading_now = (shown.filling, dict(self._read))
        self._steady_count = self._steady_count + 1 if reading_now == self._previous else 1
        self._previous = reading_now
        is_settled = nozzle is not None and (self._is_known(shown, nozzle) or self._is_proven(shown, nozzle))
        return not is_settled and self._steady_count < STEADY_READINGS

    def _nozzle(self, shown: Shown) -> int | None:
        """Whose display it is: as the pump says, or the only one, or the only one whose totalizer moved."""
        candidates = self._candidates(shown)
        if len(candidates) == 1:
            return candidates[0]
        moved = [each for each in candidates if self._totals.get(each, self._read[each]) != self._read[each]]
        return moved[0] if len(moved) == 1 else None

    def _is_its_nozzle(self, shown: Shown) -> bool:
        """A nozzle that was lifted and hung up before we came is not the display's: the price shows it."""
        return shown.is_watched or len(self._options.nozzles) == 1 or reading.price_fits(shown, self._options)

    def _is_proven(self, shown: Shown, nozzle: int) -> bool:
        """The totalizer moved by what is shown."""
        before = self._totals.get(nozzle)
        if before is None:
            return False
        moved_ml = reading.moved_ml(before, self._read[nozzle], self._options)
        return reading.fits(moved_ml, shown.filling, self._options)

    def _is_known(self, shown: Shown, nozzle: int) -> bool:
        return self._last == (nozzle, self._read[nozzle], shown.filling)

    def _close(self) -> list[Fuelling]:
        self._is_judged = True
        self._totals.update(self._read)
        return []

    def _report(self, shown: Shown, nozzle: int) -> list[Fuelling]:
        digits, before = self._read[nozzle], self._totals.get(nozzle)
        if self._is_known(shown, nozzle):
            return self._close()
        self._last = (nozzle, digits, shown.filling)
        flags = () if before is None or self._is_proven(shown, nozzle) else ("TOTAL_DIFFERS",)
        meter = Meter(
            raw=digits,
            after_ml=reading.total_ml(digits, self._options),
            before_ml=None if before is None else reading.total_ml(before, self._options),
        )
        self._close()
        return [reading.as_fuelling(shown, nozzle, meter, flags, self._address, self._options)]


def _ask_first(nozzles: Iterable[int]) -> bytes | None:
    nozzle = next(iter(nozzles), None)
    return None if nozzle is None else words.ask_totals(nozzle)
