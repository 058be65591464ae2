"""What AZT 2.0 frames mean, for people. A reply names neither channel nor command: it is read as the answer
to the question before it, else by its length."""

from collections.abc import Iterator

from drivers.azt2 import codec, words
from drivers.azt2.codec import Frame, Piece, Short
from drivers.azt2.options import AztOptions
from drivers.azt2.words import Asked, Command
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled
from drivers.views import Check, Detail, View, joined, noise

_SHORT = {
    Short.DONE: "done",
    Short.UNSUPPORTED: "command not supported",
    Short.NOT_NOW: "not possible now",
}
_TO_ALL = 0x57
"""General parameters go to all channels at once, without a channel."""


def explain(data: bytes, options: AztOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: AztOptions) -> Iterator[View]:
    reader, before = codec.Reader(), None
    for piece in reader.pieces(data):
        view, before = _piece(piece, before, options)
        yield view
    yield noise(reader.rest())


def _piece(piece: Piece, before: Asked | None, options: AztOptions) -> tuple[View, Asked | None]:
    """The view, and the question that the next piece may answer."""
    if isinstance(piece.said, Short):
        code = Detail("code", f"{piece.said:02X}", _SHORT[piece.said])
        return View(piece.data, _SHORT[piece.said], "device", Check.NONE, (code,)), None
    if piece.said is None:
        damaged = View(piece.data, "damaged frame", check=Check.WRONG)
        return (damaged if piece.is_torn else noise(piece.data)), None if piece.is_torn else before
    asked = words.asked(piece.said)
    if asked is not None:
        return _question(piece.data, piece.said, asked), asked
    if before is None and piece.said.plain[0] == _TO_ALL:
        data = _text("parameters", piece.said.plain[1:])
        return View(piece.data, "set general parameters of all", "host", Check.OK, (data,)), None
    title, details = _reply(piece.said, before, options)
    return View(piece.data, title, "device", Check.OK, details), None


def _question(data: bytes, frame: Frame, asked: Asked) -> View:
    title = words.TITLES.get(asked.command_code, "unknown command")
    details: tuple[Detail, ...] = (
        Detail("channel", f"{frame.start_code:02X} {frame.plain[0]:02X}", f"{asked.channel_no}"),
        Detail("command", f"{asked.command_code:02X}", title),
    )
    if len(frame.plain) > 2:
        details += (_text("data", frame.plain[2:]),)
    return View(data, f"question or command: {title}", "host", Check.OK, details)


def _reply(frame: Frame, before: Asked | None, options: AztOptions) -> tuple[str, tuple[Detail, ...]]:
    """Title and fields. Without a question before it, a reply is what its length says."""
    channel = () if before is None else (Detail("channel", "", f"{before.channel_no}, as was asked"),)
    for command in (Command.STATE, Command.SALE, Command.TOTALS, Command.RUNNING, Command.NUMBER):
        if before is None or before.command_code == command:
            fields = _fields(command, frame, options)
            if fields and not (before is None and command is Command.NUMBER):
                return words.TITLES[command], (*channel, *fields)
    title = (
        "reply" if before is None else f"reply: {words.TITLES.get(before.command_code, 'unknown command')}"
    )
    return title, (*channel, _text("data", frame.plain))


def _fields(command: Command, frame: Frame, options: AztOptions) -> tuple[Detail, ...]:
    if command is Command.STATE and (state := words.state(frame)) is not None:
        return _state(state)
    if command is Command.SALE and (sale := words.sale(frame, options)) is not None:
        return (
            _volume("volume", sale.volume, options.volume_decimals),
            _amount("amount", sale.amount, options),
            _price(sale.unit_price, options),
        )
    if command is Command.TOTALS and (totals := words.totals(frame)) is not None:
        return (
            _volume("total volume", totals.volume, options.totalizer_decimals),
            _amount("total amount", totals.amount, options),
        )
    if command is Command.RUNNING and len(frame.plain) == words.RUNNING_DIGITS and frame.plain.isdigit():
        return (_volume("volume so far", frame.plain.decode("ascii"), options.volume_decimals),)
    number = words.number(frame) if command is Command.NUMBER else None
    return () if number is None else (Detail("number", number, f"{int(number)}"),)


def _state(state: words.State) -> tuple[Detail, ...]:
    details = [Detail("state", state.code, words.STATES.get(state.code, "unknown"))]
    if state.reason:
        meaning = "more than preset, or not authorised" if state.reason == words.OVERRUN else "normal"
        details.append(Detail("reason", state.reason, meaning))
    if state.flags:
        details.append(
            Detail("flags", state.flags, "the pump has an error" if int(state.flags, 16) & 1 else "")
        )
    return tuple(details)


def _volume(name: str, digits: str, decimals: int) -> Detail:
    return Detail(name, digits, f"{scaled(digits, decimals, LITRE_DECIMALS)} ml")


def _amount(name: str, digits: str, options: AztOptions) -> Detail:
    minor = scaled(digits, options.amount_decimals, options.minor_decimals)
    return Detail(name, digits, f"{minor} minor units (fen)")


def _price(digits: str, options: AztOptions) -> Detail:
    milli = scaled(digits, options.price_decimals, PRICE_DECIMALS)
    return Detail("unit price", digits, f"{milli} milli a litre")


def _text(name: str, data: bytes) -> Detail:
    return Detail(name, data.decode("ascii", "backslashreplace"))
