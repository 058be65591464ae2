"""What the link's bytes mean, for people; and frames without what a member showed."""

from collections.abc import Iterator, Sequence

from drivers.pos_link.codec import ETX, STX, Control, Damaged, Framer, Intact, Token, frame
from drivers.pos_link.fields import Layout, Parsed, read
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.replies import REPLIES
from drivers.pos_link.requests import REQUESTS
from drivers.tripwire import holds_card
from drivers.views import Check, Detail, Sender, View, joined, noise

_CONTROLS = {
    int(Control.ENQ): "ENQ: may I speak?",
    int(Control.ACK): "ACK: go on, or arrived intact",
    int(Control.NAK): "NAK: not now, or arrived damaged",
    int(Control.EOT): "EOT: given up, or nothing to say",
}
_UNITS = {"ml": "ml", "fen": "fen", "milli": "thousandths", "minor": "minor units", "ms": "ms", "s": "s"}
_SHORTEST_FRAME = 4
_STARS = "*×※𠀀"
"""One to four bytes long, in the encodings that we know."""


def explain(data: bytes, options: PosLinkOptions) -> tuple[View, ...]:
    """The frames and single bytes in `data`, with all that lies between them."""
    return joined(
        view for piece, is_frame in _pieces(data) for view in _views(piece, is_frame, options.encoding)
    )


def redact(data: bytes, options: PosLinkOptions) -> bytes:
    """The same bytes with each credential, and each field that holds a card number, blanked letter by letter.

    Frames keep their length and get a right check; damaged ones become noise of the same length.
    """
    clean = bytearray()
    for piece, is_frame in _pieces(data):
        clean += _redacted(piece, options.encoding) if is_frame else piece
    return bytes(clean)


def _pieces(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """What lies between STX and the byte behind ETX, and single bytes outside. A second STX begins anew."""
    at = 0
    while at < len(data):
        end = data.find(ETX, at + 1) + 2 if data[at] == STX else 0
        anew = data.find(STX, at + 1)
        if end < _SHORTEST_FRAME or end > len(data) or 0 <= anew < end - 1:
            yield data[at : at + 1], False
            at += 1
        else:
            yield data[at:end], True
            at = end


def _views(piece: bytes, is_frame: bool, encoding: str) -> Iterator[View]:
    if not is_frame:
        title = _CONTROLS.get(piece[0])
        yield View(piece, title) if title else noise(piece)
        return
    token = _token(piece)
    if isinstance(token, Intact):
        yield _frame(piece, token.fields, encoding)
    else:
        fault = (Detail("wrong", token.fault),) if isinstance(token, Damaged) else ()
        yield View(piece, "damaged frame", check=Check.WRONG, details=fault)


def _token(piece: bytes) -> Token | None:
    tokens = Framer().feed(piece)
    return tokens[0] if len(tokens) == 1 else None


def _frame(piece: bytes, fields: Sequence[bytes], encoding: str) -> View:
    for layouts, sender in ((REQUESTS, "device"), (REPLIES, "host")):
        parsed = read(fields, layouts, encoding)
        if isinstance(parsed, Parsed):
            said_by: Sender = "device" if sender == "device" else "host"
            return View(piece, parsed.kind, said_by, Check.OK, _details(parsed))
    raw = tuple(
        Detail(f"field {place}", field.decode(encoding, "replace")) for place, field in enumerate(fields)
    )
    return View(piece, "unknown or malformed message", "", Check.OK, raw)


def _details(parsed: Parsed) -> tuple[Detail, ...]:
    named = [("number", str(parsed.number)), *parsed.values.items()]
    for place, row in enumerate((*parsed.rows, *(parsed.later_rows or ())), 1):
        named += [(f"{place}. {name}", text) for name, text in row.items()]
    return tuple(Detail(name, text, _meaning(name, text)) for name, text in named if text)


def _meaning(name: str, text: str) -> str:
    unit = _UNITS.get(name.rpartition("_")[2])
    return f"{int(text)} {unit}" if unit and "_" in name else ""


def _redacted(piece: bytes, encoding: str) -> bytes:
    token = _token(piece)
    if not isinstance(token, Intact):
        return b"?" * len(piece)
    fields = token.fields
    secret = _secret_places(fields)
    blanked = [
        _blank(field, encoding) if place in secret or holds_card(field.decode(encoding, "replace")) else field
        for place, field in enumerate(fields)
    ]
    return frame(blanked)


def _secret_places(fields: Sequence[bytes]) -> set[int]:
    """Where the layout of this kind of message has its credential."""
    layout: Layout | None = REQUESTS.get(fields[0].decode("ascii", "replace"))
    names = [slot.name for slot in layout.fields] if layout else []
    return {place for place, name in enumerate(names, 2) if name == "credential"}


def _blank(field: bytes, encoding: str) -> bytes:
    stars = {len(star.encode(encoding)): star.encode(encoding) for star in _STARS}
    letters = (letter.encode(encoding, "replace") for letter in field.decode(encoding, "replace"))
    blanked = b"".join(stars[len(letter)] for letter in letters)
    return blanked if len(blanked) == len(field) else b"*" * len(field)
