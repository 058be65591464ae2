"""Which fuellings of one point are told by what passes between a controller and the dispenser.

A sale that was read (15) is settled when the next state says that none waits any more: then the totals that
were heard since the flow ended are its own. Where another sale waited behind it, or no totals pass by, it is
settled without them. A historic sale (13) counts if the controller acknowledges it.

The check value is weak and nothing can be read again here, so a sale is believed only if something else
speaks for it: price times volume is the amount, or both totals moved by exactly it, or it was heard twice.
And its number, a part of what it is called, must be the one that the controller acknowledges; where each
direction has a receiver of its own, that may be heard some milliseconds late, behind its answer. Where frames
were damaged near it, more is asked, and totals are believed only if they moved by exactly this sale.

A sale that is equal in every byte to the last one is that one read again, unless none waited in between and
both totals moved by exactly it.
"""

from collections import Counter
from dataclasses import dataclass

from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.zhengxing import reading, words
from drivers.zhengxing.ledger import Evidence, Ledger, decimals_of, fits_closely
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.watch import Watch
from drivers.zhengxing.words import Sale, Totals

PATIENCE_MS = 2_500
"""So long a sale that was read waits for its totals."""
NEAR_DAMAGE_MS, AT_DAMAGE_MS = 20_000, 1_500
"""Damage comes in neighbourhoods: of a few hundred damaged frames one passes the XOR. Close to it totals are
not believed either; later ones are needed to tell what was lost."""


@dataclass(slots=True)
class _Waiting:
    """A sale that was read and is not settled."""

    sale: Sale
    is_historic: bool
    heard_at: Monotonic
    ended: Monotonic | None
    heard_count: int = 1
    is_acknowledged: bool = False
    """The controller named its chain number."""


