"""What a receipt tells, by the site's patterns: does it add up, and what was sold?"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.patterns import LONGEST_LINE
from drivers.events import BasketLine, SalePaid, SaleRefunded
from drivers.feed import netted, sales_of

_ID_LENGTH, _NAME_LENGTH, _PRODUCT_LENGTH = 40, 20, 60
_NAMING = frozenset({"sale", "register", "date"})
_ONCE = (*_NAMING, "total", "change", "refund_of", "refund_date")
Reading = tuple[SalePaid | SaleRefunded, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a receipt is not reported: RECEIPT_UNMATCHED, RECEIPT_AMBIGUOUS, RECEIPT_IGNORED, NOT_ADDING_UP or
    REFUND_NOT_NAMED."""

    code: str


@dataclass
class _Found:
    """The words of a receipt that the patterns point at, still as printed."""

    once: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    goods: list[tuple[str, str, str]] = field(default_factory=list)
    is_ambiguous: bool = False
    is_ignored: bool = False

    def note(self, found: re.Match[str]) -> None:
        words = {name: text.strip() for name, text in found.groupdict().items() if text is not None}
        self.is_ignored |= "ignore" in words
        if "amount" in words:
            self.goods.append((words["product"], words.get("quantity", "1"), words["amount"]))
        for name, text in words.items():
            if name in _ONCE:
                self.is_ambiguous |= self.once.setdefault(name, text) != text
            elif name in ("fuel", "pump", "tender", "paid"):
                self.many.setdefault(name, []).append(text)


class Template:
    """The site's patterns, compiled."""

    def __init__(self, options: EscposTapOptions) -> None:
        self._options = options
        self._patterns = tuple(re.compile(pattern) for pattern in options.patterns)
        names = {name for pattern in self._patterns for name in pattern.groupindex}
        self._needs_tender = "tender" in names
        self._needs_paid = "paid" in names
        self._must_have = _NAMING & names | {"total"}

    def read(self, lines: Iterable[str]) -> Reading | Dropped:
        """What is to be reported of a receipt with these lines of text."""
        found = _Found()
        for line in lines:
            if match := self.find(line):
                found.note(match)
        if found.is_ignored:
            return Dropped("RECEIPT_IGNORED")
        if not self._must_have <= found.once.keys():
            return Dropped("RECEIPT_UNMATCHED")
        return Dropped("RECEIPT_AMBIGUOUS") if found.is_ambiguous else self._reading(found)

    def _is_whole(self, found: _Found) -> bool:
        """Where the template knows how the tender is printed, a sale without one has lost a line."""
        return not (
            (self._needs_tender and not any(found.many.get("tender", [])))
            or (self._needs_paid and not found.many.get("paid"))
        )

    def find(self, line: str) -> re.Match[str] | None:
        """What the first pattern that finds something finds in a line of text."""
        for pattern in self._patterns:
            if match := pattern.search(line[:LONGEST_LINE]):
                return match
        return None

    def _reading(self, found: _Found) -> Reading | Dropped:
        register = found.once.get("register") or self._options.register_id
        name = _name(found.once["sale"], found.once.get("date"))
        if not (0 < len(register) <= _NAME_LENGTH and 0 < len(name) <= _ID_LENGTH):
            return Dropped("RECEIPT_UNMATCHED")
        total_fen = self._money_fen(found.once["total"])
        if total_fen is None:
            return Dropped("RECEIPT_UNMATCHED")
        if "refund_of" in found.once:
            return self._refund(register, name, total_fen, found)
        if total_fen <= 0:
            return Dropped("REFUND_NOT_NAMED")
        return self._sales(register, name, total_fen, found)

    def _refund(self, register: str, name: str, total_fen: int, found: _Found) -> Reading | Dropped:
        """The sale of another day is not that of today with its number: without its date it has no name."""
        of_date = found.once.get("refund_date") if "date" in found.once else None
        of = _name(found.once["refund_of"], of_date)
        if len(of) > _ID_LENGTH or ("date" in found.once and not of_date):
            return Dropped("REFUND_NOT_NAMED")
        return (SaleRefunded(register, name, of, abs(total_fen)),)

    def _sales(self, register: str, name: str, total_fen: int, found: _Found) -> Reading | Dropped:
        pumps, amounts = found.many.get("pump", []), found.many.get("fuel", [])
        fuel_fen = [self._money_fen(text) for text in amounts]
        goods = [self._line(*words) for words in found.goods]
        if len(pumps) != len(amounts):
            return Dropped("RECEIPT_AMBIGUOUS")
        if None in fuel_fen or None in goods or not self._is_whole(found):
            return Dropped("RECEIPT_UNMATCHED")
        fuel = [(self._point(pump), amount or 0) for pump, amount in zip(pumps, fuel_fen, strict=True)]
        lines = [line for line in goods if line is not None]
        if not self._adds_up(total_fen, fuel, lines, found):
            return Dropped("NOT_ADDING_UP")
        kept = netted(lines)
        if kept is None or any(amount_fen <= 0 for _, amount_fen in fuel):
            return Dropped("REFUND_NOT_NAMED")
        return sales_of(register, name, fuel, kept, _tender(found)) or Dropped("RECEIPT_UNMATCHED")

    def _adds_up(
        self, total_fen: int, fuel: Sequence[tuple[str, int]], goods: Sequence[BasketLine], found: _Found
    ) -> bool:
        parts_fen = sum(amount_fen for _, amount_fen in fuel) + sum(line.amount_fen for line in goods)
        if self._options.total == "items" and parts_fen != total_fen:
            return False
        paid = [self._money_fen(text) for text in found.many.get("paid", [])]
        change_fen = self._money_fen(found.once["change"]) if "change" in found.once else 0
        if None in paid or change_fen is None:
            return False
        return not paid or sum(amount or 0 for amount in paid) - abs(change_fen) == total_fen

    def _line(self, product: str, quantity: str, amount: str) -> BasketLine | None:
        quantity_milli, amount_fen = _thousandths(quantity), self._money_fen(amount)
        if quantity_milli is None or amount_fen is None or not product:
            return None
        return BasketLine(product[:_PRODUCT_LENGTH], quantity_milli, amount_fen)

    def _point(self, pump: str) -> str:
        return self._options.points.get(pump, pump.lstrip("0") or pump)[:_NAME_LENGTH]

    def _money_fen(self, text: str) -> int | None:
        """An amount as printed ("1,234.50"), with exactly the site's decimals; None if it is none."""
        decimals = self._options.decimals
        point = rf"\.([0-9]{{{decimals}}})" if decimals else "()"
        found = re.fullmatch(rf"(-?)([0-9]{{1,8}}){point}", text.replace(",", "").replace(" ", ""))
        if found is None:
            return None
        hundredths = int(found[2] + found[3].ljust(2, "0"))
        return -hundredths if found[1] else hundredths


def _name(number: str, date: str | None) -> str:
    return number if date is None else f"{date} {number}"


def _thousandths(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,6})(?:\.([0-9]{1,3}))?", text)
    return int(found[1] + (found[2] or "").ljust(3, "0")) if found else None


def _tender(found: _Found) -> str:
    return "+".join(dict.fromkeys(found.many.get("tender", [])))[:_NAME_LENGTH]
