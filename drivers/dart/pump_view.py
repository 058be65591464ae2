"""What one pump has said of itself: its state, its display, its nozzle. The same whoever asked it."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.dart.words import Filling, Nozzle, Status, Word
from drivers.events import Monotonic

READY = frozenset((1, 2))
"""Reset or authorised: the display is wiped."""
FLOWING = frozenset((4, 6, 8))
"""Filling, preset reached with the nozzle still out, suspended."""
COMPLETE = 5
OFF = frozenset((0, 7))
"""Not programmed or switched off: nothing is known of the display."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The display of a pump at rest. `nozzle_no` 0: not known. `is_watched`: the pump said that this fuelling
    ran, so that it is none that was there before us. `ended` is when it ended, if we were there."""

    filling: Filling
    price: str
    nozzle_no: int
    is_watched: bool
    ended: Monotonic | None


class PumpView:
    """Fed with every data frame of one pump in order; `sight_lost` when frames may have been missed."""

    def __init__(self) -> None:
        self.state: int | None = None
        self.sight_lost()

    def sight_lost(self) -> None:
        """Forget all: what is heard next may be of another fuelling."""
        self.state = None
        self._is_flow_assumed = False
        self._filling: Filling | None = None
        self._price: str | None = None
        self._nozzle = 0
        self._spoken: Nozzle | None = None
        self._is_watched = False
        self._ended: Monotonic | None = None
        self._has_started = False
        self._started: list[int] = []

    @property
    def is_running(self) -> bool:
        return self.state in READY or self.state in FLOWING

    def shown(self) -> Shown | None:
        """The display, if the pump is at rest and all of it was heard."""
        if self.state != COMPLETE or self._filling is None or self._price is None:
            return None
        return Shown(self._filling, self._price, self._nozzle, self._is_watched, self._ended)

    @property
    def filling(self) -> Filling | None:
        return self._filling

    def take_started(self) -> list[int]:
        """Nozzles that were lifted, or began to flow, since the last call."""
        started, self._started = self._started, []
        return started

    def hear(self, words: Sequence[Word], now: Monotonic) -> bool:
        """One frame. True if a display that stood at rest has gone: the next fuelling begins, or ended so
        soon that its beginning was not said."""
        was_at_rest = self.state == COMPLETE
        status = next((word.code for word in words if isinstance(word, Status)), None)
        runs = status in READY or status in FLOWING
        is_replaced = was_at_rest and not runs and self._takes_other_display(words)
        if runs:
            self._run(status)
        nozzle = next((word for word in words if isinstance(word, Nozzle)), None)
        for word in words:
            if isinstance(word, Filling):
                self._hear_filling(word)
        if nozzle is not None and not (nozzle.is_out and status == COMPLETE):
            self._hear_nozzle(nozzle)
        if status == COMPLETE:
            self._complete(now)
        elif status in OFF:
            self.state = status
        if nozzle is not None and nozzle.is_out and status == COMPLETE:
            self._hear_nozzle(nozzle)  # lifted again already: it says nothing of what has just ended
        self._start_if_flowing()
        return is_replaced or (was_at_rest and self.is_running)

    def _takes_other_display(self, words: Sequence[Word]) -> bool:
        """Another display at rest is another fuelling if there was a lift, or the nozzle is another one. Else
        it is the same one corrected, or one that nobody saw begin: its price then comes along."""
        filling = next((word for word in words if isinstance(word, Filling)), None)
        if filling is None or self._filling in (None, filling):
            return False
        hung_up = next((word for word in words if isinstance(word, Nozzle) and not word.is_out), None)
        if self._has_started or (hung_up is not None and hung_up.number not in (0, self._nozzle)):
            self._take_lifted()
            self._is_watched, self._ended, self._has_started = True, None, False
            return True
        if hung_up is not None:
            self._price = hung_up.price
        return False

    def _run(self, status: int | None) -> None:
        self._is_flow_assumed = False
        if not self.is_running:
            self._filling = None
            self._take_lifted()
        if status in READY:
            self._filling = None
        self.state = status

    def _take_lifted(self) -> None:
        """The nozzle that is out is the next fuelling's."""
        lifted = self._spoken if self._spoken is not None and self._spoken.is_out else None
        self._price, self._nozzle = (lifted.price, lifted.number) if lifted else (None, 0)

    def _complete(self, now: Monotonic) -> None:
        if self.is_running:
            self._is_watched, self._ended, self._spoken = not self._is_flow_assumed, now, None
        elif self.state != COMPLETE:
            self._is_watched, self._ended = False, None
            if self._spoken is not None and self._spoken.is_out:
                self._price, self._nozzle = None, 0
        if self.state != COMPLETE:
            self._has_started = False
        self.state = COMPLETE

    def _hear_filling(self, filling: Filling) -> None:
        moves = self._filling is not None and filling != self._filling
        if self.state is None and moves:
            self.state, self._is_flow_assumed = 4, True
        self._filling = filling

    def _hear_nozzle(self, nozzle: Nozzle) -> None:
        was_out = self._spoken is not None and self._spoken.is_out
        self._spoken = nozzle
        if nozzle.is_out and not was_out:
            self._has_started = False
            self._start(nozzle.number)
        if self.state == COMPLETE and nozzle.is_out:
            return  # the next fuelling's nozzle and price, while the last one's display still stands
        if self.state != COMPLETE or self._price is None:
            self._price = nozzle.price
        if nozzle.number and (self.state != COMPLETE or not self._nozzle):
            self._nozzle = nozzle.number

    def _start_if_flowing(self) -> None:
        if self.state in FLOWING and self._nozzle:
            self._start(self._nozzle)

    def _start(self, nozzle: int) -> None:
        if nozzle and not self._has_started:
            self._has_started = True
            self._started.append(nozzle)
