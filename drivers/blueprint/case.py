"""How the conformance kit makes a blueprint device sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.blueprint.codec import Sale
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session


class BlueprintCase:
    """An `OddPumpCase`; every sixth sale or so is preceded by one of zero volume. Started with a high
    `first_number` its numbers wrap within the run."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self, first_number: int = 1) -> None:
        self.simulator = BlueprintSimulator(first_number)

    def open_session(self) -> Session:
        return BlueprintSession("1", BlueprintOptions())

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        nozzle, price_fen, volume_cl = (
            f"{rng.randint(1, 4):02d}",
            rng.randint(600, 900),
            rng.randint(1, 9_999),
        )
        if rng.randrange(6) == 0:
            self.simulator.sell(nozzle, 0, 0, price_fen)
        self.simulator.sell(nozzle, volume_cl, volume_cl * price_fen // 100, price_fen)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """Zero volume, the smallest and the largest, money that does not fit, a nozzle nobody has."""
        nozzle, volume_cl = rng.choice(("00", "01", "99")), rng.choice((0, 1, 999_999))
        self.simulator.sell(nozzle, volume_cl, rng.choice((0, 1, 999_999)), rng.choice((0, 777, 9_999)))

    def backlog(self) -> int:
        return len(self.simulator.sold) - len(self.simulator.released)

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.sold if int(sale.volume)]

    def released(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.released if int(sale.volume)]


def _as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=sale.nozzle,
        sequence_no=int(sale.sequence_no),
        volume_ml=int(sale.volume) * 10,
        amount_fen=int(sale.amount),
        unit_price_milli=int(sale.unit_price) * 10,
        totalizer_after_ml=int(sale.totalizer) * 10,
    )
