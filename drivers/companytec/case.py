"""How the conformance kit makes a concentrator sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.companytec.concentrator import EMPTY_TAG, Record
from drivers.companytec.horustech_simulator import HorustechSimulator
from drivers.companytec.options import CompanytecOptions
from drivers.companytec.options import Record as Form
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import CompanytecSimulator
from drivers.conformance import Sold
from drivers.events import Credential, CredentialKind, HandOver, Monotonic
from drivers.session import Session

_BIGGEST_ML = 99_990


class _ConcentratorCase:
    """An `OddPumpCase`: some sales have a client's tag, some are preceded by one of zero volume, and the
    ring is about to wrap."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(
        self,
        options: CompanytecOptions,
        simulator: CompanytecSimulator | HorustechSimulator,
        nozzles: Sequence[str],
    ) -> None:
        self._options = options
        self._nozzles = nozzles
        self.simulator = simulator
        self.simulator.concentrator.write = self.simulator.read = 9_997

    def open_session(self) -> Session:
        return CompanytecSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        nozzle, price_milli = rng.choice(self._nozzles), rng.randrange(6_000, 12_000, 10)
        if rng.randrange(6) == 0:
            self.simulator.sell(nozzle, 0, 0, price_milli)
        self._sell(rng, nozzle, price_milli)

    def sell_odd(self, rng: random.Random, now: Monotonic) -> None:
        nozzle, price_milli = rng.choice(self._nozzles), 7_770
        cabinet = self.simulator.concentrator
        match rng.randrange(5):
            case 0:
                self.simulator.sell(nozzle, 0, 0, price_milli)
            case 1:
                self.simulator.sell(nozzle, 10_000, 99, price_milli)
            case 2:
                cabinet.totals_ml[nozzle] = 10**11 - 5_000
                self._sell(rng, nozzle, price_milli)
            case 3:
                self._sell(rng, "63", price_milli)
            case _:
                cabinet.sell(nozzle, 10_000, 7_770, price_milli, when="31250230")

    def backlog(self) -> int:
        return self.simulator.backlog()

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(record) for record in self.simulator.concentrator.sold if record.volume_ml]

    def released(self) -> Sequence[Sold]:
        return [_as_sold(record) for record in self.simulator.released if record.volume_ml]

    def _sell(self, rng: random.Random, nozzle: str, price_milli: int) -> None:
        volume_ml = rng.randrange(10, _BIGGEST_ML, 10)
        tag = rng.choice((None, "0" * 16, f"{rng.randrange(1, 16**16 - 1):016X}"))
        self.simulator.sell(nozzle, volume_ml, volume_ml * price_milli // 10_000, price_milli, tag)


class CompanytecCase(_ConcentratorCase):
    """CBC in one of its forms; pointers as in the manual, or as a maker's simulator gives them."""

    def __init__(self, form: Form = "identified") -> None:
        super().__init__(
            CompanytecOptions(record=form),
            CompanytecSimulator(pointer_head="TP99" if form == "identified" else "TG99", answer_ms=15),
            ("04", "05", "44", "45"),
        )


class HorustechCase(_ConcentratorCase):
    """The other frame, whose nozzles are numbered in decimals."""

    def __init__(self, form: Form = "auto") -> None:
        super().__init__(
            CompanytecOptions(protocol="horustech", record=form),
            HorustechSimulator(answer_ms=15),
            ("01", "02", "11", "12"),
        )


def _as_sold(record: Record) -> Sold:
    no_tag = record.tag in (EMPTY_TAG, "0" * 16)
    return Sold(
        nozzle=record.nozzle,
        sequence_no=record.number,
        volume_ml=record.volume_ml,
        amount_fen=record.amount_fen,
        unit_price_milli=record.price_milli,
        totalizer_after_ml=record.totalizer_cl * 10,
        credential=None if no_tag else Credential(CredentialKind.TAG, record.tag),
    )