class Overheard:
    """One fuelling point. Every `hear_...` gives what is to be reported."""

    def __init__(self, address: str, point: int, options: ZhengxingOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._address = address
        self._point = point
        self._options = options
        self._watch = Watch()
        self._ledger = Ledger()
        self._totals: Totals | None = None
        """Heard since the flow ended."""
        self._is_totals_newer = False
        """They were heard behind the sale that waits."""
        self._waiting: _Waiting | None = None
        self._last: Sale | None = None
        self._is_last_gone = False
        """The state has said since that no sale waits."""
        self._damaged_at: Monotonic | None = None

    def damaged(self, now: Monotonic) -> None:
        """A frame on this line was torn, or its check value was wrong."""
        self._damaged_at = now

    def hear_state(self, state: int, now: Monotonic) -> list[DriverEvent]:
        events: list[DriverEvent] = []
        was_pending = self._watch.is_pending
        starts = self._watch.hear(state, now)
        self._is_last_gone |= not self._watch.is_pending
        if self._watch.is_flowing or (self._watch.is_pending and not was_pending):
            events += self._settle(is_last=False)
            self._totals = None
        if starts:
            events.append(FuellingStarted(self._address, str(self._point)))
        return events + self._settle_if_complete()

    def hear_totals(self, totals: Totals) -> list[DriverEvent]:
        if not self._watch.is_known or self._watch.is_flowing:
            return []
        self._totals, self._is_totals_newer = totals, True
        return self._settle_if_complete()

    def hear_sale(self, sale: Sale, now: Monotonic, *, is_historic: bool) -> list[DriverEvent]:
        waiting = self._waiting
        if sale == self._last and (is_historic or not (self._watch.is_pending and self._is_last_gone)):
            self.counts["REPEATED_SALE"] += 1
            return []
        if waiting is not None and waiting.sale == sale:
            waiting.heard_count += 1
            return []
        events = self._settle(is_last=False)
        self._is_totals_newer = False
        if not sale.volume_count:
            self.counts["ZERO_VOLUME"] += 1
            self._last = sale
            return events
        ended = None if is_historic else self._watch.take_ended()
        self._waiting = _Waiting(sale, is_historic, now, ended)
        return events

    def hear_acknowledgement(self, chain: bytes) -> list[DriverEvent]:
        """The controller says that it has the sale with this chain number."""
        waiting = self._waiting
        if waiting is None or waiting.sale.chain != chain:
            return []
        waiting.is_acknowledged = True
        if waiting.is_historic:
            return self._report(waiting, Evidence(flags=("HISTORIC",)))
        return self._settle_if_complete()

    def lose_sight(self) -> None:
        """Frames may have been missed, and with them sales."""
        self._watch.forget()
        self._ledger.forget()
        self._totals = None

    def due(self) -> Monotonic | None:
        return Monotonic(self._waiting.heard_at + PATIENCE_MS) if self._waiting is not None else None

    def check(self, now: Monotonic) -> list[DriverEvent]:
        due = self.due()
        return self._settle(is_last=self._is_none_pending()) if due is not None and now >= due else []

    def _is_none_pending(self) -> bool:
        return self._watch.is_known and not self._watch.is_pending

    def _settle_if_complete(self) -> list[DriverEvent]:
        if self._totals is None or not self._is_none_pending():
            return []
        if self._waiting is None:
            self._ledger.rest(self._totals)
        elif self._waiting.is_acknowledged:
            return self._settle(is_last=True)
        return []

    def _settle(self, *, is_last: bool) -> list[DriverEvent]:
        waiting = self._waiting
        if waiting is None:
            return []
        if waiting.is_historic:
            self._waiting = None
            self.counts["HISTORIC_UNACKNOWLEDGED"] += 1
            return []
        totals = self._totals if is_last else None
        if waiting.sale == self._last and not self._is_another(waiting.sale, totals):
            self._waiting = None
            self.counts["REPEATED_SALE"] += 1
            return []
        if not is_last and not self._is_totals_newer:
            self._totals = None
        return self._report(waiting, self._ledger.account(waiting.sale, totals, is_last=is_last))

    def _report(self, waiting: _Waiting, evidence: Evidence) -> list[DriverEvent]:
        self._waiting = None
        sale = waiting.sale
        if not self._is_supported(waiting, evidence):
            self.counts["UNSUPPORTED_SALE"] += 1
            self._ledger.forget()
            return []
        if self._is_damaged(waiting, AT_DAMAGE_MS) and not evidence.is_exact:
            self._ledger.forget()
            evidence = Evidence(flags=("TOTALIZER_UNHEARD",))
        if sale == self._last and self._totals is not None:
            self.counts["RECORD_ALIKE"] += 1
            waiting.sale = words.named_by_totals(sale, self._totals)
        self._last, self._is_last_gone = sale, self._is_none_pending()
        self.counts["TOTAL_DIFFERS"] += "TOTAL_DIFFERS" in evidence.flags
        return [self._fuelling(waiting, evidence)]

    def _is_another(self, sale: Sale, totals: Totals | None) -> bool:
        return totals is not None and self._ledger.moved_by(sale, totals)

    def _is_damaged(self, waiting: _Waiting, within_ms: int) -> bool:
        at = self._damaged_at
        return at is not None and abs(waiting.heard_at - at) <= within_ms

    def _is_supported(self, waiting: _Waiting, evidence: Evidence) -> bool:
        if waiting.heard_count > 1:
            return True
        is_fitting, is_acknowledged = decimals_of(waiting.sale) is not None, waiting.is_acknowledged
        if self._is_damaged(waiting, NEAR_DAMAGE_MS):
            is_twice_told = (is_fitting and evidence.is_exact) or fits_closely(waiting.sale)
            return is_acknowledged and is_twice_told
        return is_acknowledged and (is_fitting or evidence.is_exact)

    def _fuelling(self, waiting: _Waiting, evidence: Evidence) -> Fuelling:
        return reading.as_fuelling(
            waiting.sale, self._point, evidence, waiting.ended, self._address, self._options
        )
