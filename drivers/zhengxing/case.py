"""How the conformance kit makes Zhengxing dispensers sell, and what is true then."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session
from drivers.zhengxing.controller import TappedWire
from drivers.zhengxing.dispenser import Customer, FuellingPoint, Record
from drivers.zhengxing.options import ZhengxingOptions
from drivers.zhengxing.session import ZhengxingMaster
from drivers.zhengxing.simulator import ZhengxingSimulator
from drivers.zhengxing.tap import ZhengxingTap

_POINTS = (5, 6)
"""Some of their replies begin like whole questions."""
_LONGEST_FUELLING_MS = 1_500


class MasterCase:
    """An `OddPumpCase`: two points that sell by themselves, one of whose totals is about to wrap. Some lift a
    nozzle and hang it up again."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self) -> None:
        self._options = ZhengxingOptions(mode="master", addresses=_POINTS, poll_ms=300, gap_ms=30)
        self.simulator = ZhengxingSimulator(_POINTS)
        _set_totals(self.simulator)

    def open_session(self) -> Session:
        return ZhengxingMaster("5", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        sell_one(self.simulator.points[rng.choice(_POINTS)], rng, now)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        self.simulator.points[rng.choice(_POINTS)].store(_odd(rng))

    def backlog(self) -> int:
        return self.simulator.backlog()

    def sold(self) -> Sequence[Sold]:
        return [as_sold(number, record) for number, record in self.simulator.sales()]

    def released(self) -> Sequence[Sold]:
        return [as_sold(number, record) for number, record in self.simulator.released if record.volume_count]


class ListenCase:
    """A `TapCase`: a controller with a dispenser of three points, of which two are listened to."""

    listens: Literal[True] = True
    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self) -> None:
        self._options = ZhengxingOptions(addresses=_POINTS)
        self.simulator = TappedWire((*_POINTS, 7))
        self._points = self.simulator.points
        self._arrivals_count = 0
        _set_totals(self.simulator.dispenser)

    def open_session(self) -> Session:
        return ZhengxingTap("5", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(3) == 0:
            sell_one(self._points[7], rng, now)
        self._arrivals_count += 1
        sell_one(self._points[rng.choice(_POINTS)], rng, now, self._arrivals_count)

    def sold(self) -> Sequence[Sold]:
        """In the order in which the customers came."""
        sales = [(number, record) for number in _POINTS for record in self._points[number].sales()]
        return [
            as_sold(number, record) for number, record in sorted(sales, key=lambda sale: sale[1].arrival_no)
        ]


def sell_one(point: FuellingPoint, rng: random.Random, now: Monotonic, arrival_no: int = 0) -> None:
    """One customer, before whom another one may have changed his mind. Some come with a preset's number."""
    volume_count, price_count = rng.randint(1, 9_999), rng.randint(600, 900)
    price = bytes.fromhex(f"{price_count:04d}")
    if rng.randrange(5) == 0:
        point.arrive(Customer(0, 0, price, duration_ms=100), now)
    amount_count = (volume_count * price_count + 50) // 100
    chain_no = rng.choice((0, rng.randint(1, 9_999)))
    chain = bytes.fromhex(f"{chain_no:04d}")
    duration_ms = rng.randrange(_LONGEST_FUELLING_MS)
    point.arrive(Customer(volume_count, amount_count, price, chain, duration_ms, arrival_no), now)


def as_sold(number: int, record: Record) -> Sold:
    return Sold(
        nozzle=str(number),
        sequence_no=int(record.chain.hex()) if record.chain.hex().isdecimal() else None,
        volume_ml=record.volume_count * 10,
        amount_fen=record.amount_count,
        unit_price_milli=int(record.price.hex()) * 10 if record.price.hex().isdecimal() else 0,
        totalizer_after_ml=record.volume_total_count * 10,
    )


def _odd(rng: random.Random) -> Customer:
    """A sale as none should be: nothing sold, money that does not fit, digits that are none, the largest."""
    return rng.choice(
        (
            Customer(0, 0, b"\x07\x50"),
            Customer(1_000, 1, b"\x07\x50", b"\x00\x07"),
            Customer(1_000, 7_500, b"\xff\xff", b"\xab\xcd"),
            Customer(0xF_FFFF, 0xF_FFFF, b"\x99\x99", b"\x99\x99"),
            Customer(1, 0, b"\x00\x00"),
        )
    )


def _set_totals(dispenser: ZhengxingSimulator) -> None:
    first, second = (dispenser.points[number] for number in _POINTS)
    first.volume_total_count, first.amount_total_count = 2**32 - 2_000, 123
    second.volume_total_count, second.amount_total_count = 123_456, 2**32 - 5_000
