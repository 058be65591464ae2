"""How the conformance kit makes a display sell, and what is true then."""

import random
from collections.abc import Sequence

from tallyline.options import TallylineOptions
from tallyline.session import TallylineSession
from tallyline.simulator import Sale, TallylineSimulator

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session


class TallylineCase:
    """A `PumpCase` whose totalizer wraps within the first sales."""

    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self) -> None:
        self.simulator = TallylineSimulator(3, totalizer_cl=990_000)

    def open_session(self) -> Session:
        return TallylineSession("3", TallylineOptions())

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        """A fuelling, sometimes right after a nozzle that was lifted for nothing, or with odd money."""
        nozzle, price_fen, volume_cl = rng.randint(1, 4), rng.randint(600, 900), rng.randint(1, 9_999)
        amount_fen = rng.choice((volume_cl * price_fen // 100, volume_cl * price_fen // 100, 0, 999_999))
        if rng.randrange(6) == 0:
            self.simulator.sell(nozzle, 0, 0, price_fen)
        self.simulator.sell(nozzle, volume_cl, amount_fen, price_fen)

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.sold if sale.volume_cl]

    def released(self) -> Sequence[Sold]:
        """None: this display is never told that a sale is safe."""
        return ()


def _as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=f"{sale.nozzle_no:02d}",
        sequence_no=None,
        volume_ml=sale.volume_cl * 10,
        amount_fen=sale.amount_fen,
        unit_price_milli=sale.price_fen * 10,
        totalizer_after_ml=sale.totalizer_cl * 10,
    )
