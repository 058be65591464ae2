"""How the conformance kit makes DART pumps sell, and what is true then."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.conformance import Sold
from drivers.dart.controller import TappedWire
from drivers.dart.hydraulics import Sale
from drivers.dart.options import DartOptions
from drivers.dart.session import DartMaster
from drivers.dart.simulator import DartSimulator
from drivers.dart.tap import DartTap
from drivers.events import HandOver, Monotonic
from drivers.session import Session

_NOZZLES = (1, 2)
_LONGEST_FUELLING_MS = 2_000


class MasterCase:
    """A `PumpCase`: a pump with two nozzles that sells by itself. Some lift a nozzle and hang it up again."""

    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self) -> None:
        self._options = DartOptions(mode="master", nozzles=_NOZZLES, poll_ms=300)
        self.simulator = DartSimulator()
        self.simulator.pump.totals = {1: 9_999_999_000, 2: 123_456}

    def open_session(self) -> Session:
        return DartMaster("50", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        sell_one(self.simulator, rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sale) for sale in self.simulator.sales()]

    def released(self) -> Sequence[Sold]:
        """Nothing is ever released: the next fuelling overwrites this one."""
        return ()


class ListenCase:
    """A `TapCase`: a controller with two pumps, of which one is listened to."""

    listens: Literal[True] = True
    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self, simulator: TappedWire | None = None) -> None:
        self._options = DartOptions(nozzles=_NOZZLES)
        self.simulator = simulator or TappedWire((0x50, 0x51))
        self._pump, self._neighbour = self.simulator.pumps.values()
        self._pump.pump.totals = {1: 9_999_999_000, 2: 123_456}

    def open_session(self) -> Session:
        return DartTap("50", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(3) == 0:
            sell_one(self._neighbour, rng, now)
        sell_one(self._pump, rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sale) for sale in self._pump.sales()]


def sell_one(pump: DartSimulator, rng: random.Random, now: Monotonic) -> None:
    """One customer, before whom another one may have changed his mind."""
    nozzle, volume_count, price_count = rng.choice(_NOZZLES), rng.randint(1, 9_999), rng.randint(600, 900)
    if rng.randrange(5) == 0:
        pump.sell(nozzle, 0, 0, price_count, now, duration_ms=400)
    amount_count = (volume_count * price_count + 50) // 100
    pump.sell(nozzle, volume_count, amount_count, price_count, now, rng.randrange(_LONGEST_FUELLING_MS))


def as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=str(sale.nozzle_no),
        sequence_no=None,
        volume_ml=sale.volume_count * 10,
        amount_fen=sale.amount_count,
        unit_price_milli=sale.price_count * 10,
        totalizer_after_ml=sale.total_count * 10,
    )
