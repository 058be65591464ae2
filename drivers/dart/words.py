"""What a data frame says: transactions `TRANS LNG bytes`, each read by who speaks it (devices.md 3.2).

The pump's are DCn, the controller's CDn, and the same number means different things. Digits are packed
BCD, most significant first, and are kept as text. Only the reading questions can be composed here.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Speaker = Literal["host", "device", ""]

STATUS, FILLING, NOZZLE, ALARM, PARAMETERS, IDENTITY, TOTALS = 0x01, 0x02, 0x03, 0x05, 0x07, 0x09, 0x65

STATES = {
    0: "not programmed",
    1: "reset",
    2: "authorised",
    4: "filling",
    5: "filling complete",
    6: "preset reached",
    7: "switched off",
    8: "suspended",
}
ALARMS = {
    0x1: "CPU reset",
    0x3: "RAM",
    0x4: "PROM",
    0x6: "pulser",
    0x7: "pulser current",
    0x9: "emergency stop",
    0xA: "power fail",
    0xB: "pressure",
    0xC: "blend",
    0xD: "leak",
    0xE: "leak",
}
COMMANDS = {
    0x00: "return state",
    0x02: "return parameters",
    0x03: "return identity",
    0x04: "return filling data",
    0x05: "reset",
    0x06: "authorise",
    0x08: "stop",
    0x0A: "switch off",
    0x0D: "suspend",
    0x0E: "resume",
    0x0F: "return prices",
}
TAG = 0x68
"""CD104 and DC104, with some makers what a customer holds to the pump [?]."""
READING_COMMANDS = frozenset((0x00, 0x02, 0x03, 0x04, 0x0F))

PRICES = 0x05
"""CD5; as DC5 it is an alarm."""
HOST_TITLES = {
    0x02: "allow nozzles",
    0x03: "preset volume",
    0x04: "preset amount",
    0x09: "set parameters",
    0x0D: "cash or credit",
    0x0E: "suspend nozzle",
    0x0F: "resume nozzle",
    TAG: "tag",
}
PUMP_TITLES = {IDENTITY: "identity", TAG: "tag"}
VOLUME_COUNTERS = range(1, 10)
"""Counters 01 to 09 are volumes of the logical nozzles, 11 to 19 amounts [one]."""

ASK_STATE = bytes((STATUS, 1, 0x00))
ASK_FILLING = bytes((STATUS, 1, 0x04))
ASK_PRICES = bytes((STATUS, 1, 0x0F))

_FIRST_DECIMALS_AT = 22
"""DC7: bytes 22, 23, 24 are the decimals of volume, amount and price [?]."""
_MOST_DECIMALS = 6
_HOST_ONLY = frozenset((0x04, 0x0D, 0x0E, 0x0F))


def ask_totals(nozzle: int) -> bytes:
    """CD101: the counters of a logical nozzle."""
    return bytes((TOTALS, 1, nozzle))


@dataclass(frozen=True, slots=True)
class Status:
    """DC1, one of `STATES` (others may exist)."""

    code: int


@dataclass(frozen=True, slots=True)
class Filling:
    """DC2: what the display shows, 8 digits each."""

    volume: str
    amount: str


@dataclass(frozen=True, slots=True)
class Nozzle:
    """DC3: price (6 digits) and logical nozzle, 0 for none."""

    price: str
    number: int
    is_out: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """DC5, one of `ALARMS` (others may exist)."""

    code: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """DC7: decimal places, as far as the pump tells them."""

    volume_decimals: int
    amount_decimals: int
    price_decimals: int


@dataclass(frozen=True, slots=True)
class Totals:
    """DC101: three counters of ten digits; the first is the total, the others of two meters [one]."""

    counter_no: int
    counts: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Other:
    """A transaction that this driver has no use for, or whose bytes are no digits."""

    trans: int
    body: bytes


Word: TypeAlias = Status | Filling | Nozzle | Alarm | Parameters | Totals | Other


def transactions(data: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """`data` cut into (TRANS, bytes); None if the lengths do not add up."""
    found, at = [], 0
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return None
        found.append((data[at], data[at + 2 : at + 2 + data[at + 1]]))
        at += 2 + data[at + 1]
    return tuple(found)


def words(data: bytes) -> tuple[Word, ...]:
    """What the pump says with `data`, () if the lengths do not add up."""
    return tuple(word(trans, body) for trans, body in transactions(data) or ())


def only_one_says(data: bytes) -> Speaker:
    """Who says `data`, where its layout tells: status, nozzle and their twins CD1 and CD3 do not."""
    speakers = {_speaker(trans, body) for trans, body in transactions(data) or ()} - {""}
    return speakers.pop() if len(speakers) == 1 else ""


def digits(bcd: bytes) -> str | None:
    """Packed BCD as text, None if a half-byte is no digit."""
    text = bcd.hex()
    return text if text.isdecimal() else None


def word(trans: int, body: bytes) -> Word:
    """One transaction of the pump."""
    found: Word | None = None
    if trans == STATUS and len(body) == 1:
        found = Status(body[0])
    elif trans == FILLING and len(body) == 8:
        found = _filling(body)
    elif trans == NOZZLE and len(body) == 4:
        found = _nozzle(body)
    elif trans == ALARM and len(body) == 1:
        found = Alarm(body[0])
    elif trans == PARAMETERS:
        found = _parameters(body)
    elif trans == TOTALS and len(body) == 16:
        found = _totals(body)
    return Other(trans, body) if found is None else found


def _filling(body: bytes) -> Filling | None:
    volume, amount = digits(body[:4]), digits(body[4:])
    return None if volume is None or amount is None else Filling(volume, amount)


def _nozzle(body: bytes) -> Nozzle | None:
    price = digits(body[:3])
    return None if price is None else Nozzle(price, body[3] & 0x0F, bool(body[3] & 0x10))


def _parameters(body: bytes) -> Parameters | None:
    decimals = body[_FIRST_DECIMALS_AT : _FIRST_DECIMALS_AT + 3]
    return Parameters(*decimals) if len(decimals) == 3 and max(decimals) <= _MOST_DECIMALS else None


def _totals(body: bytes) -> Totals | None:
    first, second, third = digits(body[1:6]), digits(body[6:11]), digits(body[11:])
    if first is None or second is None or third is None:
        return None
    return Totals(body[0], (first, second, third))


def _speaker(trans: int, body: bytes) -> Speaker:
    if trans in _HOST_ONLY:
        return "host"
    if trans == TOTALS:
        return "host" if len(body) == 1 else "device"
    if trans == FILLING:
        # A list of allowed nozzles has no zero in it, nearly every display has.
        return "host" if len(body) != 8 else "device" if 0 in body else ""
    if trans == NOZZLE:
        return "" if len(body) == 4 and body[3] < 0x20 else "host"
    if trans == ALARM:
        return "device" if len(body) == 1 else "host"
    if trans == PARAMETERS:
        return "device"
    if trans == IDENTITY:
        return "device" if len(body) == 5 else "host"
    return ""
