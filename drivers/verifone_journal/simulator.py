"""A register that says its journal, for tests, demo and training: one way, several lines for each sale.

What it knows to be true is in `told`: a sale stands there from the moment its number was said. A power cut
loses the ticket that was open, its lines included; the numbers go on.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.events import BasketLine, Monotonic, SalePaid, SaleRefunded
from drivers.verifone_journal.options import VerifoneJournalOptions

DAY_MS = 86_400_000
KEY_MS = 120
"""Between two lines of a ticket; a cashier is slower, tests are not."""
CASHIER = "CORPORATE"
Told = SalePaid | SaleRefunded


@dataclass(frozen=True, slots=True)
class Line:
    """What was rung up: goods, or fuel of a pump (0: goods). `flag` as the journal shows it, two letters."""

    description: str
    quantity_count: int
    amount_fen: int
    pump_no: int = 0
    flag: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    due: Monotonic
    data: bytes
    told: tuple[Told, ...] = ()


class VerifoneRegister:
    """`with_prefix`: as on the serial port, each record behind its escape sequence, the number's record
    without a line feed; else as on the network, a line each."""

    def __init__(self, options: VerifoneJournalOptions, *, with_prefix: bool = False) -> None:
        self.told: list[Told] = []
        self._ruby = options.dialect == "ruby"
        self._decimals = options.decimals
        self._prefix = b"\x1b\x63\x30\x01\x1b\x21\x00" if with_prefix else b""
        self._number = 1_015_206
        self._queue: deque[_Said] = deque()

    @property
    def telling(self) -> bool:
        return bool(self._queue)

    def ring(
        self,
        lines: Sequence[Line],
        now: Monotonic,
        *,
        tender: str = "CASH",
        given_fen: int | None = None,
        register: str = "101",
        told: Sequence[Told] | None = None,
        void: bool = False,
        remark: str = "",
    ) -> str:
        """One ticket; returns its id. `told` is what must be reported of it where that is not plain sales."""
        self._number += 1
        total_fen = sum(line.amount_fen for line in lines)
        at = max(now, self._queue[-1].due if self._queue else now)
        texts = self._texts(
            lines, total_fen, tender, total_fen if given_fen is None else given_fen, void, remark
        )
        for text in texts:
            at = Monotonic(at + KEY_MS)
            self._queue.append(_Said(at, self._line(text, register, at)))
        name = f"R{register}D{self._date(at)[6:]}{self._date(at)[:2]}{self._date(at)[3:5]}T{self._number}"
        truth = self._sales(name, register, lines, tender) if told is None else tuple(told)
        self._end(register, at, () if void else truth)
        return name

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Nobody asks a journal."""

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

    def _texts(
        self, lines: Sequence[Line], total_fen: int, tender: str, given_fen: int, void: bool, remark: str
    ) -> list[str]:
        texts = ["     ID CHECK SKIPPED" if self._ruby else "ID CHECK SKIPPED"] if remark else []
        texts += [self._item(line) for line in lines]
        if self._ruby:
            return [*texts, *self._ruby_payment(total_fen, tender, given_fen)]
        texts.append(self._named("TOTAL", total_fen))
        return [*texts, f"VOID TICKET {self._number}" if void else self._named(tender, given_fen)]

    def _item(self, line: Line) -> str:
        amount = self._money(line.amount_fen)
        if self._ruby:
            return f"\x01{line.flag:<2}{line.description} 00333  {line.quantity_count}    {amount}"
        return f"{line.flag:<2} {line.description:>20}{line.quantity_count:>4}{amount:>12} "

    def _named(self, name: str, amount_fen: int) -> str:
        return f"{name:>27}{self._money(amount_fen):>12} "

    def _ruby_payment(self, total_fen: int, tender: str, given_fen: int) -> list[str]:
        total, given = self._money(total_fen), self._money(given_fen)
        change = [f"           Change  $     -{self._money(given_fen - total_fen)}"] if given != total else []
        return [
            "                     ----------",
            f"         Sub Total         {total}",
            f"!!           TOTAL        {total}!",
            f"!!           TOTAL        {total}!",
            f"             {tender.title()}  $      {given}",
            *change,
        ]

    def _end(self, register: str, at: Monotonic, truth: tuple[Told, ...]) -> None:
        if self._ruby:
            number = f"REG# {int(register):04d} CSH# 010 DR# 01  TRAN# {self._number}"
            day = f"{self._date(at)}  {self._time(at)}           ST# GVG02"
            self._queue.append(_Said(at, self._line(number, register, at)))
            self._queue.append(_Said(at, self._line(day, register, at), truth))
            return
        number = f"ST#1{'':19}DR#1 TRAN#{self._number}" if self._prefix else self._sapphire_number()
        cashier = f"CSH: {CASHIER:<18}{self._date(at)} {self._time(at)}"
        line = self._line(number, register, at)
        self._queue.append(_Said(at, line.rstrip(b"\n") if self._prefix else line, truth))
        self._queue.append(_Said(at, self._line(cashier, register, at)))

    def _sapphire_number(self) -> str:
        return f"ST#  F0001 TILL XXXX DR# 1 TRAN# {self._number}"

    def _line(self, text: str, register: str, at: Monotonic) -> bytes:
        stamp = "" if self._ruby else f"{self._date(at)} {self._time(at)} {register} "
        return self._prefix + f"{stamp}{text}\n".encode("ascii")

    def _money(self, amount_fen: int) -> str:
        sign, digits = "-" * (amount_fen < 0), f"{abs(amount_fen):03d}"
        point = "." if self._decimals else ""
        return f"{sign}{digits[:-2]}{point}{digits[-2 : len(digits) - 2 + self._decimals]}"

    def _date(self, at: Monotonic) -> str:
        return f"{8 + at // (28 * DAY_MS) % 4:02d}/{1 + at // DAY_MS % 28:02d}/25"

    def _time(self, at: Monotonic) -> str:
        seconds = at // 1_000
        return f"{seconds // 3_600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def _sales(self, name: str, register: str, lines: Sequence[Line], tender: str) -> tuple[SalePaid, ...]:
        goods = tuple(
            BasketLine(
                " ".join(f"{line.flag:<2}{line.description}".split()) if self._ruby else line.description,
                1_000 * line.quantity_count,
                line.amount_fen,
            )
            for line in lines
            if not line.pump_no
        )
        fuel = [line for line in lines if line.pump_no]
        if not fuel:
            return (SalePaid(register, name, None, 0, tender, goods),)
        return tuple(
            SalePaid(
                register,
                name if place == 0 else f"{name}F{place + 1}",
                str(line.pump_no),
                line.amount_fen,
                tender,
                goods if place == 0 else (),
            )
            for place, line in enumerate(fuel)
        )
