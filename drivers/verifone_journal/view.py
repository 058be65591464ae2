"""What a journal's lines mean, for people; and the journal without the names in it."""

import re
from collections.abc import Iterator

from drivers.tripwire import masked
from drivers.verifone_journal.codec import (
    PREFIX,
    Cashier,
    Change,
    End,
    Item,
    Meaning,
    Record,
    Remark,
    Tax,
    Tender,
    Total,
    Voided,
    read_line,
)
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.ruby import RubyText, without_persons
from drivers.views import Detail, View, joined, noise

_PIECES = re.compile(rb"(?:" + re.escape(PREFIX) + rb")|[\r\n]+|[^\x1b\r\n]+|\x1b")
_BODY_COLUMN = 22


def explain(data: bytes, options: VerifoneJournalOptions) -> tuple[View, ...]:
    """The lines in `data`, each with the separator behind it, and the noise between them."""
    return joined(_views(data, options))


def redact(data: bytes, options: VerifoneJournalOptions) -> bytes:
    """What makes the sales stays, with stars for card numbers; whatever else the lines say becomes stars, the
    cashier's name among it. Every length stays, and it is read as before."""
    return b"".join(_redacted(found.group(), options) for found in _PIECES.finditer(data))


def _redacted(piece: bytes, options: VerifoneJournalOptions) -> bytes:
    if piece == PREFIX or piece.strip(b"\r\n") == b"":
        return piece
    if not piece.removeprefix(b"\x01").isascii():
        return b"*" * len(piece)
    text = piece.decode("ascii")
    if options.dialect == "ruby":
        return masked(without_persons(text)).encode("ascii")
    record = read_line(piece, options.decimals)
    if record is None:
        return _starred(text).encode("ascii")
    kept = {Cashier: _BODY_COLUMN + len("CSH:"), Remark: _BODY_COLUMN}.get(type(record.meaning), len(text))
    return masked(text[:kept] + _starred(text[kept:])).encode("ascii")


def _starred(text: str) -> str:
    return re.sub(r"\S", "*", text)


def _views(data: bytes, options: VerifoneJournalOptions) -> Iterator[View]:
    ruby = RubyText(options.decimals) if options.dialect == "ruby" else None
    for found in _PIECES.finditer(data):
        piece = found.group()
        if piece == PREFIX:
            yield View(piece, "begin of a record", "device")
        elif piece.strip(b"\r\n") == b"":
            yield View(piece, "end of line", "device")
        else:
            record = ruby.read(piece) if ruby else read_line(piece, options.decimals)
            yield _line(piece, record) if record else noise(piece)


def _line(piece: bytes, record: Record) -> View:
    title, details = _said(record.meaning)
    register = (Detail("register", record.register),) if record.register else ()
    return View(piece, title, "device", details=(*register, *details))


def _said(meaning: Meaning) -> tuple[str, tuple[Detail, ...]]:
    match meaning:
        case Item(description, quantity_count, amount_fen, pump):
            where = (Detail("pump", pump, f"fuelling point {pump}"),) if pump else ()
            quantity = Detail("quantity", str(quantity_count))
            return "fuel" if pump else "goods", (
                Detail("description", description),
                quantity,
                _money("amount", amount_fen),
                *where,
            )
        case Total(amount_fen):
            return "total", (_money("total", amount_fen),)
        case Tax(amount_fen):
            return "tax", (_money("tax", amount_fen),)
        case Change(amount_fen):
            return "change", (_money("change", amount_fen),)
        case Tender(name, amount_fen):
            return "tender", (Detail("name", name), _money("amount", amount_fen))
        case End(day, transaction):
            return "ticket number", (Detail("day", day, "YYMMDD"), Detail("TRAN#", transaction))
        case Voided():
            return "ticket voided", ()
        case Cashier():
            return "cashier (the name is not kept)", ()
        case Remark():
            return "remark", ()


def _money(name: str, amount_fen: int) -> Detail:
    return Detail(name, str(amount_fen), f"{amount_fen} fen")
