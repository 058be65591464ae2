"""How the conformance kit makes a controller sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session
from drivers.unipump.options import UnipumpOptions
from drivers.unipump.session import UnipumpSession
from drivers.unipump.simulator import Sale, UnipumpSimulator

POINTS = 2
PRESETS_FEN = (10_000, 20_000, 0)
"""Round amounts are what makes equal sales; 0: filled up."""


class UnipumpCase:
    """Two points, transaction numbers about to wrap, a totalizer too; some sales of zero volume and many
    equal ones. With `closes` we close (an `OddPumpCase`) and totals take a while to be fetched; otherwise
    the master closes before its next sale, what is kept is only the last one, and totals come at once."""

    def __init__(self, *, closes: bool = True) -> None:
        self.hand_over: HandOver = HandOver.BUFFERED if closes else HandOver.LAST_SALE
        self._options = UnipumpOptions(point_count=POINTS, closes=closes, poll_ms=400)
        self.simulator = UnipumpSimulator(
            POINTS,
            fuelling_ms=700 if closes else 3_000,
            fetch_ms=300 if closes else 0,
            first_transaction=97,
            master_closes_ms=None if closes else 10**9,
            answer_ms=15,
        )
        self.simulator.start_totalizer("1/1", 9_999_990_000)

    def open_session(self) -> Session:
        return UnipumpSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        nozzle = f"{rng.randint(1, POINTS)}/{rng.choice((1, 1, 2))}"
        if self.hand_over is HandOver.BUFFERED and rng.randrange(6) == 0:
            self.simulator.sell(nozzle, 0, 0, 777, now)
        price_fen = rng.choice((777, 777, 803))
        amount_fen = rng.choice(PRESETS_FEN) or rng.randrange(500, 60_000)
        is_stopped = rng.randrange(6) == 0
        self.simulator.sell(
            nozzle, amount_fen * 100 // price_fen, amount_fen, price_fen, now, is_stopped=is_stopped
        )

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """Zero volume; money that does not fit; a nozzle that no point has, with and without a
        totalizer; no price; more than the totalizer's rest."""
        point = rng.randint(1, POINTS)
        nozzle, volume_cl, amount_fen, price_fen = rng.choice(
            (
                (1, 0, 0, 777),
                (2, 1_000, 99_999_999, 777),
                (9, 1_234, 9_588, 777),
                (0, 4_321, 33_574, 777),
                (1, 2_000, 15_540, 0),
                (1, 99_999_999, 0, 1),
            )
        )
        self.simulator.sell(f"{point}/{nozzle}", volume_cl, amount_fen, price_fen, now)

    def backlog(self) -> int:
        return self.simulator.backlog()

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.sold if sale.volume_cl]

    def released(self) -> Sequence[Sold]:
        return [_as_sold(sale) for sale in self.simulator.released if sale.volume_cl]


def _as_sold(sale: Sale) -> Sold:
    return Sold(
        nozzle=sale.name,
        sequence_no=sale.transaction,
        volume_ml=sale.volume_cl * 10,
        amount_fen=sale.amount_fen,
        unit_price_milli=sale.price_fen * 10,
        totalizer_after_ml=sale.totalizer_cl * 10 if sale.nozzle_number else None,
    )
