"""What tallyline's frames mean, for people."""

from collections.abc import Iterator

from tallyline import codec
from tallyline.options import TallylineOptions

from drivers.views import Check, Detail, Sender, View, joined, noise

_TITLES: dict[int, tuple[str, Sender]] = {
    codec.ASK_DISPLAY: ("what does the display show?", "host"),
    codec.ASK_TOTALIZER: ("how far is the totalizer?", "host"),
    codec.DISPLAY: ("display", "device"),
    codec.TOTALIZER: ("totalizer", "device"),
}
_STATES = {codec.HUNG_UP: "hung up, the sale is over", codec.LIFTED: "lifted, the sale runs"}


def explain(data: bytes, options: TallylineOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data))


def _views(data: bytes) -> Iterator[View]:
    at = 0
    while at < len(data):
        length = codec.length_of(data[at : at + 3])
        piece = data[at : at + length] if length else b""
        is_whole = bool(piece) and len(piece) == length and not _hides_a_frame(piece, data[at:])
        yield _view(piece) if is_whole else noise(data[at : at + 1])
        at += len(piece) if is_whole else 1


def _hides_a_frame(piece: bytes, rest: bytes) -> bool:
    """True if `piece` is the torn beginning of one frame and the whole beginning of another."""
    if codec.decode(piece) is not None:
        return False
    return any(
        codec.decode(rest[start : start + (codec.length_of(rest[start : start + 3]) or 0)]) is not None
        for start in range(1, len(piece))
    )


def _view(piece: bytes) -> View:
    title, sender = _TITLES[piece[2]]
    frame = codec.decode(piece)
    if frame is None:
        return View(piece, title, sender, Check.WRONG)
    address = Detail("address", f"{frame.address:02X}", f"display {frame.address}")
    return View(piece, title, sender, Check.OK, (address, *_details(frame)))


def _details(frame: codec.Frame) -> tuple[Detail, ...]:
    if not frame.is_decimal:
        return (Detail("digits", frame.digits, "no decimals: not believed"),)
    if (total := codec.as_totalizer(frame)) is not None:
        nozzle = Detail("nozzle", total.nozzle, f"{int(total.nozzle)}")
        return (nozzle, Detail("totalizer", total.digits, f"{int(total.digits) * 10} ml"))
    shown = codec.as_display(frame)
    return _shown(shown) if shown is not None else ()


def _shown(shown: codec.Display) -> tuple[Detail, ...]:
    return (
        Detail("state", shown.state, _STATES.get(shown.state, "unknown")),
        Detail("nozzle", shown.nozzle, f"{int(shown.nozzle)}"),
        Detail("volume", shown.volume, f"{int(shown.volume) * 10} ml"),
        Detail("amount", shown.amount, f"{int(shown.amount)} fen"),
        Detail("unit price", shown.unit_price, f"{int(shown.unit_price) * 10} milli a litre"),
    )
