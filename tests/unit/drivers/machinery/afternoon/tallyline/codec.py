"""Bytes and frames of the tallyline protocol. Pure: no time, no state of the conversation.

A frame is `A5`, address, function, digits in BCD, and the sum of all before it modulo 256. Each function has
one length (NOTES.md, the page of facts).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import sum_mod_256

START = 0xA5
FIRST_ADDRESS, LAST_ADDRESS = 1, 31
ASK_DISPLAY, ASK_TOTALIZER, DISPLAY, TOTALIZER = 0x11, 0x12, 0x91, 0x92
HUNG_UP, LIFTED = "00", "01"
_DIGIT_BYTES = {ASK_DISPLAY: 0, ASK_TOTALIZER: 0, DISPLAY: 10, TOTALIZER: 4}
_HEAD_BYTES, _CHECK_BYTES = 3, 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose check value holds. `digits` are hexadecimal, as sent: they may be no decimals."""

    address: int
    function: int
    digits: str = ""

    @property
    def is_decimal(self) -> bool:
        return self.digits.isdecimal() or not self.digits


@dataclass(frozen=True, slots=True)
class Display:
    """What a display shows, as its digits: volume in 10 ml, amount in fen, price in fen a litre."""

    state: str
    nozzle: str
    volume: str
    amount: str
    unit_price: str


@dataclass(frozen=True, slots=True)
class Totalizer:
    """How far a nozzle's totalizer is, as its digits, in 10 ml."""

    nozzle: str
    digits: str


def address_of(text: str) -> int:
    """The address byte from its decimal number, as in "3". Raises ValueError."""
    address = int(text)
    if not FIRST_ADDRESS <= address <= LAST_ADDRESS:
        raise ValueError(f"{text} is no display's address: {FIRST_ADDRESS} to {LAST_ADDRESS}")
    return address


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire."""
    body = bytes((START, frame.address, frame.function)) + bytes.fromhex(frame.digits)
    return body + bytes((sum_mod_256(body),))


def as_display(frame: Frame) -> Display | None:
    """What `frame` shows, or None if it is no display's answer or its digits are no decimals."""
    if frame.function != DISPLAY or not frame.is_decimal:
        return None
    d = frame.digits
    return Display(d[0:2], d[2:4], d[4:10], d[10:16], d[16:20])


def as_totalizer(frame: Frame) -> Totalizer | None:
    """What `frame` says of a nozzle's totalizer, or None as for `as_display`."""
    if frame.function != TOTALIZER or not frame.is_decimal:
        return None
    return Totalizer(frame.digits[:2], frame.digits[2:])


def length_of(head: bytes) -> int | None:
    """How long the frame is that begins with `head`: None if none does, 0 if `head` is too short to tell."""
    if head[:1] != bytes((START,)) or (len(head) > 1 and not FIRST_ADDRESS <= head[1] <= LAST_ADDRESS):
        return None
    if len(head) < _HEAD_BYTES:
        return 0
    digit_bytes = _DIGIT_BYTES.get(head[2])
    return None if digit_bytes is None else _HEAD_BYTES + digit_bytes + _CHECK_BYTES


def decode(data: bytes) -> Frame | None:
    """The frame that `data` is, or None if its length or check value is wrong."""
    if length_of(data) != len(data) or sum_mod_256(data[:-1]) != data[-1]:
        return None
    return Frame(data[1], data[2], data[3:-1].hex())


class Reader:
    """Collects bytes into frames whose check value holds. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad_frames = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. What looks like one and is none is counted in `bad_frames`."""
        for byte in data:
            self._buffer.append(byte)
            yield from self._frames()

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._buffer.clear()

    def _frames(self) -> Iterator[Frame]:
        while self._buffer:
            length = length_of(bytes(self._buffer[:_HEAD_BYTES]))
            if length == 0 or (length is not None and len(self._buffer) < length):
                return
            frame = decode(bytes(self._buffer[:length])) if length else None
            self.bad_frames += length is not None and frame is None
            del self._buffer[: length if frame is not None else 1]
            if frame is not None:
                yield frame
