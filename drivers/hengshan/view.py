"""What the frames of the Hengshan FA line mean, for people."""

from collections.abc import Iterator

from drivers.hengshan import codec, words
from drivers.hengshan.codec import Frame, Piece
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.words import Confirmation, Meter, NoSale, Sale, Status
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, cut
from drivers.views import Check, Detail, Sender, View, joined, noise

_TITLES = {"host": "{}: question", "device": "{}: answer", "": "{}: question, or no such sale"}
_ORDERS = {0: "an amount", 1: "a volume", 2: "fill up"}


def explain(data: bytes, options: HengshanOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: HengshanOptions) -> Iterator[View]:
    cutter = codec.Cutter()
    last: Frame | None = None
    for piece in (*cutter.feed(data), cutter.forget()):
        frame = codec.frame_of(piece.body) if piece.body is not None else None
        yield _damaged(piece) if frame is None else _view(piece.raw, frame, _sender(frame, last), options)
        last = frame


def _damaged(piece: Piece) -> View:
    if piece.body is None:
        return noise(piece.raw)
    return View(piece.raw, "damaged frame", check=Check.WRONG)


def _sender(frame: Frame, last: Frame | None) -> Sender:
    """The same number heard twice in a row: a question, and the answer that there is no such sale."""
    sender = words.sender(frame)
    is_pair = words.asked_number(frame) is not None and last is not None
    if is_pair and last is not None and (last.address, last.data) == (frame.address, frame.data):
        return "device"
    return sender


def _view(raw: bytes, frame: Frame, sender: Sender, options: HengshanOptions) -> View:
    name = words.TITLES.get(frame.code, f"unknown command {frame.code:02X}")
    head = (
        Detail("address", f"{frame.address:02X}", f"fuelling point {frame.address}"),
        Detail("frame number", f"{frame.number:02X}", str(frame.number)),
    )
    check = (Detail("check value", "", "over the doubled bytes"),) if frame.checks_doubled else ()
    details = (*head, *_fields(frame, sender, options), *check)
    is_known = frame.code in words.TITLES
    return View(raw, _TITLES[sender].format(name) if is_known else name, sender, Check.OK, details)


def _fields(frame: Frame, sender: Sender, options: HengshanOptions) -> tuple[Detail, ...]:
    if not frame.data:
        return ()
    if sender == "host":
        return _asked(frame)
    number = words.asked_number(frame)
    if number is not None:
        meaning = f"{number}: no such sale" if sender == "device" else str(number)
        return (Detail("number of the sale", frame.data.hex(" ").upper(), meaning),)
    return _answered(frame, options) or (Detail("data", frame.data.hex(" ").upper()),)


def _asked(frame: Frame) -> tuple[Detail, ...]:
    data = frame.data
    if frame.code == codec.STATE:
        time = data.hex()
        shown = f"{time[:4]}-{time[4:6]}-{time[6:8]} {time[8:10]}:{time[10:12]}:{time[12:]}"
        return (Detail("time of day", data.hex(" ").upper(), shown),)
    if frame.code == codec.PRESET:
        order = Detail("order", f"{data[0]:02X}", _ORDERS.get(data[0], "unknown"))
        return (order, _number("value", data[1:]))
    if frame.code == codec.PRICE:
        return (_number("nozzle", data[:1]), _number("price", data[1:3]), _number("product", data[3:]))
    return (Detail("data", data.hex(" ").upper()),)


def _answered(frame: Frame, options: HengshanOptions) -> tuple[Detail, ...]:
    data, reply = frame.data, words.reply(frame)
    if isinstance(reply, Status):
        return _state(data, reply, options)
    if isinstance(reply, Meter):
        return (
            Detail("price", data[1:3].hex(" ").upper(), "binary or BCD, not known"),
            _number("number of the newest sale", data[3:7]),
            _volume("total", data[7:11], options.totalizer_decimals),
            *_rest(data[:1], data[11:]),
        )
    if isinstance(reply, Sale):
        price = cut(reply.unit_price_count, options.price_decimals, PRICE_DECIMALS)[0]
        return (
            _number("number of the sale, supposedly", data[:4]),
            Detail("unit price", data[6:8].hex(" ").upper(), f"{price} milli a litre"),
            _volume("volume", data[18:21], options.volume_decimals),
            _amount(data[22:25], options),
            *_rest(data[4:6] + data[8:18] + data[21:22], data[25:]),
        )
    if isinstance(reply, Confirmation):
        return (Detail("result", data.hex().upper(), "done" if reply.is_done else "not done"),)
    assert not isinstance(reply, NoSale), "a number alone is shown as a number"
    return ()


def _state(data: bytes, status: Status, options: HengshanOptions) -> tuple[Detail, ...]:
    state = Detail("state", f"{status.code:02X}", words.STATES.get(status.code, "unknown"))
    if status.volume_count is None:
        return (state, *_rest(b"", data[1:]))
    volume = _volume("volume", data[1:5], options.volume_decimals)
    return (state, volume, _amount(data[5:9], options), *_rest(b"", data[9:]))


def _rest(between: bytes, behind: bytes) -> tuple[Detail, ...]:
    named = (("not known", between), ("not known, behind it", behind))
    return tuple(Detail(name, part.hex(" ").upper()) for name, part in named if part)


def _number(name: str, data: bytes) -> Detail:
    return Detail(name, data.hex(" ").upper(), str(int.from_bytes(data, "big")))


def _volume(name: str, data: bytes, decimals: int) -> Detail:
    volume_ml = cut(int.from_bytes(data, "big"), decimals, LITRE_DECIMALS)[0]
    return Detail(name, data.hex(" ").upper(), f"{volume_ml} ml")


def _amount(data: bytes, options: HengshanOptions) -> Detail:
    count = int.from_bytes(data, "big")
    amount_fen = cut(count, options.amount_decimals, options.minor_decimals)[0]
    return Detail("amount", data.hex(" ").upper(), f"{amount_fen} fen")
