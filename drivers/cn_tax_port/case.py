"""How the conformance kit makes a tax-control port sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.session import TaxPortSession
from drivers.cn_tax_port.simulator import Sale, TaxPortSimulator
from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session

GUNS = (1, 2)
PRESETS_FEN = (10_000, 20_000, 0)
"""Round amounts are what makes equal sales; 0: filled up."""


class TaxPortCase:
    """A `PumpCase`: two guns, one of which is about to wrap, and many equal sales. Each of a gun has a minute
    of its own: a customer needs longer, and of two within one minute the second may pass for a late count.

    `padding` as Ketaikang's, `lag_ms` a total that follows late.
    """

    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self, *, padding: bytes = b"", lag_ms: int = 0) -> None:
        self._options = TaxPortOptions(guns=GUNS, poll_ms=500, answer_ms=300)
        self.simulator = TaxPortSimulator(GUNS, padding=padding, lag_ms=lag_ms, answer_ms=15)
        self.simulator.start_totals(1, 10**12 - 3_000, 10**12 - 9_000)
        self.simulator.start_totals(2, 123_456, 987_654)
        self._minutes = dict.fromkeys(GUNS, -1)

    def open_session(self) -> Session:
        return TaxPortSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        gun, price_fen = rng.choice(GUNS), rng.choice((777, 777, 803))
        amount_fen = rng.choice(PRESETS_FEN) or rng.randrange(500, 60_000)
        volume_cl = amount_fen * 100 // price_fen
        self._minutes[gun] = max(now // 60_000, self._minutes[gun] + 1)
        when = _clock(self._minutes[gun])
        self.simulator.sell(gun, volume_cl, amount_fen, price_fen, now, when=when)

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.sold if sale.volume_cl]

    def released(self) -> Sequence[Sold]:
        """Nothing is ever released: the next fuelling overwrites this one."""
        return ()


def _clock(minutes: int) -> str:
    """Day, hour and minute of a clock that began with the simulated one."""
    return f"{minutes // 1_440 % 31 + 1:02d}{minutes // 60 % 24:02d}{minutes % 60:02d}"


def _as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=str(sale.gun_no),
        sequence_no=None,
        volume_ml=sale.volume_cl * 10,
        amount_fen=sale.amount_fen,
        unit_price_milli=sale.price_fen * 10,
        totalizer_after_ml=sale.total_cl * 10,
    )
