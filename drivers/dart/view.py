"""What DART frames mean, for people: both directions, and both meanings where nobody knows who spoke."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame
from drivers.dart.options import DartOptions
from drivers.dart.reading import total_ml, volume_ml
from drivers.dart.words import Speaker, Word
from drivers.scales import PRICE_DECIMALS, scaled
from drivers.views import Check, Detail, Sender, View, joined, noise

_SHORT: dict[Control, tuple[str, Sender]] = {
    Control.POLL: ("poll", "host"),
    Control.ACKPOLL: ("acknowledge and poll", "host"),
    Control.EOT: ("nothing to say", "device"),
    Control.ACK: ("acknowledge", ""),
    Control.NAK: ("refuse", ""),
}


def explain(data: bytes, options: DartOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them. Who says a data frame is taken from its layout,
    else from the frame before it."""
    return joined(_views(data, options))


def redact(data: bytes, options: DartOptions) -> bytes:
    """`data` without the tags in its whole frames; lengths and check values stay right."""
    return b"".join(map(_redacted, codec.pieces(data)))


def _redacted(piece: bytes) -> bytes:
    found = codec.frame_in(piece)
    said = words.transactions(found[1].data) if found else None
    if found is None or said is None or words.TAG not in dict(said):
        return piece
    begin, frame = found
    # Another check value may need other DLEs: of all ways to fill the tag one that keeps the length is taken.
    ways = (codec.encode(replace(frame, data=_hidden(said, fill))) for fill in range(codec.SF))
    return piece[:begin] + min(ways, key=lambda way: abs(begin + len(way) - len(piece)))


def _hidden(said: Iterable[tuple[int, bytes]], fill: int) -> bytes:
    """The transactions with every byte of a tag replaced, but for those that a DLE stands before."""
    return b"".join(
        bytes((trans, len(body)))
        + (bytes(byte if byte == codec.SF else fill for byte in body) if trans == words.TAG else body)
        for trans, body in said
    )


def _views(data: bytes, options: DartOptions) -> Iterator[View]:
    before: Frame | None = None
    for piece in codec.pieces(data):
        found = codec.frame_in(piece)
        if found is None:
            yield (
                View(piece, "damaged frame", check=Check.WRONG) if codec.looks_whole(piece) else noise(piece)
            )
            before = None
            continue
        begin, frame = found
        yield noise(piece[:begin])
        yield _frame(piece[begin:], frame, before, options)
        before = frame


def _frame(piece: bytes, frame: Frame, before: Frame | None, options: DartOptions) -> View:
    details: tuple[Detail, ...] = (
        Detail("address", f"{frame.address:02X}", f"pump side {frame.address - codec.FIRST_ADDRESS + 1}"),
    )
    if frame.control is not Control.POLL:
        details += (Detail("TX number", f"{frame.tx_no:X}"),)
    if frame.control is not Control.DATA:
        title, sender = _SHORT[frame.control]
        return View(piece, title, sender, Check.NONE, details)
    speaker = words.only_one_says(frame.data) or _by_turn(frame, before)
    found = words.transactions(frame.data)
    if found is None:
        return View(piece, "data of wrong lengths", speaker, Check.OK, details)
    said = [_transaction(trans, body, speaker, options) for trans, body in found]
    title = ", ".join(title for title, _ in said)
    return View(piece, title, speaker, Check.OK, details + tuple(each for _, more in said for each in more))


def _by_turn(frame: Frame, before: Frame | None) -> Speaker:
    if before is None or before.address != frame.address:
        return ""
    return "device" if before.control in (Control.POLL, Control.ACKPOLL) else "host"


def _transaction(
    trans: int, body: bytes, speaker: Speaker, options: DartOptions
) -> tuple[str, tuple[Detail, ...]]:
    """Title and fields of one transaction; as both may mean it if nobody knows who says it."""
    by_pump = _of_pump(words.word(trans, body), options)
    by_host = _of_host(trans, body, options)
    if speaker == "device":
        return by_pump
    if speaker == "host":
        return by_host
    return f"{by_pump[0]} or {by_host[0]}", by_pump[1] + by_host[1]


def _of_pump(word: Word, options: DartOptions) -> tuple[str, tuple[Detail, ...]]:
    match word:
        case words.Status(code):
            return "state", (Detail("state", f"{code:02X}", words.STATES.get(code, "unknown")),)
        case words.Filling(volume, amount):
            minor = scaled(amount, options.amount_decimals, options.minor_decimals)
            return "display", (
                Detail("volume", volume, f"{volume_ml(word, options)} ml"),
                Detail("amount", amount, f"{minor} minor units (fen)"),
            )
        case words.Nozzle(price, number, is_out):
            where = "out" if is_out else "in"
            return "price and nozzle", (
                _price(price, options),
                Detail("nozzle", f"{number:X}", f"{number}, {where}"),
            )
        case words.Alarm(code):
            return "alarm", (Detail("alarm", f"{code:02X}", words.ALARMS.get(code, "unknown")),)
        case words.Parameters(volume_decimals, amount_decimals, price_decimals):
            return "parameters", (
                Detail("volume decimals", f"{volume_decimals:02X}", f"{volume_decimals}"),
                Detail("amount decimals", f"{amount_decimals:02X}", f"{amount_decimals}"),
                Detail("price decimals", f"{price_decimals:02X}", f"{price_decimals}"),
            )
        case words.Totals(counter, counts):
            return "totals", (Detail("counter", f"{counter:02X}"), *_counts(counter, counts, options))
    title = words.PUMP_TITLES.get(word.trans, f"transaction {word.trans:02X}")
    return title, (Detail("bytes", word.body.hex(" ")),)


def _counts(counter: int, counts: tuple[str, str, str], options: DartOptions) -> Iterator[Detail]:
    for name, digits in zip(("total", "meter 1", "meter 2"), counts, strict=True):
        is_volume = counter in words.VOLUME_COUNTERS
        yield Detail(name, digits, f"{total_ml(digits, options)} ml" if is_volume else "")


def _price(digits: str, options: DartOptions) -> Detail:
    milli = scaled(digits, options.price_decimals, PRICE_DECIMALS)
    return Detail("unit price", digits, f"{milli} milli a litre")


def _of_host(trans: int, body: bytes, options: DartOptions) -> tuple[str, tuple[Detail, ...]]:
    if trans == words.STATUS and len(body) == 1:
        command = words.COMMANDS.get(body[0], "unknown command")
        return f"command: {command}", (Detail("command", f"{body[0]:02X}", command),)
    if trans == words.TOTALS and len(body) == 1:
        return "question: totals", (Detail("counter", f"{body[0]:02X}"),)
    if trans == words.PRICES and len(body) % 3 == 0:
        prices = [words.digits(body[at : at + 3]) for at in range(0, len(body), 3)]
        return "set prices", tuple(_price(price, options) for price in prices if price is not None)
    title = words.HOST_TITLES.get(trans, f"transaction {trans:02X}")
    return title, (Detail("bytes", body.hex(" ")),)
