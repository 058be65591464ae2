"""How the conformance kit makes Hengshan dispensers sell, and what is true then."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.hengshan.controller import TappedLoop
from drivers.hengshan.dispenser import Dispenser, Sale
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.reading import NOZZLE
from drivers.hengshan.session import HengshanMaster
from drivers.hengshan.simulator import HengshanSimulator
from drivers.hengshan.tap import HengshanTap
from drivers.session import Session

_PRESETS_FEN = (10_000, 20_000, 0)
"""Round amounts make equal sales; 0: filled up."""
_LAST_NUMBER = 0x1F8
"""The third sale has an FA in its number."""
_TOTAL_CL = 2**32 - 5_000


class MasterCase:
    """An `OddPumpCase`: a dispenser that sells by itself and waits for each confirmation. Its total wraps."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self) -> None:
        self._options = HengshanOptions(mode="master", look_back_count=2, gap_ms=10)
        self.simulator = HengshanSimulator(Dispenser(last_number=_LAST_NUMBER, total_cl=_TOTAL_CL))

    def open_session(self) -> Session:
        return HengshanMaster("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        sell_one(self.simulator, rng, now)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """Zero volume; money that does not fit; no price; the largest numbers that the fields hold."""
        volume_cl, amount_fen, price_fen = rng.choice(
            ((0, 0, 777), (1_000, 2**24 - 1, 777), (2_000, 15_540, 0), (2**24 - 1, 0, 1), (1, 1, 65_535))
        )
        self.simulator.sell(volume_cl, amount_fen, price_fen, now, duration_ms=200)

    def backlog(self) -> int:
        dispenser = self.simulator.dispenser
        return len(dispenser.sales()) - len(dispenser.released)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sale) for sale in self.simulator.dispenser.sales() if sale.volume_cl]

    def released(self) -> Sequence[Sold]:
        return [as_sold(sale) for sale in self.simulator.dispenser.released if sale.volume_cl]


class ListenCase:
    """A `TapCase`: a controller with two fuelling points, of which one is listened to."""

    listens: Literal[True] = True
    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self) -> None:
        self._options = HengshanOptions()
        self._point, self._neighbour = (
            HengshanSimulator(
                Dispenser(needs_master=True, stores_zero=False, last_number=_LAST_NUMBER, total_cl=_TOTAL_CL),
                address=address,
            )
            for address in (1, 2)
        )
        self.simulator = TappedLoop({1: self._point, 2: self._neighbour})

    def open_session(self) -> Session:
        return HengshanTap("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(3) == 0:
            sell_one(self._neighbour, rng, now)
        sell_one(self._point, rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sale) for sale in self._point.dispenser.sales()]


def sell_one(point: HengshanSimulator, rng: random.Random, now: Monotonic) -> None:
    """One customer, before whom another one may have changed his mind."""
    if rng.randrange(6) == 0:
        point.sell(0, 0, 777, now)
    price_fen = rng.choice((777, 777, 803))
    amount_fen = rng.choice(_PRESETS_FEN) or rng.randrange(500, 60_000)
    point.sell(amount_fen * 100 // price_fen, amount_fen, price_fen, now, rng.randrange(1_500, 2_500))


def as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=NOZZLE,
        sequence_no=sale.sequence_no,
        volume_ml=sale.volume_cl * 10,
        amount_fen=sale.amount_fen,
        unit_price_milli=sale.price_fen * 10,
        totalizer_after_ml=sale.total_cl * 10,
    )
