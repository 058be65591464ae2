"""How the conformance kit makes an IFSF dispenser sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.conformance import Sold
from drivers.events import HandOver, Monotonic
from drivers.ifsf.dispenser import Sale
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from drivers.session import Session

TCP = IfsfOptions(poll_ms=1_000, offline_ms=5_000)
SERIAL = IfsfOptions(transport="serial", finds="slots", additions=False, offline=False, poll_ms=1_000)
BESIDE = TCP.model_copy(update={"clears": False})
TOTALS_END_CL = 10**12


class IfsfCase:
    """An `OddPumpCase`: two points of two nozzles, of which the first's numbers are about to wrap. Every
    sixth sale or so is preceded by one of zero volume. On TCP the device takes itself for offline soon.

    Where `clears` is off a controller clears before its next sale, so only the last one is kept; some of them
    it locks first."""

    def __init__(self, options: IfsfOptions = TCP) -> None:
        self.hand_over: HandOver = HandOver.BUFFERED if options.clears else HandOver.LAST_SALE
        self._options = options
        is_tcp = options.transport == "tcp"
        self.simulator = IfsfSimulator(
            transport=options.transport,
            first_sequences=(9_997, 412),
            offline_after_ms=2_500 if is_tcp and options.clears else None,
            wants_receipts=is_tcp,
            answer_ms=10 if is_tcp else 0,
        )

    def open_session(self) -> Session:
        return IfsfSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        point_no, nozzle_no = rng.randint(1, 2), rng.randint(1, 2)
        price_milli, volume_cl = rng.randrange(6_000, 9_990, 10), rng.randint(1, 9_999)
        if not self._options.clears:
            for paid in self.simulator.unpaid():
                self.simulator.clear_by_other(paid)
        if rng.randrange(6) == 0:
            self.simulator.sell(point_no, nozzle_no, 0, 0, price_milli)
        self.simulator.lift(point_no, nozzle_no)
        self.simulator.begin(point_no)
        sale = self.simulator.sell(
            point_no, nozzle_no, volume_cl, volume_cl * price_milli // 1_000, price_milli
        )
        if not self._options.clears and rng.randrange(2):
            self.simulator.lock(sale)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        point_no = rng.randint(1, 2)
        match rng.randrange(5):
            case 0:
                self.simulator.sell(point_no, 1, 0, 0, 7_770)
            case 1:
                self.simulator.sell(point_no, 2, rng.randint(1, 9_999), rng.randint(0, 99_999), 7_770)
            case 2:
                self.simulator.sell(point_no, rng.choice((0, 9, 200)), 1_000, 7_770, 7_770, error_code=1)
            case 3:
                clock = bytes.fromhex(rng.choice(("20260231250000", "ffffffffffffff", "00000000000000")))
                self.simulator.sell(point_no, 1, 1_000, 7_770, 7_770, clock=clock)
            case _:
                self.simulator.set_total(point_no, 2, TOTALS_END_CL - 1)
                self.simulator.sell(point_no, 2, 1_000, 7_770, 7_770)

    def backlog(self) -> int:
        return self.simulator.backlog()

    def sold(self) -> Sequence[Sold]:
        return [self._as_sold(sale) for sale in self.simulator.sold if sale.volume_cl]

    def released(self) -> Sequence[Sold]:
        return [self._as_sold(sale) for sale in self.simulator.released if sale.volume_cl]

    def _as_sold(self, sale: Sale) -> Sold:
        return Sold(
            nozzle=f"{sale.point_no}{sale.nozzle_no}",
            sequence_no=sale.sequence_no,
            volume_ml=sale.volume_cl * 10,
            amount_fen=sale.amount_fen,
            unit_price_milli=sale.price_milli,
            totalizer_after_ml=sale.total_after_cl * 10 if self._options.additions else None,
        )
