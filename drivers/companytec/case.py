"""How the conformance kit makes a concentrator sell, and what is true then."""

import random
from collections.abc import Sequence

from drivers.companytec.options import CompanytecOptions, Tags
from drivers.companytec.session import CompanytecSession
from drivers.companytec.simulator import EMPTY_TAG, CompanytecSimulator, Record
from drivers.conformance import Sold
from drivers.events import Credential, CredentialKind, HandOver, Monotonic
from drivers.session import Session


class CompanytecCase:
    """A `PumpCase`: some sales have a client's tag, some are preceded by one of zero volume, and the
    ring is about to wrap."""

    hand_over: HandOver = HandOver.BUFFERED

    def __init__(self, tags: Tags = "tag") -> None:
        self._options = CompanytecOptions(tags=tags)
        self.simulator = CompanytecSimulator(pointer_head="TP99" if tags == "tag" else "TG99", answer_ms=15)
        self.simulator.concentrator.write = self.simulator.read = 9_997

    def open_session(self) -> Session:
        return CompanytecSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        nozzle, price_milli = f"{rng.choice((4, 5, 0x44, 0x45)):02X}", rng.randrange(6_000, 12_000, 10)
        volume_ml = rng.randrange(10, 99_990, 10)
        tag = rng.choice((None, "0" * 16, f"{rng.randrange(1, 16**16 - 1):016X}"))
        if rng.randrange(6) == 0:
            self.simulator.sell(nozzle, 0, 0, price_milli)
        self.simulator.sell(nozzle, volume_ml, volume_ml * price_milli // 10_000, price_milli, tag)

    def sold(self) -> Sequence[Sold]:
        return [_as_sold(record) for record in self.simulator.concentrator.sold if record.volume_ml]

    def released(self) -> Sequence[Sold]:
        return [_as_sold(record) for record in self.simulator.released if record.volume_ml]


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
