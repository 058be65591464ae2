"""What a printer's line says, for people; and the receipts without the names and cards on them."""

from collections.abc import Iterator

from drivers.escpos_tap.codec import Cutter, Piece
from drivers.escpos_tap.commands import Kind
from drivers.escpos_tap.options import EscposTapOptions
from drivers.tripwire import holds_card
from drivers.views import Detail, View, joined, noise

_TITLES = {
    Kind.TEXT: "text",
    Kind.LINE_END: "end of line",
    Kind.CUT: "cut: end of the receipt",
    Kind.PICTURE: "picture",
    Kind.BARCODE: "bar code",
    Kind.DRAWER: "open the drawer",
    Kind.QUESTION: "question to the printer",
    Kind.COMMAND: "command",
    Kind.UNKNOWN: "unknown command",
}


def explain(data: bytes, options: EscposTapOptions) -> tuple[View, ...]:
    """The pieces of `data`; a command whose end is missing is noise."""
    return joined(_views(data, options))


def redact(data: bytes, options: EscposTapOptions) -> bytes:
    """Stars for the digits of every text that holds a card number; every length stays.

    What else names a person on this site's receipts no protocol says: look before a recording is given away.
    """
    kept, at = bytearray(data), 0
    for piece in Cutter().feed(data):
        if piece.kind is Kind.TEXT and holds_card(piece.data.decode(options.encoding, "replace")):
            kept[at : at + piece.size_bytes] = bytes(_star(byte) for byte in piece.data)
        at += piece.size_bytes
    return bytes(kept)


def _star(byte: int) -> int:
    return ord("*") if ord("0") <= byte <= ord("9") else byte


def _views(data: bytes, options: EscposTapOptions) -> Iterator[View]:
    at = 0
    for piece in Cutter().feed(data):
        yield _view(data[at : at + piece.size_bytes], piece, options)
        at += piece.size_bytes
    yield noise(data[at:])


def _view(data: bytes, piece: Piece, options: EscposTapOptions) -> View:
    if piece.kind is Kind.TEXT:
        text = piece.data.decode(options.encoding, "replace")
        return View(data, "text", "host", details=(Detail("text", text),))
    raw = piece.data[:8].hex(" ")
    size = (Detail("size", str(piece.size_bytes), f"{piece.size_bytes} bytes"),) if len(data) > 8 else ()
    return View(data, _TITLES[piece.kind], "host", details=(Detail("bytes", raw), *size))
