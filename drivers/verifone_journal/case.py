"""How the conformance kit makes a register sell: fuel, goods, both, voided tickets, prepayments."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.events import Monotonic, PosRequest, SalePaid
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.session import VerifoneJournalSession
from drivers.verifone_journal.simulator import Line, VerifoneRegister

_GOODS = ("COFFEE 16 OZ", "BIC LIGHTER", "HALF G MILK", "CIGAR WRAP BLUE BERR")


class VerifoneJournalCase:
    """A `FeedCase` of the kit; each of `registers` rings up a ticket."""

    hand_over: None = None
    feeds: Literal[True] = True

    def __init__(
        self,
        options: VerifoneJournalOptions,
        *,
        with_prefix: bool = False,
        registers: tuple[str, ...] = ("101",),
    ) -> None:
        self._options = options
        self._registers = registers
        self.simulator = VerifoneRegister(options, with_prefix=with_prefix)

    def open_session(self) -> VerifoneJournalSession:
        return VerifoneJournalSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        for register in self._registers:
            self._ring(rng, now, register)

    def _ring(self, rng: random.Random, now: Monotonic, register: str) -> None:
        if rng.randrange(6) == 0 and self._options.dialect == "journal":
            self.simulator.ring([Line("OIL 5W30", 1, 2_990)], now, void=True, register=register)
        lines = self._lines(rng)
        total_fen = sum(line.amount_fen for line in lines)
        paper_fen = -(-total_fen // 500) * 500
        if rng.randrange(2):
            self.simulator.ring(lines, now, tender="CREDIT", register=register)
        else:
            self.simulator.ring(lines, now, given_fen=paper_fen, register=register, remark="x")

    def telling(self) -> bool:
        return self.simulator.telling

    def told(self) -> Sequence[PosRequest]:
        return self.simulator.told

    def vouched(self, request: PosRequest) -> object:
        """The money: its sum stands in the lines, in TOTAL and in the tender."""
        assert isinstance(request, SalePaid)
        return request.fuel_amount_fen + sum(line.amount_fen for line in request.lines)

    def _lines(self, rng: random.Random) -> list[Line]:
        kind = rng.randrange(3)
        pump = rng.randrange(1, 17)
        label = rng.choice(("UNLD CA", "PREPAY CA", "DIESEL CR"))
        fuel = [Line(f"{label} #{pump:02d}", 7, rng.randrange(1_000, 9_000), pump)] if kind else []
        if kind == 2:
            return fuel
        goods = [
            Line(
                f"{rng.choice(_GOODS)}",
                rng.randrange(1, 4),
                rng.randrange(99, 2_000),
                flag=rng.choice(("%%", "L", "")),
            )
            for _ in range(rng.randrange(1, 4))
        ]
        return [*goods, *fuel]
