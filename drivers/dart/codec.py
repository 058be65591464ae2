"""Bytes and frames of the DART line level (devices.md 3.1). Pure: no time, no state of the conversation.

A short frame is `ADR CTRL FA`, a data frame `ADR CTRL data CRC-lo CRC-hi 03 FA`. A DLE (10) stands before
every FA inside data and check value; those DLEs are not covered by the CRC-16/ARC. A 10 before anything
else is data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from drivers.checksums import crc16_arc

FIRST_ADDRESS, LAST_ADDRESS = 0x50, 0xCF
"""50 to 6F in DART, up to CF in S4 [pub]."""
SF, ETX, DLE = 0xFA, 0x03, 0x10
LONGEST_FRAME = 300
_POLL = 0x20
_SHORT_BYTES = 3
_DATA_TAIL_BYTES = 4
"""Check value, ETX and SF."""


class Control(IntEnum):
    """The high nibble of the control byte; the low one is the TX number."""

    POLL = 0x2
    DATA = 0x3
    NAK = 0x5
    EOT = 0x7
    ACK = 0xC
    ACKPOLL = 0xE


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `address` is the byte on the wire, `tx_no` 0 to 15, `data` (of data frames) has no DLEs."""

    address: int
    control: Control
    tx_no: int = 0
    data: bytes = b""


def address_of(text: str) -> int:
    """The address byte from its two hexadecimal digits, as in "50". Raises ValueError."""
    address = int(text, 16)
    if not FIRST_ADDRESS <= address <= LAST_ADDRESS:
        raise ValueError(f"{text} is no DART address: 50 to 6F, for S4 up to CF")
    return address


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire."""
    head = bytes((frame.address, frame.control << 4 | frame.tx_no))
    if frame.control is not Control.DATA:
        return head + bytes((SF,))
    body = head + frame.data
    body += crc16_arc(body).to_bytes(2, "little")
    return body.replace(b"\xfa", b"\x10\xfa") + bytes((ETX, SF))


def pieces(data: bytes) -> Iterator[bytes]:
    """`data` cut behind every FA that ends a frame; the last piece may be unfinished."""
    begin = 0
    for at, byte in enumerate(data):
        if byte == SF and (at == begin or data[at - 1] != DLE):
            yield data[begin : at + 1]
            begin = at + 1
    if begin < len(data):
        yield data[begin:]


def frame_in(piece: bytes) -> tuple[int, Frame] | None:
    """The frame that ends `piece` and where it begins, None if there is none; what stands before is noise."""
    if len(piece) == _SHORT_BYTES:
        short = _short(piece)
        return (0, short) if short else None
    for begin in range(max(0, len(piece) - LONGEST_FRAME), len(piece) - _SHORT_BYTES - _DATA_TAIL_BYTES):
        if piece[begin + 1] >> 4 == Control.DATA and (frame := _data_frame(piece[begin:])) is not None:
            return begin, frame
    short = _short(piece[-_SHORT_BYTES:])
    return (len(piece) - _SHORT_BYTES, short) if short else None


def looks_whole(piece: bytes) -> bool:
    """True for what has the shape of a data frame, whatever its check value says."""
    return (
        len(piece) > _SHORT_BYTES + _DATA_TAIL_BYTES
        and FIRST_ADDRESS <= piece[0] <= LAST_ADDRESS
        and piece[1] >> 4 == Control.DATA
        and piece[-2:] == bytes((ETX, SF))
    )


class Reader:
    """Collects bytes into frames whose check value holds. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad_frames = 0
        self.noise_bytes = 0

    @property
    def is_between_frames(self) -> bool:
        return not self._buffer

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. What is none is counted in `bad_frames` and dropped."""
        for byte in data:
            self._buffer.append(byte)
            if byte == SF and self._buffer[-2:-1] != bytes((DLE,)):
                piece, self._buffer = bytes(self._buffer), bytearray()
                yield from self._frames(piece)
            elif len(self._buffer) > LONGEST_FRAME:
                self.noise_bytes += 1
                del self._buffer[0]

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._buffer.clear()

    def _frames(self, piece: bytes) -> Iterator[Frame]:
        found = frame_in(piece)
        if found is None:
            self.bad_frames += 1
            return
        self.noise_bytes += found[0]
        yield found[1]


def _short(piece: bytes) -> Frame | None:
    if len(piece) != _SHORT_BYTES or not FIRST_ADDRESS <= piece[0] <= LAST_ADDRESS or piece[2] != SF:
        return None
    kind, tx_no = piece[1] >> 4, piece[1] & 0x0F
    if piece[1] == _POLL:
        return Frame(piece[0], Control.POLL)
    if kind in (Control.NAK, Control.EOT, Control.ACK, Control.ACKPOLL):
        return Frame(piece[0], Control(kind), tx_no)
    return None


def _data_frame(piece: bytes) -> Frame | None:
    """The data frame that is exactly `piece`. The check value is said to hold only if it does."""
    if not looks_whole(piece):
        return None
    body = _without_dles(piece[:-2])
    if len(body) < _DATA_TAIL_BYTES + 1 or crc16_arc(body[:-2]) != int.from_bytes(body[-2:], "little"):
        return None
    return Frame(body[0], Control.DATA, body[1] & 0x0F, body[2:-2])


def _without_dles(stuffed: bytes) -> bytes:
    return stuffed.replace(b"\x10\xfa", b"\xfa")
