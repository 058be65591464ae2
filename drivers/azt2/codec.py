"""Bytes and frames of AZT 2.0 (devices.md 7). Pure: no time, no state of the conversation.

A frame is `7F start`, each byte followed by its complement (XOR 7F), `03 03 BCC`. The BCC is the XOR of the
plain bytes and one 03, with bit 6 set. A question begins with the channel: 20h + n behind the start byte 02
for channels 1 to 15, above that 20h + n mod 15 behind 06h + n / 15. A reply names no channel, and may be one
of three short ones without check value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from drivers.checksums import xor_lrc

DEL, STX, ETX = 0x7F, 0x02, 0x03
FIRST_EXTENDED, LAST_EXTENDED = 0x07, 0x14
CHANNELS_A_START = 15
LAST_CHANNEL = 224
LONGEST_DATA_BYTES = 255
_FIRST_BYTE, _LAST_BYTE = 0x20, 0x5F
"""What data may hold: byte and complement both lie here, so neither can be a control byte."""
_CHANNEL_BASE, _LAST_CHANNEL_BYTE = 0x20, 0x2F


class Short(IntEnum):
    """Replies of two bytes."""

    DONE = 0x06
    UNSUPPORTED = 0x15
    NOT_NOW = 0x18


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose pairs and check value hold: its start byte, and the plain bytes."""

    start_code: int
    plain: bytes

    @property
    def channel(self) -> int | None:
        """Who is asked, None in a reply (and in what is said to all): data of replies begins at 30h."""
        if len(self.plain) < 2 or not _CHANNEL_BASE <= self.plain[0] <= _LAST_CHANNEL_BYTE:
            return None
        low = self.plain[0] - _CHANNEL_BASE
        if self.start_code == STX:
            return low or None
        return (
            (self.start_code - FIRST_EXTENDED + 1) * CHANNELS_A_START + low
            if low < CHANNELS_A_START
            else None
        )


Said = Frame | Short


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes and what they are: a frame, a short reply, a torn frame, or noise."""

    data: bytes
    said: Said | None = None
    is_torn: bool = False


def channel_of(text: str) -> int:
    """The channel from its decimal digits. Raises ValueError."""
    channel = int(text)
    if not 1 <= channel <= LAST_CHANNEL:
        raise ValueError(f"{text} is no AZT channel: 1 to {LAST_CHANNEL}")
    return channel


def ask(channel: int, command: int, data: bytes = b"") -> bytes:
    """The frame that says a command to a channel, 1 to 224."""
    assert 1 <= channel <= LAST_CHANNEL
    above, low = divmod(channel, CHANNELS_A_START)
    if channel <= CHANNELS_A_START:
        return encode(Frame(STX, bytes((_CHANNEL_BASE + channel, command)) + data))
    return encode(Frame(FIRST_EXTENDED - 1 + above, bytes((_CHANNEL_BASE + low, command)) + data))


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire."""
    pairs = b"".join(bytes((byte, byte ^ DEL)) for byte in frame.plain)
    return bytes((DEL, frame.start_code)) + pairs + bytes((ETX, ETX, check_value(frame.plain)))


def check_value(plain: bytes) -> int:
    """XOR of the plain bytes and one ETX; bit 6 is always set, so the check does not cover it."""
    return (xor_lrc(plain) ^ ETX) | 0x40


class _At(Enum):
    """What the next byte is."""

    DEL = "del"
    START = "start"
    BYTE = "byte"
    COMPLEMENT = "complement"
    ETX = "etx"
    CHECK = "check"


class Reader:
    """Collects bytes into frames. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._plain = bytearray()
        self._at = _At.DEL
        self.bad_frames = 0

    @property
    def is_between_frames(self) -> bool:
        return self._at is _At.DEL

    def feed(self, data: bytes) -> Iterator[Said]:
        """What `data` completes. Torn frames are counted in `bad_frames`, noise is dropped."""
        return (piece.said for piece in self.pieces(data) if piece.said is not None)

    def pieces(self, data: bytes) -> Iterator[Piece]:
        """All of what was fed as pieces, but for an unfinished end."""
        at = 0
        while at < len(data):
            if self._at is _At.DEL and data[at] != DEL:
                begin = data.find(DEL, at)
                end = len(data) if begin < 0 else begin
                yield Piece(data[at:end])
                at = end
                continue
            yield from self._take(data[at])
            at += 1

    def rest(self) -> bytes:
        """The unfinished end."""
        return bytes(self._raw)

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self.bad_frames += self._at not in (_At.DEL, _At.START)
        self._begin(b"")

    def _take(self, byte: int) -> Iterator[Piece]:
        following = self._following(byte)
        if following is not None:
            self._raw.append(byte)
            self._at = following
            return
        if self._at is _At.START and byte in tuple(Short):
            yield self._end(byte, Short(byte))
        elif self._at is _At.CHECK and byte == check_value(bytes(self._plain)):
            yield self._end(byte, Frame(self._raw[1], bytes(self._plain)))
        else:
            yield from self._give_up(byte)

    def _following(self, byte: int) -> _At | None:
        """What comes after this byte within a frame; None if it ends one, or fits nowhere."""
        if self._at is _At.DEL:
            return _At.START if byte == DEL else None
        if self._at is _At.START:
            return _At.BYTE if byte == STX or FIRST_EXTENDED <= byte <= LAST_EXTENDED else None
        if self._at is _At.BYTE:
            return self._after_pair(byte)
        if self._at is _At.COMPLEMENT:
            return _At.BYTE if byte ^ DEL == self._plain[-1] else None
        return _At.CHECK if self._at is _At.ETX and byte == ETX else None

    def _after_pair(self, byte: int) -> _At | None:
        if byte == ETX and self._plain:
            return _At.ETX
        if not _FIRST_BYTE <= byte <= _LAST_BYTE or len(self._plain) == LONGEST_DATA_BYTES:
            return None
        self._plain.append(byte)
        return _At.COMPLEMENT

    def _end(self, byte: int, said: Said) -> Piece:
        piece = Piece(bytes(self._raw) + bytes((byte,)), said)
        self._begin(b"")
        return piece

    def _give_up(self, byte: int) -> Iterator[Piece]:
        """The byte does not fit: what was collected is none, and the byte may begin another frame."""
        is_torn = self._at not in (_At.DEL, _At.START)
        self.bad_frames += is_torn
        begins = byte == DEL
        piece = Piece(bytes(self._raw) + (b"" if begins else bytes((byte,))), None, is_torn)
        self._begin(bytes((byte,)) if begins else b"")
        if piece.data:
            yield piece

    def _begin(self, raw: bytes) -> None:
        self._raw, self._plain = bytearray(raw), bytearray()
        self._at = _At.START if raw else _At.DEL
