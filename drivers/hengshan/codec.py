"""Bytes and frames of the Hengshan FA line (devices.md 4.2). Pure: no time, no state of the conversation.

A frame is `FA 00 address number len command data CRC-lo CRC-hi`; `len` counts command and data. Every FA
after the first byte is doubled, so a single FA begins a frame wherever it is heard. CRC-16/KERMIT from the
00 to the last data byte, of the bytes before doubling. In a question whose data hold an FA the only known
implementation takes the bytes after doubling (NOTES.md): both forms are known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import crc16_kermit

START = 0xFA
FRAME_NUMBERS = 17
"""Frame numbers run from 0 to 16."""
DEVICE_INFORMATION, STATE, SALE, TOTALS, CONFIRM = 0x01, 0x02, 0x03, 0x06, 0x14
PRESET, STOP, PRICE = 0x11, 0x12, 0x13
FIRST_ADDRESS, LAST_ADDRESS = 1, 255
_BEGIN = b"\xfa\x00"
_LENGTH_AT = 4
_FRAME_BYTES = 7
"""All but what `len` counts."""
_LONGEST_NOISE_BYTES = 512
_WITH_NUMBERS = frozenset((SALE, PRESET, PRICE))


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose check value holds. `code`: the command. `checks_doubled`: it holds over the doubled bytes
    only."""

    address: int
    number: int
    code: int
    data: bytes = b""
    checks_doubled: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes as heard. `body` is the frame in it without doubling, whatever its check value says;
    None for noise and, with `is_torn`, for a frame that began and did not end."""

    raw: bytes
    body: bytes | None = None
    is_torn: bool = False


def address_of(text: str) -> int:
    """The address byte from its decimal digits, as in "1". Raises ValueError."""
    address = int(text)
    if not FIRST_ADDRESS <= address <= LAST_ADDRESS:
        raise ValueError(f"{text} is no address of a fuelling point: {FIRST_ADDRESS} to {LAST_ADDRESS}")
    return address


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire."""
    assert frame.number < FRAME_NUMBERS, "frame numbers run from 0 to 16"
    covered = bytes((0, frame.address, frame.number, 1 + len(frame.data), frame.code)) + frame.data
    check = crc16_kermit(_doubled(covered) if frame.checks_doubled else covered)
    return bytes((START,)) + _doubled(covered + check.to_bytes(2, "little"))


def frame_of(body: bytes) -> Frame | None:
    """The frame of a piece's body, None if it has no command or its check value is wrong."""
    if len(body) <= _FRAME_BYTES:
        return None
    covered, check = body[1:-2], int.from_bytes(body[-2:], "little")
    fields = body[2], body[3], body[5], body[6:-2]
    if crc16_kermit(covered) == check:
        return Frame(*fields)
    has_other_form = START in covered and body[5] in _WITH_NUMBERS and len(body[6:-2]) <= 5
    if has_other_form and crc16_kermit(_doubled(covered)) == check:
        return Frame(*fields, checks_doubled=True)
    return None


class Cutter:
    """Cuts a stream into pieces; together they are the stream. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._body: bytearray | None = None
        self._after_start = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that `data` completes."""
        for byte in data:
            self._raw.append(byte)
            piece = self._outside(byte) if self._body is None else self._inside(byte, self._body)
            if piece is not None and piece.raw:
                yield piece

    def forget(self) -> Piece:
        """What is not complete yet, which is dropped here."""
        piece = Piece(bytes(self._raw), is_torn=self._body is not None)
        self._raw, self._body, self._after_start = bytearray(), None, False
        return piece

    def _outside(self, byte: int) -> Piece | None:
        if self._after_start and byte == 0:
            return self._begin(is_torn=False)
        self._after_start = byte == START
        if len(self._raw) > _LONGEST_NOISE_BYTES and not self._after_start:
            return self.forget()
        return None

    def _inside(self, byte: int, body: bytearray) -> Piece | None:
        if self._after_start:
            self._after_start = False
            if byte == 0:
                return self._begin(is_torn=True)
            if byte != START:
                return self.forget()
        elif byte == START:
            self._after_start = True
            return None
        body.append(byte)
        return self._whole(body)

    def _whole(self, body: bytearray) -> Piece | None:
        if len(body) <= _LENGTH_AT or len(body) < body[_LENGTH_AT] + _FRAME_BYTES:
            return None
        piece = Piece(bytes(self._raw), bytes(body))
        self._raw, self._body = bytearray(), None
        return piece

    def _begin(self, *, is_torn: bool) -> Piece:
        piece = Piece(bytes(self._raw[:-2]), is_torn=is_torn)
        self._raw, self._body, self._after_start = bytearray(_BEGIN), bytearray(_BEGIN), False
        return piece


class Reader:
    """Collects bytes into frames whose check value holds. `bad_frames` counts the torn and the wrong ones."""

    def __init__(self) -> None:
        self._cutter = Cutter()
        self.bad_frames = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes."""
        for piece in self._cutter.feed(data):
            frame = frame_of(piece.body) if piece.body is not None else None
            self.bad_frames += piece.is_torn or (piece.body is not None and frame is None)
            if frame is not None:
                yield frame

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._cutter.forget()


def _doubled(data: bytes) -> bytes:
    return data.replace(b"\xfa", b"\xfa\xfa")
