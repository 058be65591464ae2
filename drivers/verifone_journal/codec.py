"""The journal's bytes: lines, and what each of them says (NOTES.md, "Lines"). Pure, both dialects' values.

A line has no check value. What it has is its shape: date, time, register and a body of forty columns, and a
line that lost or gained a byte no longer fits into them.
"""

import re
from dataclasses import dataclass

PREFIX = b"\x1bc0\x01\x1b!\x00"
"""Said before each record on the serial port: choose the journal, plain letters (ESC/POS)."""
LONGEST_LINE_BYTES = 160
_CUT = re.compile(rb"[\r\n]|" + re.escape(PREFIX))
_HEAD = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d) (\d{3}) (.{0,40})")
_BODY_COLUMNS = 40
_AMOUNT_COLUMN = 27
_ITEM = re.compile(r"(..) (.{20})( +\d+)")
_NAME = re.compile(r"[A-Z][A-Z0-9 ./&-]*")
_PUMP = re.compile(r".*\b(?:CA|CR) ?# ?(\d{1,2})")
_END = re.compile(r"ST# *\S.* DR# ?\d+ TRAN# *(\d{1,10}) *")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of goods or fuel; `pump` "" for goods. Negative: taken back or reduced."""

    description: str
    quantity_count: int
    amount_fen: int
    pump: str = ""

    @property
    def is_prepaid(self) -> bool:
        return bool(self.pump) and "PREPAY" in self.description


@dataclass(frozen=True, slots=True)
class Total:
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Tax:
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Tender:
    name: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Change:
    """Money handed back of what was tendered; positive."""

    amount_fen: int


@dataclass(frozen=True, slots=True)
class End:
    """The ticket's last line but one: its number, with the day (YYMMDD) that makes it unique."""

    day: str
    transaction: str


@dataclass(frozen=True, slots=True)
class Voided:
    """This ticket is not to be."""


@dataclass(frozen=True, slots=True)
class Cashier:
    """Who served: the name is not kept. Nothing of a ticket comes after it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Anything else that is readable: ID CHECK SKIPPED, MANUAL ENTRY OVERRIDE, sub totals."""


Meaning = Item | Total | Tax | Tender | Change | End | Voided | Cashier | Remark


@dataclass(frozen=True, slots=True)
class Record:
    """One line, and which register says it ("" until the older dialect names it at the ticket's end)."""

    register: str
    meaning: Meaning


class Reader:
    """Cuts a stream into lines: at CR, LF and the record prefix. Memory stays below `LONGEST_LINE_BYTES`."""

    def __init__(self) -> None:
        self.too_long = 0
        self._buffer = bytearray()
        self._skipping = False

    @property
    def inside_line(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without what separated them; no empty ones."""
        self._buffer += data
        lines = []
        while (cut := _CUT.search(self._buffer)) is not None:
            line = bytes(self._buffer[: cut.start()])
            del self._buffer[: cut.end()]
            if line and not self._skipping:
                lines.append(line)
            self._skipping = False
        self._limit()
        return lines

    def flush(self) -> list[bytes]:
        """What stands there unfinished, as if it were a line."""
        return self.feed(b"\n")

    def forget(self) -> None:
        self._buffer.clear()
        self._skipping = False

    def _limit(self) -> None:
        """Keep of an endless line what may be the beginning of a prefix."""
        if len(self._buffer) > LONGEST_LINE_BYTES:
            self.too_long += not self._skipping
            self._skipping = True
            del self._buffer[: 1 - len(PREFIX)]


def read_line(line: bytes, decimals: int) -> Record | None:
    """What a line of the dialect "journal" says; None if it is none (torn, damaged, noise)."""
    head = _HEAD.fullmatch(line.decode("ascii", "replace")) if is_printable(line) else None
    if head is None:
        return None
    month, day, year, hour, minute, second, register, body = head.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour) < 24 and int(minute) < 60):
        return None
    meaning = _read_body(body, year + month + day, decimals)
    return None if meaning is None or int(second) > 59 else Record(register, meaning)


def is_printable(line: bytes) -> bool:
    return all(0x20 <= byte <= 0x7E for byte in line)


def money_fen(text: str, decimals: int) -> int | None:
    """An amount as printed, with exactly so many decimals, in hundredths; None if it is none."""
    point = rf"\.(\d{{{decimals}}})" if decimals else "()"
    found = re.fullmatch(rf"(-?)(\d{{1,8}}){point}", text)
    if found is None:
        return None
    hundredths = int(found[2] + found[3].ljust(2, "0"))
    return -hundredths if found[1] else hundredths


def pump_of(description: str) -> str:
    """The pump in "UNLD CA #03", without leading zeros: "3"; "" where it is not fuel."""
    found = _PUMP.fullmatch(description)
    return str(int(found[1])) if found else ""


def _read_body(body: str, day: str, decimals: int) -> Meaning | None:
    if body.startswith("CSH:"):
        return Cashier()
    if body.strip().startswith(("VOID TICKET", "TRANSACTION SUSPENDED")):
        return Voided()
    if (end := _END.fullmatch(body)) and len(body) == _BODY_COLUMNS:
        return End(day, end[1])
    if len(body) < _BODY_COLUMNS or not any(map(str.isdigit, body[_AMOUNT_COLUMN:])):
        return None if body.startswith("ST#") else Remark()
    amount_fen = money_fen(body[_AMOUNT_COLUMN:-1].strip(), decimals) if body.endswith(" ") else None
    return None if amount_fen is None else _read_money(body[:_AMOUNT_COLUMN], amount_fen)


def _read_money(label: str, amount_fen: int) -> Meaning | None:
    if item := _ITEM.fullmatch(label):
        description = item[2].strip()
        return Item(description, int(item[3]), amount_fen, pump_of(description)) if description else None
    name = label.strip()
    if _NAME.fullmatch(name) is None:
        return None
    match name:
        case "TOTAL":
            return Total(amount_fen)
        case "SUB TOTAL" | "SUBTOTAL":
            return Remark()
        case "TAX":
            return Tax(amount_fen)
        case "CHANGE":
            return Change(abs(amount_fen))
    return Tender(name, amount_fen)
