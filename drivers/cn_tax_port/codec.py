"""Bytes and frames of the tax-control port (devices.md 4.7, [one]). Pure: no time, no conversation.

A frame is `BB len FF cmd body XOR`; len counts from FF to XOR, the XOR is over FF to the end of the body. A
question's body begins with the gun, a reply's with a status byte; a reply does not say whose it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from drivers.checksums import xor_lrc

PREAMBLE, FRAME_NO = 0xBB, 0xFF
_HEAD_BYTES = 3
SHORTEST_LENGTH, LONGEST_LENGTH = 3, 96
"""Of what the length byte counts; the longest answer known has 35."""
WHOLE_ANSWER = 0x01
"""The answer's form in the questions 86 to 89, as the one known program asks for it."""


class Command(IntEnum):
    """All of them only read."""

    TAX = 0x83
    LATEST = 0x86
    DAY = 0x87
    MONTH = 0x88
    GRAND = 0x89


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood in a frame whose check value holds. `body` is without command and check value."""

    code: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest sale (answer to 86), all digits as they were sent. `when` is day, hour and minute."""

    when: str
    volume: str
    amount: str
    unit_price: str


@dataclass(frozen=True, slots=True)
class Grand:
    """What a gun has sold in its life (answer to 89), digits as they were sent."""

    volume: str
    amount: str


def encode(command: int, body: bytes) -> bytes:
    """The frame of a command and its body."""
    checked = bytes((FRAME_NO, command)) + body
    return bytes((PREAMBLE, len(checked) + 1)) + checked + bytes((xor_lrc(checked),))


def ask_tax(gun: int) -> bytes:
    return encode(Command.TAX, bytes((gun,)))


def ask_latest(gun: int) -> bytes:
    return encode(Command.LATEST, bytes((gun, WHOLE_ANSWER)))


def ask_grand(gun: int) -> bytes:
    return encode(Command.GRAND, bytes((gun, 0x00, WHOLE_ANSWER)))


def parse_latest(body: bytes) -> Latest | None:
    """The sale in the body of an 86, None if there is none or its digits are no digits. One maker
    (Ketaikang) appends two bytes; they mean nothing."""
    digits = _digits(body, (22, 24), 22)
    return None if digits is None else Latest(digits[:6], digits[6:12], digits[12:18], digits[18:22])


def parse_grand(body: bytes) -> Grand | None:
    """The totals in the body of an 89, None if there are none or they are no digits."""
    digits = _digits(body, (24, 26), 24)
    return None if digits is None else Grand(digits[:12], digits[12:24])


def _digits(body: bytes, lengths: tuple[int, ...], kept: int) -> str | None:
    given = body[1:]
    if len(given) not in lengths or not given[:kept].isdigit():
        return None
    return given[:kept].decode("ascii")


def frame_at(data: bytes) -> tuple[int, Frame | None] | None:
    """How long the frame is that begins `data`, and the frame, None there if its check value is wrong.

    None if nothing that begins so is a frame; a length beyond the end of `data` means that more must come.
    """
    if data[:1] != bytes((PREAMBLE,)):
        return None
    if len(data) < _HEAD_BYTES:
        return _HEAD_BYTES, None
    length = data[1]
    if not SHORTEST_LENGTH <= length <= LONGEST_LENGTH or data[2] != FRAME_NO:
        return None
    whole = data[: length + 2]
    if len(whole) < length + 2 or xor_lrc(whole[2:-1]) != whole[-1]:
        return length + 2, None
    return length + 2, Frame(whole[3], whole[4:-1])


class Reader:
    """Collects bytes into frames whose check value holds. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad_frames = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Wrong ones are counted in `bad_frames`, noise is dropped."""
        for begin in range(0, len(data), LONGEST_LENGTH):
            self._buffer += data[begin : begin + LONGEST_LENGTH]
            yield from self._frames()

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self.bad_frames += bool(self._buffer)
        self._buffer.clear()

    def _frames(self) -> Iterator[Frame]:
        while self._buffer:
            found = frame_at(bytes(self._buffer))
            if found is None:
                del self._buffer[0]
                continue
            size, frame = found
            if size > len(self._buffer):
                return
            if frame is None:
                self.bad_frames += 1
                del self._buffer[0]
                continue
            del self._buffer[:size]
            yield frame
