"""How the conformance kit makes a POS print: fuel, goods, both, refunds, pictures and notes between them."""

import random
from collections.abc import Sequence
from typing import Literal

from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.session import EscposTapSession
from drivers.escpos_tap.simulator import PrintingPos
from drivers.events import BasketLine, Monotonic, PosRequest, SalePaid

_GOODS = ("矿泉水", "可乐", "WATER", "玻璃水")


class EscposTapCase:
    """A `FeedCase` of the kit."""

    hand_over: None = None
    feeds: Literal[True] = True

    def __init__(self, options: EscposTapOptions) -> None:
        self._options = options
        self.simulator = PrintingPos(options)

    def open_session(self) -> EscposTapSession:
        return EscposTapSession("1", self._options)

    def sell(self, rng: random.Random, now: Monotonic) -> None:
        pos = self.simulator
        match rng.randrange(8):
            case 0:
                pos.print_picture(now)
            case 1:
                pos.print_text(("重印", "单号: A000001", "合计: 1.00"), now)
            case 2:
                pos.print_text(("交班报表", "合计: 120.00"), now)
        kind = rng.randrange(3)
        goods = [
            BasketLine(rng.choice(_GOODS), 1_000 * rng.randrange(1, 5), rng.randrange(100, 5_000))
            for _ in range(0 if kind == 2 else rng.randrange(1, 4))
        ]
        fuel_fen = rng.randrange(5_000, 50_000) if kind else 0
        total_fen = fuel_fen + sum(line.amount_fen for line in goods)
        paid_fen = -(-total_fen // 10_000) * 10_000 if rng.randrange(2) else 0
        pump = f"{rng.randrange(1, 17):02d}"
        tender = "现金" if paid_fen else rng.choice(("微信", "油卡"))
        pos.print_sale(goods, now, pump=pump, fuel_fen=fuel_fen, tender=tender, paid_fen=paid_fen)

    def telling(self) -> bool:
        return self.simulator.telling

    def told(self) -> Sequence[PosRequest]:
        return self.simulator.told

    def vouched(self, request: PosRequest) -> object:
        """The money: its sum stands in the lines, in the total and in what was paid."""
        assert isinstance(request, SalePaid)
        return request.fuel_amount_fen + sum(line.amount_fen for line in request.lines)
