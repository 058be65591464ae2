"""The dispensers that `drivers/conformance.py` tries this driver on: both kinds of map, both word orders.

They speak RTU, where a flipped or lost byte shows. On TCP the network has already answered for every
byte, and the wires that lose and flip would break a promise that is not Modbus's to keep.
"""

import random
from collections.abc import Sequence
from functools import partial

from drivers.conformance import Cases, Sold
from drivers.events import HandOver, Monotonic
from drivers.modbus.map_files import shipped_maps
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registers import WordOrder
from drivers.modbus.session import ModbusSession
from drivers.modbus.simulator import ModbusSimulator, Sale

_LONGEST_FUELLING_MS = 2_000


class ModbusCase:
    """One dispenser with one map. Prices have two decimals and volumes two: what any of the maps can hold."""

    def __init__(self, options: ModbusOptions) -> None:
        self.hand_over: HandOver = options.register_map().hand_over
        self.simulator = ModbusSimulator("7", options)
        self._options = options

    def open_session(self) -> ModbusSession:
        return ModbusSession("7", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        volume_ml, price_milli = 10 * rng.randrange(1, 8_000), 10 * rng.randrange(500, 900)
        amount_fen = (volume_ml * price_milli + 5_000) // 10_000
        self.simulator.sell(volume_ml, amount_fen, price_milli, now, rng.randrange(_LONGEST_FUELLING_MS))

    def sold(self) -> Sequence[Sold]:
        return [self._sold(sale) for sale in self.simulator.expected() if sale.volume_ml]

    def released(self) -> Sequence[Sold]:
        return [self._sold(sale) for sale in self.simulator.released() if sale.volume_ml]

    @staticmethod
    def _sold(sale: Sale) -> Sold:
        return Sold(
            "1", sale.sequence_no, sale.volume_ml, sale.amount_fen, sale.unit_price_milli, sale.total_after_ml
        )


def cases() -> Cases:
    """Named factories: every shipped map with both word orders."""
    return {
        f"{name}-{order}": partial(ModbusCase, ModbusOptions(map=name, transport="rtu", word_order=order))
        for name in shipped_maps()
        for order in WordOrder
    }
