"""What the words and blocks of a Two-Wire line mean, for people: both directions.

A word means what it means by who says it: `6n` is "idle" behind the question for pump n's state, else the
question for its running money. Where nothing stands before it, both are shown.
"""

from collections.abc import Iterator

from drivers.gilbarco import codec, words
from drivers.gilbarco.codec import Command, State, Word
from drivers.gilbarco.options import GilbarcoOptions
from drivers.scales import LITRE_DECIMALS, PRICE_DECIMALS, scaled
from drivers.views import Check, Detail, Sender, View, joined, noise

COMMANDS = {
    Command.STATE: "question: state",
    Command.AUTHORISE: "authorise",
    Command.DATA_NEXT: "a block follows",
    Command.STOP: "stop",
    Command.SALE: "question: last sale",
    Command.TOTALS: "question: totals",
    Command.MONEY: "question: running money",
}
STATES = {
    State.ERROR: "error",
    State.IDLE: "idle",
    State.CALL: "nozzle up",
    State.AUTHORISED: "authorised",
    State.BUSY: "fuelling",
    State.PEOT: "sale complete (PEOT)",
    State.FEOT: "sale complete (FEOT)",
    State.STOPPED: "stopped",
    State.SEND_DATA: "send the block",
}
_FIELDS = {
    words.VOLUME_PRESET: "preset by volume",
    words.MONEY_PRESET: "preset by money",
    words.FILL_UP: "fill up",
    words.PRICE_LEVEL_1: "price level 1",
    words.PRICE_LEVEL_2: "price level 2",
    words.GRADE: "grade",
    words.PRICE: "unit price",
    words.VOLUME: "volume",
    words.MONEY: "amount",
    words.SPECIAL: "special function",
    words.LENGTH: "length",
}
_HOST_BLOCKS = {
    words.VOLUME_PRESET: "preset by volume",
    words.MONEY_PRESET: "preset by money",
    words.FILL_UP: "fill up",
}


def explain(data: bytes, options: GilbarcoOptions) -> tuple[View, ...]:
    """The words and blocks in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: GilbarcoOptions) -> Iterator[View]:
    before: Word | None = None
    for piece in _pieces(data):
        if len(piece) == 1 and piece[0] < codec.FIRST_BLOCK_WORD:
            yield _word(piece, Word(piece[0]), before)
            before = Word(piece[0])
            continue
        yield _longer(piece, before, options)
        before = None


def _pieces(data: bytes) -> Iterator[bytes]:
    """Blocks, runs of digits, and single bytes."""
    at = 0
    while at < len(data):
        end = at + 1
        if data[at] == codec.BEGIN:
            while end < len(data) and codec.FIRST_BLOCK_WORD <= data[end] < codec.BEGIN:
                end += 1
                if data[end - 1] == codec.END:
                    break
        elif _is_digit(data[at]):
            while end < len(data) and _is_digit(data[end]):
                end += 1
        yield data[at:end]
        at = end


def _is_digit(byte: int) -> bool:
    return codec.FIRST_BLOCK_WORD <= byte < codec.END


def _word(piece: bytes, word: Word, before: Word | None) -> View:
    is_command, is_state = word.high in set(Command), word.high in set(State)
    if not is_command and not is_state:
        return noise(piece)
    asked = (
        before is not None and before.pump == word.pump and before.high in (Command.STATE, Command.DATA_NEXT)
    )
    details = (Detail("pump", f"{word.code & 0x0F:X}", f"pump {word.pump}"),)
    if not is_command or (asked and word.high == State.IDLE):
        return View(piece, f"state: {STATES[State(word.high)]}", "device", Check.NONE, details)
    title = COMMANDS[Command(word.high)]
    if is_state and (asked or (before is None and word.high == State.IDLE)):
        return View(piece, f"{title}, or state: {STATES[State(word.high)]}", "", Check.NONE, details)
    return View(piece, title, "host", Check.NONE, details)


def _longer(piece: bytes, before: Word | None, options: GilbarcoOptions) -> View:
    if piece == bytes((codec.ALL_STOP,)):
        return View(piece, "all stop", "host")
    if piece[0] == codec.BEGIN and piece[-1] == codec.END:
        return _block(piece, options)
    is_money = before is not None and before.high == Command.MONEY and _is_digit(piece[0])
    if is_money and len(piece) in words.RUNNING_MONEY_WIDTHS:
        digits = "".join(f"{byte & 0x0F:X}" for byte in reversed(piece))
        return View(piece, "running money", "device", Check.NONE, (_amount("amount", digits, options),))
    return noise(piece)


def _block(piece: bytes, options: GilbarcoOptions) -> View:
    if not codec.is_whole(piece):
        return View(piece, "damaged block", check=Check.WRONG)
    title, sender = _title(piece)
    is_total = title == "totals"
    details = [_field(field, options, is_total=is_total) for field in words.fields(piece)[1:]]
    length = words.fields(piece)[0]
    if length.halves:
        is_right = "right" if words.has_right_length(piece) else "wrong"
        details.insert(0, Detail("length", _raw(length), is_right))
    return View(piece, title, sender, Check.OK, tuple(details))


def _title(piece: bytes) -> tuple[str, Sender]:
    if words.sale(piece) is not None:
        return "last sale", "device"
    if words.totals(piece):
        return "totals", "device"
    markers = [field.marker_code for field in words.fields(piece)[1:]]
    preset = next((title for marker, title in _HOST_BLOCKS.items() if marker in markers), None)
    if preset is not None and words.VOLUME not in markers:
        return preset, "host"
    if words.PRICE in markers and words.VOLUME not in markers:
        return "set price", "host"
    return "block", ""


def _field(field: words.Field, options: GilbarcoOptions, *, is_total: bool) -> Detail:
    name, raw = _FIELDS.get(field.marker_code, f"marker {field.marker_code:02X}"), _raw(field)
    if field.marker_code == words.PUMP:
        return Detail("pump or preset", raw)
    if field.digits is None:
        return Detail(name, raw)
    if field.marker_code == words.MONEY:
        return _amount(name, raw, options)
    if field.marker_code == words.VOLUME:
        volume_ml = scaled(
            raw, options.totalizer_decimals if is_total else options.volume_decimals, LITRE_DECIMALS
        )
        return Detail(name, raw, f"{volume_ml} ml")
    if field.marker_code in (words.PRICE, words.PRICE_LEVEL_1, words.PRICE_LEVEL_2):
        price_milli = scaled(raw, options.price_decimals, PRICE_DECIMALS)
        return Detail(name, raw, f"{price_milli} milli a litre")
    return Detail(name, raw)


def _raw(field: words.Field) -> str:
    """As a display shows it: most significant first."""
    return "".join(f"{half:X}" for half in reversed(field.halves))


def _amount(name: str, digits: str, options: GilbarcoOptions) -> Detail:
    if not digits.isdecimal():
        return Detail(name, digits)
    minor = scaled(digits, options.amount_decimals, options.minor_decimals)
    return Detail(name, digits, f"{minor} minor units (fen)")
