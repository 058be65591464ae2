"""How the conformance kit makes Gilbarco pumps sell, and what is true then."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.gilbarco import hydraulics
from drivers.gilbarco.controller import TappedWire
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.reading import nozzle_name
from drivers.gilbarco.session import GilbarcoMaster
from drivers.gilbarco.simulator import GilbarcoSimulator
from drivers.gilbarco.tap import GilbarcoTap
from drivers.session import Session

_GRADES = 2
_LONGEST_FUELLING_MS = 2_000
_ALMOST_WRAPPED = 999_999_000
"""In thousandths of a litre: ten litres before a totalizer of eight digits wraps."""


class MasterCase:
    """A `PumpCase`: two pumps with two grades that sell by themselves, one of them the sixteenth. Some
    customers lift a nozzle and hang it up again."""

    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self) -> None:
        self._options = GilbarcoOptions(mode="master", pumps=(1, 16), poll_ms=300)
        self.simulator = GilbarcoSimulator((1, 16), grades=_GRADES)
        self.simulator.pumps[1].totals = {0: _ALMOST_WRAPPED, 1: 123_456}

    def open_session(self) -> Session:
        return GilbarcoMaster("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        sell_one(self.simulator, rng.choice((1, 1, 16)), rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sold) for sold in self.simulator.sold()]

    def released(self) -> Sequence[Sold]:
        """Nothing is ever released: the next fuelling overwrites this one."""
        return ()


class ListenCase:
    """A `TapCase`: a controller with two pumps, of which one is listened to."""

    listens: Literal[True] = True
    hand_over: HandOver = HandOver.LAST_SALE

    def __init__(self, simulator: TappedWire | None = None) -> None:
        self._options = GilbarcoOptions(pumps=(1,))
        self.simulator = simulator or TappedWire((1, 2), grades=_GRADES)
        self.simulator.pumps.pumps[1].totals = {0: _ALMOST_WRAPPED, 1: 123_456}

    def open_session(self) -> Session:
        return GilbarcoTap("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(3) == 0:
            sell_one(self.simulator.pumps, 2, rng, now)
        sell_one(self.simulator.pumps, 1, rng, now)

    def sold(self) -> Sequence[Sold]:
        return [as_sold(sold) for sold in self.simulator.pumps.pumps[1].sold()]


def sell_one(pumps: GilbarcoSimulator, number: int, rng: random.Random, now: Monotonic) -> None:
    """One customer, before whom another one may have changed his mind. Volumes are whole steps of the
    totalizer, so that what it moved is exactly what was sold."""
    nozzle, price_count = nozzle_name(number, str(rng.randrange(_GRADES))), rng.randint(600, 900)
    if rng.randrange(5) == 0:
        pumps.sell(nozzle, 0, 0, price_count, now, duration_ms=400)
    volume_count = rng.randrange(10, 100_000, 10)
    amount_count = (volume_count * price_count + 5_000) // 10_000
    duration_ms = rng.randrange(400, _LONGEST_FUELLING_MS)
    pumps.sell(nozzle, volume_count, amount_count, price_count, now, duration_ms)


def as_sold(sold: hydraulics.Sold) -> Sold:
    return Sold(
        nozzle=nozzle_name(sold.pump_no, str(sold.grade_no)),
        sequence_no=None,
        volume_ml=sold.volume_count,
        amount_fen=sold.amount_count,
        unit_price_milli=sold.price_count,
        totalizer_after_ml=sold.total_count * 10,
    )
