"""The devices that `drivers/conformance/` tries this driver on: dispensers of two kinds of map, two counters,
one of each in each word order, and a tank gauge.

They speak RTU, where a flipped or lost byte shows. On TCP the network has already answered for every
byte, and the wires that lose and flip would break a promise that is not Modbus's to keep.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import Literal

from drivers.conformance import Cases, Delivered, Sold, Stood
from drivers.events import HandOver, Monotonic
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registers import WordOrder
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator, Sale

_LONGEST_FUELLING_MS = 2_000
_PRICE_MILLI = 7_850
_TRIED = (("compac-c5000", WordOrder.LOW_FIRST), ("ring-buffer", WordOrder.HIGH_FIRST))


class ModbusCase:
    """One dispenser with one map. Prices have two decimals and volumes two: what any of the maps can hold."""

    def __init__(self, options: ModbusOptions) -> None:
        hand_over = options.register_map().hand_over
        assert hand_over is not None
        self.hand_over: HandOver = hand_over
        self.simulator = ModbusSimulator("7", options)
        self._options = options

    def open_session(self) -> ModbusSession:
        return ModbusSession("7", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        volume_ml, price_milli = 10 * rng.randrange(1, 8_000), 10 * rng.randrange(500, 900)
        amount_fen = _worth(volume_ml, price_milli)
        self.simulator.sell(volume_ml, amount_fen, price_milli, now, rng.randrange(_LONGEST_FUELLING_MS))

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """Zero volume, money that does not fit, the smallest and the largest volume, a status, a total that
        wraps."""
        volume_ml = rng.choice((0, 10, 10_000, 4_294_967_290))
        amount_fen = rng.choice((0, 1, 99_999_999))
        if rng.randrange(3) == 0:
            self.simulator.start_totals_at(10**12 - 10_000, amount_fen)
        self.simulator.status = rng.choice((0, 1, 0xFFFF))
        self.simulator.sell(volume_ml, amount_fen, 10 * rng.randrange(900), now)
        self.simulator.status = 0

    def backlog(self) -> int:
        return len(self.simulator.truth) - len(self.simulator.released())

    def sold(self) -> Sequence[Sold]:
        return [self._sold(sale) for sale in self.simulator.expected() if sale.volume_ml]

    def released(self) -> Sequence[Sold]:
        return [self._sold(sale) for sale in self.simulator.released() if sale.volume_ml]

    @staticmethod
    def _sold(sale: Sale) -> Sold:
        return Sold(
            "1", sale.sequence_no, sale.volume_ml, sale.amount_fen, sale.unit_price_milli, sale.total_after_ml
        )


class CounterCase:
    """A pulse counter of one millilitre a pulse, which goes round within the first fuellings; or one that
    begins at 0 again after a power cut."""

    hand_over: Literal[HandOver.COUNTER] = HandOver.COUNTER
    rest_ms = 6_000

    def __init__(self, order: WordOrder, *, forgets_count: bool) -> None:
        self._options = ModbusOptions(
            map="pulse-counter",
            transport="rtu",
            word_order=order,
            poll_ms=500,
            flow_stopped_ms=2_000,
            pulses_per_litre_milli=1_000_000,
            unit_price_milli=_PRICE_MILLI,
        )
        self.simulator = ModbusSimulator("7", self._options)
        self.simulator.forgets_count = forgets_count
        self.simulator.start_totals_at(40_000_000 if forgets_count else (1 << 32) - 20_000, 0)

    def open_session(self) -> ModbusSession:
        return ModbusSession("7", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        volume_ml = rng.randrange(200, 4_000)
        lasts_ms = rng.randrange(volume_ml // 2, _LONGEST_FUELLING_MS)
        self.simulator.sell(volume_ml, 0, _PRICE_MILLI, now, lasts_ms)

    def sold(self) -> Sequence[Sold]:
        return [
            Sold("1", None, sale.volume_ml, _worth(sale.volume_ml), _PRICE_MILLI, sale.total_after_ml)
            for sale in self.simulator.expected()
            if sale.volume_ml
        ]


class GaugeOfTwo:
    """A Pneumercator gauge with two tanks; it records no deliveries."""

    gauges: Literal[True] = True
    hand_over: None = None

    def __init__(self) -> None:
        self._options = ModbusOptions(map="pneumercator-tms", transport="rtu", tanks=2)
        self.simulator = ModbusSimulator("7", self._options)
        for tank in (1, 2):
            self.simulator.tanks[tank] = {"volume": 20_000, "height": 1_500, "temperature": 151}
        self._stood = list(self.stands())

    def open_session(self) -> ModbusSession:
        return ModbusSession("7", self._options)

    def change(self, rng: random.Random, now: Monotonic) -> None:
        """A tank is drawn from or filled."""
        volume_l = rng.randrange(40_000)
        temperature = rng.randrange(-300, 400)
        self.simulator.tanks[rng.choice((1, 2))] = {
            "volume": volume_l,
            "height": volume_l // 10,
            "temperature": temperature,
        }
        self._stood += self.stands()

    def stood(self) -> Sequence[Stood]:
        return self._stood

    def stands(self) -> Sequence[Stood]:
        return [
            Stood(str(tank), 1_000 * counts["volume"], 1_000 * counts["height"], 100 * counts["temperature"])
            for tank, counts in self.simulator.tanks.items()
        ]

    def delivered(self) -> Sequence[Delivered]:
        return ()


def cases() -> Cases:
    """Named factories: both kinds of map that name their sales, counters that keep and forget, a gauge."""
    return {
        **{name: partial(_case, name, order) for name, order in _TRIED},
        "pulse-counter": partial(CounterCase, WordOrder.HIGH_FIRST, forgets_count=False),
        "forgetful-counter": partial(CounterCase, WordOrder.LOW_FIRST, forgets_count=True),
        "pneumercator-tms": GaugeOfTwo,
    }


def _worth(volume_ml: int, price_milli: int = _PRICE_MILLI) -> int:
    """In fen, rounded half up."""
    return (volume_ml * price_milli + 5_000) // 10_000


def _case(name: str, order: WordOrder) -> ModbusCase:
    return ModbusCase(ModbusOptions(map=name, transport="rtu", word_order=order, poll_ms=500))
