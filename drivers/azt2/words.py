"""What AZT 2.0 commands and replies mean (devices.md 7, NOTES.md). Digits are kept as they are sent."""

from dataclasses import dataclass
from enum import IntEnum

from drivers.azt2.codec import Frame, Said
from drivers.azt2.options import AztOptions

HUNG_UP, LIFTED, AUTHORISED, FLOWS, FINISHED, LOCAL_PRESET = "0", "1", "2", "3", "4", "8"
AT_REST = (HUNG_UP, LIFTED, LOCAL_PRESET)
IN_USE = (AUTHORISED, FLOWS)
OVERRUN = "1"
"""The reason behind state 4: more than the preset flowed, or fuel that nobody authorised."""
STATES = {
    HUNG_UP: "nozzle hung up",
    LIFTED: "nozzle lifted",
    AUTHORISED: "authorised",
    FLOWS: "fuel flows",
    FINISHED: "finished, waits to be confirmed",
    LOCAL_PRESET: "preset at the pump",
}
SHORTEST_TOTAL_DIGITS, LONGEST_TOTAL_DIGITS = 8, 16
LONGEST_NUMBER_DIGITS = 10
LONGEST_STATE_BYTES = 3
RUNNING_DIGITS = 6


class Command(IntEnum):
    """Those that this driver says in some mode, and those that it hears of."""

    STATE = 0x31
    AUTHORISE = 0x32
    RESET = 0x33
    RUNNING = 0x34
    SALE = 0x35
    TOTALS = 0x36
    CONFIRM = 0x38
    VERSION = 0x50
    NUMBER = 0x59


TITLES: dict[int, str] = {
    Command.STATE: "state",
    Command.AUTHORISE: "authorise",
    Command.RESET: "reset",
    Command.RUNNING: "running volume",
    Command.SALE: "sale",
    Command.TOTALS: "totals",
    0x37: "type",
    Command.CONFIRM: "confirm sale",
    0x39: "extended state",
    0x4C: "extended parameters",
    0x4E: "read parameters",
    0x4F: "write parameters",
    Command.VERSION: "version",
    0x51: "set price",
    0x52: "set slow-down volume",
    0x53: "preset amount",
    0x54: "preset volume",
    0x55: "top up",
    0x56: "forced start",
    0x57: "general parameters",
    0x58: "preset dose",
    Command.NUMBER: "transaction number",
    0x5B: "show error",
    0x5C: "internal error",
    0x5D: "network number",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was heard on the wire."""

    channel_no: int
    command_code: int


@dataclass(frozen=True, slots=True)
class State:
    """Answer to 31. `reason` and `flags` only with state 4, "" where they are not sent."""

    code: str
    reason: str = ""
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """Answer to 35: the pump's register of the present or last fuelling."""

    volume: str
    amount: str
    unit_price: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Answer to 36: what the nozzle has sold in its life. Volume and amount have the same width."""

    volume: str
    amount: str


def asked(frame: Frame) -> Asked | None:
    """The question that this frame is, None for a reply."""
    channel = frame.channel
    return None if channel is None else Asked(channel, frame.plain[1])


def state(said: Said) -> State | None:
    """Each of up to three bytes is 30h and four bits."""
    if not isinstance(said, Frame) or not 1 <= len(said.plain) <= LONGEST_STATE_BYTES:
        return None
    if any(byte >> 4 != 0x3 for byte in said.plain):
        return None
    return State(*(f"{byte & 0x0F:X}" for byte in said.plain))


def sale(said: Said, options: AztOptions) -> Sale | None:
    """None if the widths are not those of the options."""
    volume, amount, price = options.volume_digits, options.amount_digits, options.price_digits
    text = _digits(said, volume + amount + price, volume + amount + price)
    if not text:
        return None
    return Sale(text[:volume], text[volume : volume + amount], text[volume + amount :])


def totals(said: Said) -> Totals | None:
    text = _digits(said, 2 * SHORTEST_TOTAL_DIGITS, 2 * LONGEST_TOTAL_DIGITS)
    half = len(text) // 2
    return Totals(text[:half], text[half:]) if text and len(text) % 2 == 0 else None


def number(said: Said) -> str | None:
    return _digits(said, 1, LONGEST_NUMBER_DIGITS) or None


def _digits(said: Said, shortest: int, longest: int) -> str:
    """The reply as digits, "" if it is none of such a length."""
    if not isinstance(said, Frame) or not shortest <= len(said.plain) <= longest:
        return ""
    return said.plain.decode("ascii") if said.plain.isdigit() else ""
