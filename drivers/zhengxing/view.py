"""What Zhengxing frames mean, for people: questions and replies, told apart by their lengths."""

from collections.abc import Iterator

from drivers.views import Check, Detail, View, joined, noise
from drivers.zhengxing import codec, commands, reading, words
from drivers.zhengxing.codec import Frame
from drivers.zhengxing.commands import Command
from drivers.zhengxing.options import ZhengxingOptions

_TITLES = {
    Command.PRESET_AMOUNT: "preset amount",
    Command.PRESET_VOLUME: "preset volume",
    Command.SET_PRICE: "set price",
    Command.STOP: "stop",
    Command.AUTHORISE: "authorise",
    Command.MODE: "control mode",
    Command.TOTALS: "totals",
    Command.STATE: "state",
    Command.PRICE: "price, density, clock",
    Command.HISTORIC: "historic sale",
    Command.SALE: "sale",
    Command.NOTHING: "no sale waits",
    Command.ACKNOWLEDGE: "acknowledge",
    Command.RUNNING: "fuelling in progress",
}
_ASKING = frozenset(
    (Command.TOTALS, Command.STATE, Command.PRICE, Command.HISTORIC, Command.SALE, Command.RUNNING)
)
_RESULTS = {0xBB: "done", 0xCC: "refused"}


def explain(data: bytes, options: ZhengxingOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: ZhengxingOptions) -> Iterator[View]:
    rest = data
    while (piece := codec.next_piece(rest, commands.BOTH, is_all=True)) is not None:
        size = len(piece.data)
        if piece.frame is not None:
            yield _frame(piece.frame, options)
        elif piece.is_torn and (size := _damaged_bytes(rest)):
            yield View(rest[:size], "damaged frame", check=Check.WRONG)
        else:
            size = len(piece.data)
            yield noise(piece.data)
        rest = rest[size:]


def _damaged_bytes(data: bytes) -> int:
    """How much of `data`, up to the next FC, has the shape of a frame; 0 if nothing has."""
    end = data.find(codec.HEAD, 1)
    size = len(data) if end < 0 else end
    return size if size in commands.lengths(data[1], commands.BOTH) else 0


def _frame(frame: Frame, options: ZhengxingOptions) -> View:
    title = _TITLES[frame.command]
    if frame.sender == "host":
        title = f"read {title}" if frame.command in _ASKING else title
    point = Detail("point", f"{frame.point:02X}", f"fuelling point {frame.point}")
    details = _told(frame, options) if frame.sender == "device" else _asked(frame, options)
    return View(frame.data, title, frame.sender, Check.OK, (point, *details))


def _asked(frame: Frame, options: ZhengxingOptions) -> Iterator[Detail]:
    data = frame.data
    match frame.command:
        case Command.PRESET_AMOUNT:
            yield _amount(data[3:6].hex(), options)
            yield Detail("type", data[6:7].hex())
            yield Detail("chain number", data[7:9].hex())
        case Command.PRESET_VOLUME:
            yield _volume(data[3:6].hex(), options)
            yield Detail("chain number", data[6:8].hex())
        case Command.ACKNOWLEDGE:
            yield Detail("chain number", data[3:5].hex(), "we have this sale")
        case Command.SET_PRICE:
            yield _price(data[3:5].hex(), options)
        case Command.MODE:
            yield Detail("mode", data[3:4].hex(), "open to the controller" if data[3] == 0xAA else "")


def _told(frame: Frame, options: ZhengxingOptions) -> Iterator[Detail]:
    data = frame.data
    yield _state(data[codec.STATE_AT])
    match frame.command:
        case Command.PRESET_AMOUNT | Command.PRESET_VOLUME | Command.SET_PRICE:
            yield Detail("result", data[4:5].hex(), _RESULTS.get(data[4], ""))
        case Command.TOTALS:
            totals = words.totals(frame)
            fen = reading.amount_fen(totals.amount_count, options)
            litres_ml = reading.total_ml(totals.volume_count, options)
            yield Detail("money total", f"{totals.amount_count}", f"{fen} fen")
            yield Detail("volume total", f"{totals.volume_count}", f"{litres_ml} ml")
            yield Detail("not known", data[12:-1].hex())
        case Command.RUNNING:
            volume, amount = words.running(frame)
            yield _volume(volume, options)
            yield _amount(amount, options)
            yield Detail("not known", data[10:-1].hex())
        case Command.PRICE:
            yield _price(words.price(frame), options)
            yield Detail("density, clock", data[6:-1].hex())
        case Command.SALE | Command.HISTORIC:
            yield from _sale(frame, options)
        case Command.NOTHING if len(data) > 5:
            yield Detail("not known", data[4:-1].hex())


def _sale(frame: Frame, options: ZhengxingOptions) -> Iterator[Detail]:
    sale, data = words.sale(frame), frame.data
    yield _amount(f"{sale.amount_count}", options)
    yield _volume(f"{sale.volume_count}", options)
    yield _price(sale.price, options)
    number = reading.chain_no(sale)
    yield Detail("chain number", sale.chain.hex(), "not a number" if number is None else f"{number}")
    yield Detail(
        "not known", f"{data[4:6].hex()} {data[11:19].hex()} {data[21:23].hex()} {data[25:35].hex()}"
    )


def _state(state: int) -> Detail:
    said = [words.STATES.get(state & 0x0F, f"state {state & 0x0F}")]
    said += ["a sale waits"] if state & words.SALE_WAITS else []
    said += ["nozzle lifted"] if state & words.NOZZLE_LIFTED else []
    return Detail("state", f"{state:02X}", ", ".join(said))


def _volume(digits: str, options: ZhengxingOptions) -> Detail:
    return Detail(
        "volume", digits, f"{reading.volume_ml(int(digits), options)} ml" if digits.isdecimal() else ""
    )


def _amount(digits: str, options: ZhengxingOptions) -> Detail:
    meaning = f"{reading.amount_fen(int(digits), options)} fen" if digits.isdecimal() else ""
    return Detail("amount", digits, meaning)


def _price(digits: str, options: ZhengxingOptions) -> Detail:
    milli = reading.price_milli(digits, options)
    return Detail("unit price", digits, "" if milli is None else f"{milli} milli a litre")
