"""Which of what passes by is a fuelling to report, and by what it is identified. For who cannot ask.

- A fuelling is one whose end we watched: the pump ran, then said "filling complete", and no frame of it is
  missing in between (TX numbers, silence).
- With `totals_follow` it waits for the totals of its nozzle while its display stands: they are its identity,
  and the same display after a restart of ours gives the same digits. A display that we did not see come is
  reported only so.
- If the display goes (reset, next fuelling) before its totals passed by, it is reported without: its raw
  totalizer is then the last one heard and what `drivers/standin.py` adds. That display cannot come back, so
  it cannot be reported a second time in the other way.
- Without `totals_follow` it is reported at its end in that second way, and a display that we did not see
  come never is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from drivers.dart import reading
from drivers.dart.options import DartOptions
from drivers.dart.pump_view import COMPLETE, FLOWING, OFF, READY, PumpView, Shown
from drivers.dart.reading import Meter
from drivers.dart.words import VOLUME_COUNTERS, Status, Totals, Word
from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.standin import StandIn


@dataclass(slots=True)
class _Known:
    """A nozzle's totalizer as last heard, and what was reported since without having heard it again."""

    digits: str = ""
    since_count: int = 0
    since_ml: int = 0
    is_gapless: bool = False
    """No fuelling can have been missed since."""


