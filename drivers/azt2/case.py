"""How the conformance kit makes AZT 2.0 pumps sell, and what is true then."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.azt2.controller import TappedWire
from drivers.azt2.options import AztOptions
from drivers.azt2.session import AztMaster
from drivers.azt2.simulator import AztSimulator, Habits, Sale
from drivers.azt2.tap import AztTap
from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.session import Session

CHANNEL = 17
"""Above 15, so that the other start byte is used."""
PRESETS_FEN = (100_000, 50_000, 0)
"""Round amounts are what makes equal sales; 0: filled up."""


class MasterCase:
    """An `OddPumpCase`: a pump that sells by itself, its totals about to wrap. Some sales have no volume."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self, habits: Habits) -> None:
        self._options = AztOptions(mode="master", poll_ms=300, answer_ms=300)
        self.simulator = AztSimulator(CHANNEL, habits, number=999_997)
        self.simulator.start_totals(10**habits.total_digits - 9_000)
        self._has_numbers = habits.gives_numbers

    def open_session(self) -> Session:
        return AztMaster(str(CHANNEL), self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(6) == 0:
            self.simulator.sell(0, 0, 5_000, now)
        sell_one(self.simulator, rng, now, PRESETS_FEN)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        """No volume; money that does not fit; no money; more than was preset."""
        volume_cl, amount_fen, price_fen, is_over = rng.choice(
            (
                (0, 0, 5_000, False),
                (1_000, 9_999_999, 5_000, False),
                (1_234, 0, 0, True),
                (99_999, 1, 1, True),
            )
        )
        self.simulator.sell(volume_cl, amount_fen, price_fen, now, is_over=is_over)

    def backlog(self) -> int:
        return self.simulator.backlog()

    def sold(self) -> Sequence[Sold]:
        return [
            as_sold(sale, CHANNEL, has_number=self._has_numbers)
            for sale in self.simulator.sold
            if sale.volume_cl
        ]

    def released(self) -> Sequence[Sold]:
        released = self.simulator.released
        return [as_sold(sale, CHANNEL, has_number=self._has_numbers) for sale in released if sale.volume_cl]


class ListenCase:
    """A `TapCase`: a control system with two pumps, of which one is listened to."""

    listens: Literal[True] = True
    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self, simulator: TappedWire) -> None:
        self._options = AztOptions(reply_ms=60)
        self.simulator = simulator
        self._pump, self._neighbour = simulator.pumps.values()
        self._pump.start_totals(10**10 - 9_000)

    def open_session(self) -> Session:
        return AztTap(str(self._pump.channel), self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        if rng.randrange(3) == 0:
            sell_one(self._neighbour, rng, now)
        if rng.randrange(6) == 0:
            self._pump.sell(0, 0, 5_000, now)
        sell_one(self._pump, rng, now)

    def sold(self) -> Sequence[Sold]:
        sales = self._pump.sold
        return [as_sold(sale, self._pump.channel, has_number=False) for sale in sales if sale.volume_cl]


def sell_one(
    pump: AztSimulator, rng: random.Random, now: Monotonic, presets_fen: Sequence[int] = (0,)
) -> None:
    """One customer."""
    price_fen = rng.choice((5_000, 5_000, 5_399))
    amount_fen = rng.choice(presets_fen) or rng.randrange(5_000, 300_000)
    pump.sell(amount_fen * 100 // price_fen, amount_fen, price_fen, now, is_over=rng.randrange(8) == 0)


def as_sold(sale: Sale, channel: int, *, has_number: bool) -> Sold:
    return Sold(
        nozzle=str(channel),
        sequence_no=sale.number % 10**6 if has_number else None,
        volume_ml=sale.volume_cl * 10,
        amount_fen=sale.amount_fen,
        unit_price_milli=sale.price_fen * 10,
        totalizer_after_ml=sale.total_cl * 10,
    )
