"""A POS that prints, for tests, demo and training: receipts in ESC/POS, and questions to its printer.

It writes its own commands and never looks at the codec. What it knows to be true is in `told`: a sale stands
there once its last line was printed. A power cut loses the receipt that was being printed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.escpos_tap.options import EscposTapOptions
from drivers.events import BasketLine, Monotonic, SalePaid, SaleRefunded

LINE_MS = 40
CASHIER = "某某"
"""Who served: printed on each receipt, and nobody's business."""
QUESTION = b"\x10\x04\x01"
START = b"\x1b@\x1cC\x01\x1ba\x01\x1d!\x11"
PLAIN = b"\x1d!\x00\x1ba\x00"
CUT = b"\x1bd\x03\x1dV\x42\x00"
DRAWER = b"\x1bp\x00\x19\xfa"
PICTURE = b"\x1dv0\x00\x04\x00\x08\x00" + bytes(range(0x10, 0x30))
BARCODE = b"\x1dh\x50\x1dk\x49\x06{B0042"
PATTERNS = (
    r"^单号[:：] *(?P<sale>[0-9A-Z-]+)",
    r"^枪号[:：] *(?P<pump>[0-9]+)",
    r"^油品 +(?P<fuel>[0-9.]+)$",
    r"^合计[:：] *(?P<total>-?[0-9.]+)",
    r"^(?P<tender>现金|微信|油卡) +(?P<paid>[0-9.]+)$",
    r"^找零 +(?P<change>[0-9.]+)$",
    r"^原单[:：] *(?P<refund_of>[0-9A-Z-]+)",
    r"(?P<ignore>重印|培训)",
    r"^(?P<product>[^ ]+) x(?P<quantity>[0-9]+) +(?P<amount>-?[0-9.]+)$",
)
"""The template of the receipts that this POS prints."""
Told = SalePaid | SaleRefunded


@dataclass(frozen=True, slots=True)
class _Said:
    due: Monotonic
    data: bytes
    told: tuple[Told, ...] = ()


class PrintingPos:
    """Verbs: `print_sale`, `print_refund`, `print_text`, `print_picture`, `ask_printer`."""

    def __init__(self, options: EscposTapOptions) -> None:
        self.told: list[Told] = []
        self.heard = bytearray()
        """What the printer answered."""
        self._options = options
        self._number = 0
        self._queue: deque[_Said] = deque()

    @property
    def telling(self) -> bool:
        return bool(self._queue)

    def print_sale(
        self,
        goods: Sequence[BasketLine],
        now: Monotonic,
        *,
        pump: str = "",
        fuel_fen: int = 0,
        tender: str = "现金",
        paid_fen: int = 0,
    ) -> str:
        """One receipt; returns the sale's id."""
        name = self._next_number()
        total_fen = fuel_fen + sum(line.amount_fen for line in goods)
        lines = [
            f"单号：{name}",
            *(f"{g.product} x{g.quantity_milli // 1_000}  {_yuan(g.amount_fen)}" for g in goods),
        ]
        if fuel_fen:
            lines += [f"枪号: {pump}", f"油品   {_yuan(fuel_fen)}"]
        lines += [f"合计: {_yuan(total_fen)}", f"{tender}  {_yuan(paid_fen or total_fen)}"]
        if paid_fen > total_fen:
            lines.append(f"找零  {_yuan(paid_fen - total_fen)}")
        point = str(int(pump)) if fuel_fen else None
        sale = SalePaid(self._options.register_id, name, point, fuel_fen, tender, tuple(goods))
        self._print(lines, (sale,), now)
        return name

    def print_refund(self, of: str, amount_fen: int, now: Monotonic) -> str:
        name = self._next_number()
        refund = SaleRefunded(self._options.register_id, name, of, amount_fen)
        self._print([f"单号: {name}", f"原单: {of}", f"合计: -{_yuan(amount_fen)}"], (refund,), now)
        return name

    def print_text(self, lines: Sequence[str], now: Monotonic) -> None:
        """Any receipt, of which nothing is to be reported."""
        self._print(lines, (), now)

    def print_picture(self, now: Monotonic) -> None:
        """A receipt that is a picture, as drivers for Windows print them."""
        self._say(PICTURE, now)
        self._say(CUT, now)

    def ask_printer(self, now: Monotonic) -> None:
        self._say(QUESTION, now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.heard += data

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if not self._queue or self._queue[0].due > now:
            return b""
        said = self._queue.popleft()
        self.told += said.told
        return said.data

    def next_timer(self) -> Monotonic | None:
        return self._queue[0].due if self._queue else None

    def handle_timer(self, now: Monotonic) -> None:
        """What is due is said when it is asked for."""

    def power_cycle(self, now: Monotonic) -> None:
        self._queue.clear()

    def _next_number(self) -> str:
        self._number += 1
        return f"A{self._number:06d}"

    def _print(self, lines: Sequence[str], truth: tuple[Told, ...], now: Monotonic) -> None:
        self._say(QUESTION, now)
        self._say(START + self._encoded("测试加油站") + b"\n" + PLAIN + PICTURE, now)
        for line in (*lines[:-1], f"收银员：{CASHIER}"):
            self._say(self._encoded(line) + b"\n", now)
        self._say(self._encoded(lines[-1]) + b"\n", now, truth)
        self._say(BARCODE + DRAWER, now)
        self._say(CUT, now)

    def _say(self, data: bytes, now: Monotonic, truth: tuple[Told, ...] = ()) -> None:
        at = max(now, self._queue[-1].due if self._queue else now)
        self._queue.append(_Said(Monotonic(at + LINE_MS), data, truth))

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._options.encoding)


def _yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"
