"""What a frame says: questions of a controller, answers of a dispenser (devices.md 4.2, [one]).

Both directions look alike, and on a loop both are heard as one stream; who speaks is told by the layout.
Numbers are binary, most significant byte first. Offsets in comments count from the FA, as the notes do.
"""

from dataclasses import dataclass
from typing import TypeAlias

from drivers.hengshan import codec
from drivers.hengshan.codec import Frame
from drivers.views import Sender

IDLE, CALLING, AUTHORISED, FUELLING, LIMIT, ENDED, LOCKED = 0, 1, 2, 3, 4, 5, 0xFF
STATES = {
    IDLE: "idle",
    CALLING: "calling, nozzle out",
    AUTHORISED: "authorised",
    FUELLING: "fuelling",
    LIMIT: "limit reached, sale not stored yet",
    ENDED: "ended, sale waits for its confirmation",
    LOCKED: "locked",
}
DONE = 0x55
TITLES = {
    codec.DEVICE_INFORMATION: "device information",
    codec.STATE: "state",
    codec.SALE: "sale",
    codec.TOTALS: "totals",
    codec.CONFIRM: "confirm sale",
    codec.PRESET: "authorise",
    codec.STOP: "stop",
    codec.PRICE: "set price",
}
ACTING = frozenset((codec.PRESET, codec.STOP, codec.PRICE))
"""Commands that move a pump; none is ever composed here."""
_TIME_BYTES, _NUMBER_BYTES, _ORDER_BYTES = 7, 4, 5
_SALE_BYTES, _TOTALS_BYTES, _FLOW_BYTES = 25, 11, 9
_CENTURIES = (0x19, 0x20, 0x21)


@dataclass(frozen=True, slots=True)
class Status:
    """Answer to 02. Volume and amount are told while fuel flows, None else."""

    code: int
    volume_count: int | None
    amount_count: int | None


@dataclass(frozen=True, slots=True)
class Meter:
    """Answer to 06: the number of the last sale (TTC), the volume totalizer, and a price that may be BCD."""

    sequence_no: int
    total_count: int
    price: bytes


@dataclass(frozen=True, slots=True)
class Sale:
    """Answer to 03. `echo_no`: the first four data bytes, where the number stands as far as is known [?]."""

    echo_no: int
    unit_price_count: int
    volume_count: int
    amount_count: int


@dataclass(frozen=True, slots=True)
class NoSale:
    """Answer to 03: there is none of this number."""

    sequence_no: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Answer to 14."""

    is_done: bool


Reply: TypeAlias = Status | Meter | Sale | NoSale | Confirmation


def sender(frame: Frame) -> Sender:
    """Who says `frame`; "" where both may: an 03 with a number alone is a question or "no such sale"."""
    size = len(frame.data)
    if frame.code == codec.STATE:
        return "host" if _is_time(frame.data) else "device"
    if frame.code in (codec.PRESET, codec.PRICE):
        return "host" if size == _ORDER_BYTES else "device"
    if frame.code == codec.SALE:
        return "" if size == _NUMBER_BYTES else "device"
    if frame.code in TITLES:
        return "device" if size else "host"
    return ""


def asked_number(frame: Frame) -> int | None:
    """The number of the sale that is asked for, if this is such a question."""
    if frame.code == codec.SALE and len(frame.data) == _NUMBER_BYTES:
        return int.from_bytes(frame.data, "big")
    return None


def number_bytes(sequence_no: int) -> bytes:
    return sequence_no.to_bytes(_NUMBER_BYTES, "big")


def reply(frame: Frame) -> Reply | None:
    """What a dispenser says with `frame`; None for what this driver has no use for."""
    data = frame.data
    if frame.code == codec.STATE and data and sender(frame) == "device":
        return _status(data)
    if frame.code == codec.TOTALS and len(data) >= _TOTALS_BYTES:
        return Meter(_number(data[3:7]), _number(data[7:11]), data[1:3])  # [9..12], [13..16], [7..8]
    if frame.code == codec.SALE and len(data) == _NUMBER_BYTES:
        return NoSale(_number(data))
    if frame.code == codec.SALE and len(data) >= _SALE_BYTES:
        # [6..9], [12..13], [24..26], [28..30]
        return Sale(_number(data[:4]), _number(data[6:8]), _number(data[18:21]), _number(data[22:25]))
    if frame.code == codec.CONFIRM and len(data) == 1:
        return Confirmation(data[0] == DONE)
    return None


def _status(data: bytes) -> Status:
    if len(data) < _FLOW_BYTES:
        return Status(data[0], None, None)
    return Status(data[0], _number(data[1:5]), _number(data[5:9]))  # [7..10], [11..14]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _is_time(data: bytes) -> bool:
    """Seven BCD bytes that begin with a century; a state is 0 to 5 or FF there."""
    return len(data) == _TIME_BYTES and data[0] in _CENTURIES and data.hex().isdecimal()
