"""The older Ruby text: receipt lines without date and register, printed once or twice (NOTES.md, "Ruby").

A ticket is read line by line; a line that equals the one before it is the same line on receipt and journal.
The register's line gives the ticket's number, the date line after it the day: only then is it complete.
"""

import re

from drivers.verifone_journal.codec import (
    Change,
    End,
    Item,
    Meaning,
    Record,
    Remark,
    Tax,
    Tender,
    Total,
    money_fen,
    pump_of,
)

_AMOUNT = r"(?P<amount>-?[\d.]+)"
_ITEM = re.compile(rf"\x01 *(?P<text>\S.*?)(?: +\d{{5}})?(?: +(?P<quantity>\d{{1,4}}))? +{_AMOUNT}")
_TOTAL = re.compile(rf"!+ *TOTAL +{_AMOUNT}!?")
_SUB_TOTAL = re.compile(r" *Sub Total +-?[\d.]+")
_TAX = re.compile(rf" *Tax +{_AMOUNT}")
_TENDER = re.compile(rf" *(?P<name>[A-Z][A-Za-z .]*?) +\$ *{_AMOUNT}")
_REGISTER = re.compile(r"REG# *(\d{1,6}) CSH# *\d+ DR# *\d+ +TRAN# *(\d{1,10}) *")
_DAY = re.compile(r" *(\d\d)/(\d\d)/(\d\d) +\d\d:\d\d:\d\d +ST# *\S+ *")
_CORRECTION = re.compile(r"\*{3,} *ERROR CORRECT(?:ION)? *\*{3,}")
_STARS = re.compile(r"\*{8,}")
_READ = (_ITEM, _TOTAL, _SUB_TOTAL, _TAX, _TENDER, _REGISTER, _DAY, _CORRECTION, _STARS)
_CASHIER = re.compile(r"(CSH# *)(\d+)")


class RubyText:
    """Turns lines into records. It remembers the number of the ticket that is ending, and of the line before
    only whether it comes again: it may have named the cashier."""

    def __init__(self, decimals: int) -> None:
        self._decimals = decimals
        self.forget()

    def forget(self) -> None:
        self._last = 0
        self._correcting = self._is_listed = False
        self._ending: tuple[str, str] | None = None

    def read(self, line: bytes) -> Record | None:
        """The record of this line; None if it is no text."""
        if not all(0x20 <= byte <= 0x7E for byte in line.removeprefix(b"\x01")):
            self._last = 0
            return None
        text = line.decode("ascii").rstrip()
        repeated, self._last = hash(text) == self._last, hash(text)
        if repeated or self._in_correction(text):
            return Record("", Remark())
        if register := _REGISTER.fullmatch(text):
            self._ending, self._is_listed = (str(int(register[1])), register[2]), False
            return Record("", Remark())
        ending, self._ending = self._ending, None
        if ending and (day := _DAY.fullmatch(text)):
            return Record(ending[0], End(day[3] + day[1] + day[2], ending[1]))
        return Record("", self._meaning(text))

    def _in_correction(self, text: str) -> bool:
        """Between its two starred lines stand items that were rung up by mistake."""
        if _CORRECTION.fullmatch(text):
            self._correcting = True
            return True
        if self._correcting and _STARS.fullmatch(text):
            self._correcting = False
            return True
        return self._correcting

    def _meaning(self, text: str) -> Meaning:
        """Goods after the sub total are printed once more, not sold once more."""
        self._is_listed |= bool(_SUB_TOTAL.fullmatch(text))
        if self._is_listed and _ITEM.fullmatch(text):
            return Remark()
        for pattern in (_ITEM, _TOTAL, _TAX, _TENDER):
            if found := pattern.fullmatch(text):
                amount_fen = money_fen(found["amount"], self._decimals)
                return Remark() if amount_fen is None else _of(pattern, found, amount_fen)
        return Remark()


def without_persons(text: str) -> str:
    """The line as it may be kept: stars for all of it unless it is read, and no cashier's number."""
    if not any(pattern.fullmatch(text.rstrip()) for pattern in _READ):
        return re.sub(r"\S", "*", text)
    return _CASHIER.sub(lambda found: found[1] + "0" * len(found[2]), text)


def _of(pattern: re.Pattern[str], found: re.Match[str], amount_fen: int) -> Meaning:
    if pattern is _ITEM:
        description = " ".join(found["text"].split())
        return Item(description, int(found["quantity"] or 1), amount_fen, pump_of(description))
    if pattern is _TENDER:
        name = found["name"].upper()
        return Change(abs(amount_fen)) if name == "CHANGE" else Tender(name, amount_fen)
    return Total(amount_fen) if pattern is _TOTAL else Tax(amount_fen)