class Overheard:
    """Fed with every data frame of one pump in order, with `at_end` at each of its EOTs."""

    def __init__(self, address: str, options: DartOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._address = address
        self._options = options
        self._view = PumpView()
        self._known: dict[int, _Known] = {}
        self._stand_in = StandIn()
        self._last: tuple[int, str, str, str] | None = None
        self._is_settled = False
        """The display that stands was reported, or is none to report."""
        self._kept: Shown | None = None
        """A watched display whose totals had not passed by when we lost sight of the pump."""

    def note(self, said: bytes) -> None:
        """Whatever the pump says, before it is read: see `StandIn`."""
        self._stand_in.hear(said)

    def hear(self, words: Sequence[Word], now: Monotonic) -> list[DriverEvent]:
        if any(isinstance(word, Status) and word.code in OFF for word in words):
            self.lose_sight()
        before = self._open()
        was_at_rest = self._view.state == COMPLETE
        events: list[DriverEvent] = []
        if self._view.hear(words, now):
            events += self._leave(before, words) if before is not None else []
            self._is_settled = False
        elif not was_at_rest:
            self._count_zero()
        if self._view.is_running and self._kept is not None:
            events += self._report_kept(self._kept)
        events += [FuellingStarted(self._address, str(nozzle)) for nozzle in self._view.take_started()]
        for word in words:
            if isinstance(word, Totals) and word.counter_no in VOLUME_COUNTERS:
                events += self._hear_totals(word.counter_no, word.counts[0])
        return events

    def at_end(self) -> list[DriverEvent]:
        """The pump has nothing more to say, so its display is the last one of the fuelling."""
        shown = self._open()
        if shown is None or self._options.totals_follow:
            return []
        self._is_settled = True
        return self._without_totals(shown)

    def lose_sight(self) -> None:
        """Frames of the pump may have been missed, and with them fuellings."""
        self._kept = self._open() or self._kept
        self._view.sight_lost()
        self._is_settled = False
        for known in self._known.values():
            known.is_gapless = False

    def _open(self) -> Shown | None:
        """The watched display at rest that is still to be reported."""
        shown = self._view.shown()
        if shown is None or self._is_settled or not shown.is_watched:
            return None
        return shown if int(shown.filling.volume) else None

    def _leave(self, shown: Shown, words: Sequence[Word]) -> list[DriverEvent]:
        """The display goes. Totals that come with its end are still its own: nothing has flowed since."""
        nozzle = self._nozzle(shown)
        totals = (word for word in words if isinstance(word, Totals) and word.counter_no == nozzle)
        heard = next(totals, None)
        events: list[DriverEvent] = []
        if heard is not None and self._view.state in READY:
            events = self._identified(shown, nozzle, heard.counts[0])
        return events if self._is_settled else self._without_totals(shown)

    def _count_zero(self) -> None:
        shown = self._view.shown()
        if shown is not None and shown.is_watched and not int(shown.filling.volume):
            self.counts["ZERO_VOLUME"] += 1

    def _hear_totals(self, counter: int, digits: str) -> list[DriverEvent]:
        if self._view.state is None or self._view.state in FLOWING:
            return []
        shown = self._at_rest()
        if shown is None or self._nozzle(shown) != counter:
            self._learn(counter, digits)
            return []
        return self._identified(shown, counter, digits)

    def _at_rest(self) -> Shown | None:
        """The display, completed by what is known of it from before we lost sight."""
        shown, kept = self._view.shown(), self._kept
        if kept is None or self._view.state != COMPLETE or self._view.filling != kept.filling:
            return shown
        return kept if shown is None else replace(kept, nozzle_no=kept.nozzle_no or shown.nozzle_no)

    def _identified(self, shown: Shown, nozzle: int, digits: str) -> list[DriverEvent]:
        """The totals of the nozzle whose display stands: what stands is a fuelling, or was reported."""
        filling, known = shown.filling, self._known.get(nozzle)
        identity = (nozzle, digits, filling.volume, filling.amount)
        unmoved = known is not None and known.digits == digits and not known.since_count
        if not int(filling.volume) or identity == self._last or self._is_settled:
            self._settle(nozzle, digits)
            return []
        if unmoved and shown.is_watched:
            # No fuelling without litres: a nozzle hung up again, or totals that are counted later.
            self.counts["TOTAL_UNMOVED"] += 1
            return []
        if not shown.is_watched and not self._may_report_unwatched(shown):
            self.counts["RETAINED_DISPLAY"] += 1
            self._settle(nozzle, digits)
            return []
        events = self._other_kept(shown)
        before_ml = self._before_ml(nozzle) if shown.is_watched else None
        meter = Meter(digits, reading.total_ml(digits, self._options), before_ml)
        self._last = identity
        self._settle(nozzle, digits)
        return [*events, self._fuelling(shown, nozzle, meter, ())]

    def _other_kept(self, shown: Shown) -> list[DriverEvent]:
        """What was kept is on the display (then it is reported now) or was overwritten by what is."""
        if self._kept is None or self._kept.filling != shown.filling:
            return [] if self._kept is None else self._report_kept(self._kept)
        self._kept = None
        return []

    def _report_kept(self, kept: Shown) -> list[DriverEvent]:
        """Without totals: what was heard of them since may have counted it already, and others too."""
        self._kept = None
        if (known := self._known.get(self._nozzle(kept))) is not None:
            known.is_gapless = False
        return self._without_totals(kept)

    def _may_report_unwatched(self, shown: Shown) -> bool:
        """A pump that was lifted and hung up since says another nozzle than the display's: then its price
        does not fit."""
        is_its_nozzle = len(self._options.nozzles) == 1 or reading.price_fits(shown, self._options)
        return self._options.totals_follow and is_its_nozzle

    def _settle(self, nozzle: int, digits: str) -> None:
        self._is_settled = True
        self._learn(nozzle, digits)

    def _learn(self, nozzle: int, digits: str) -> None:
        self._known[nozzle] = _Known(digits, is_gapless=True)

    def _without_totals(self, shown: Shown) -> list[DriverEvent]:
        nozzle = self._nozzle(shown)
        if not nozzle:
            self.counts["NOZZLE_UNKNOWN"] += 1
            return []
        self.counts["TOTALIZER_UNHEARD"] += self._options.totals_follow
        known = self._known.setdefault(nozzle, _Known())
        before_ml = self._before_ml(nozzle)
        known.since_count += 1
        known.since_ml += reading.volume_ml(shown.filling, self._options)
        meter = Meter(self._stand_in.digits(known.digits), self._before_ml(nozzle), before_ml)
        return [self._fuelling(shown, nozzle, meter, ("TOTALIZER_UNHEARD",))]

    def _before_ml(self, nozzle: int) -> int | None:
        """Where the totalizer must stand by now; None if something may have been missed."""
        known = self._known.get(nozzle)
        if known is None or not known.digits or not known.is_gapless:
            return None
        stands_ml = reading.total_ml(known.digits, self._options) + known.since_ml
        return stands_ml % reading.modulus_ml(self._options)

    def _nozzle(self, shown: Shown) -> int:
        only = self._options.nozzles[0] if len(self._options.nozzles) == 1 else 0
        return shown.nozzle_no or only

    def _fuelling(self, shown: Shown, nozzle: int, meter: Meter, flags: tuple[str, ...]) -> Fuelling:
        return reading.as_fuelling(shown, nozzle, meter, flags, self._address, self._options)
