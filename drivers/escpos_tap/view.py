"""What a printer's line says, for people; and the receipts without anything but what makes the sales."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivers.escpos_tap.codec import Cutter, Piece, Row
from drivers.escpos_tap.commands import Kind
from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.receipt import Template
from drivers.tripwire import holds_card
from drivers.views import Detail, View, joined, noise

_TITLES = {
    Kind.LINE_END: "end of line",
    Kind.CUT: "cut: end of the receipt",
    Kind.PICTURE: "picture",
    Kind.BARCODE: "bar code",
    Kind.DRAWER: "open the drawer",
    Kind.MOVE: "move along the line",
    Kind.QUESTION: "question to the printer",
    Kind.COMMAND: "command",
    Kind.UNKNOWN: "unknown command",
}
_NOT_STARRED = b" \t"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """One command, or a printed line from its first letter to its end; `is_whole` if the end is there.

    Each of `pieces` with the place in the stream where it begins.
    """

    data: bytes
    pieces: Sequence[tuple[int, Piece]]
    is_whole: bool = True


def explain(data: bytes, options: EscposTapOptions) -> tuple[View, ...]:
    """The printed lines in `data`, with what the template finds in them, and the commands between them; a
    command or a line whose end is missing is noise."""
    return joined(_views(data, options))


def redact(data: bytes, options: EscposTapOptions) -> bytes:
    """Every length stays, and of the text what the template finds: so the same sales are read from it.

    All else that is printed becomes stars, pictures and bar codes too: a name, a number, a card.
    """
    kept, template = bytearray(data), Template(options)
    for stretch in _stretches(data):
        for at, piece in stretch.pieces:
            _star(kept, at, piece)
        for place in _found_places(stretch, template, options.encoding):
            kept[place] = data[place]
    return bytes(kept)


def _views(data: bytes, options: EscposTapOptions) -> Iterator[View]:
    template, told_bytes = Template(options), 0
    for stretch in _stretches(data):
        told_bytes += len(stretch.data)
        yield _view(stretch, template, options)
    yield noise(data[told_bytes:])


def _stretches(data: bytes) -> Iterator[_Stretch]:
    line: list[tuple[int, Piece]] = []
    at = 0
    for piece in Cutter().feed(data):
        if line and piece.kind is Kind.CUT:
            yield _Stretch(data[line[0][0] : at], line)
            line = []
        if line or piece.kind is Kind.TEXT:
            line.append((at, piece))
        else:
            yield _Stretch(data[at : at + piece.size_bytes], [(at, piece)])
        at += piece.size_bytes
        if line and piece.kind is Kind.LINE_END:
            yield _Stretch(data[line[0][0] : at], line)
            line = []
    if line:
        yield _Stretch(data[line[0][0] : at], line, is_whole=False)


def _view(stretch: _Stretch, template: Template, options: EscposTapOptions) -> View:
    if not stretch.is_whole:
        return noise(stretch.data)
    piece = stretch.pieces[0][1]
    if piece.kind is Kind.TEXT:
        return _line(stretch, template, options.encoding)
    raw = piece.data[:8].hex(" ")
    size = (
        (Detail("size", str(piece.size_bytes), f"{piece.size_bytes} bytes"),) if piece.size_bytes > 8 else ()
    )
    return View(stretch.data, _TITLES[piece.kind], "host", details=(Detail("bytes", raw), *size))


def _line(stretch: _Stretch, template: Template, encoding: str) -> View:
    text = _row(stretch).text.decode(encoding, "replace")
    match = template.find(text)
    found = match.groupdict() if match else {}
    groups = (Detail(name, words) for name, words in found.items() if words is not None)
    return View(stretch.data, "text", "host", details=(Detail("text", text), *groups))


def _row(stretch: _Stretch) -> Row:
    row = Row()
    for at, piece in stretch.pieces:
        row.take(piece, at)
    return row


def _found_places(stretch: _Stretch, template: Template, encoding: str) -> Sequence[int]:
    """Where in the data the words stand that a pattern finds; none of a line with a card number."""
    row = _row(stretch)
    text = row.text.decode(encoding, "replace")
    match = template.find(text)
    if match is None or text.encode(encoding, "replace") != row.text or holds_card(text):
        return ()
    begin, end = (len(text[:place].encode(encoding)) for place in match.span())
    return [place for place in row.places[begin:end] if place >= 0]


def _star(kept: bytearray, at: int, piece: Piece) -> None:
    """Text, and what follows the length of a command; its own bytes stay."""
    begin = at if piece.kind is Kind.TEXT else at + len(piece.data)
    for place in range(begin, at + piece.size_bytes):
        if kept[place] and kept[place] not in _NOT_STARRED:
            kept[place] = ord("*")
