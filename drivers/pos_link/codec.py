"""Frames of the POS link: bytes in, intact messages out (NOTES.md, "Frame").

A frame is `STX data ETX LRC`. The data are fields separated by FS, and the last field is a CRC-16
of everything before it: an LRC alone passes any two flips in one bit column, and money travels here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.checksums import crc16_modbus, xor_lrc

STX, ETX, FS = 0x02, 0x03, 0x1C
MAX_DATA_BYTES = 2048
"""The longest data of one frame, check field included; a longer one is dropped and answered NAK."""
BAD_FRAME = "BAD_FRAME"
_FIRST_PRINTABLE = 0x20
_CHECK_BYTES = 4


class Control(IntEnum):
    """The four single bytes of the link layer (devices.md 12.3, [pub] ECR framing)."""

    EOT = 0x04
    ENQ = 0x05
    ACK = 0x06
    NAK = 0x15


_CONTROLS = {int(control): control for control in Control}


@dataclass(frozen=True, slots=True)
class Intact:
    """A message whose LRC and CRC hold: its raw fields, without the check field."""

    fields: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Damaged:
    """The end of a frame that cannot be used. `code` is the counter, `fault` the part that is wrong."""

    code: str
    fault: str = ""


Token = Control | Intact | Damaged


def lrc(data: bytes) -> int:
    """The byte after ETX: XOR from the byte after STX to ETX included; `data` is what lies between them."""
    return xor_lrc(data) ^ ETX


def check(data: bytes) -> bytes:
    """Four upper-case hex digits of CRC-16/MODBUS, high digit first; of b"123456789": 4B37."""
    return b"%04X" % crc16_modbus(data)


def frame(fields: Sequence[bytes]) -> bytes:
    """The bytes of one message on the wire. `fields` hold no byte below 0x20 (messages.py refuses them)."""
    data = b"".join(part + bytes([FS]) for part in fields)
    data += check(data)
    return bytes([STX]) + data + bytes([ETX, lrc(data)])


def open_data(data: bytes) -> Intact | Damaged:
    """The fields of a frame whose LRC held, if its check field holds too."""
    signed, found = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if not signed.endswith(bytes([FS])) or check(signed) != found:
        return Damaged(BAD_FRAME, "check")
    return Intact(tuple(signed[:-1].split(bytes([FS]))))


class Framer:
    """Cuts a stream of bytes into tokens: any bytes in any pieces, memory at most MAX_DATA_BYTES.

    Inside a frame a control byte is damage and not a control: a flipped bit must not become an
    acknowledgement. A second STX starts the frame anew. `noise_bytes` counts what lay outside frames.
    """

    def __init__(self) -> None:
        self.noise_bytes = 0
        self._data = bytearray()
        self._in_data = False
        self._lrc_is_next = False
        self._damage: Damaged | None = None

    @property
    def inside_frame(self) -> bool:
        return self._in_data or self._lrc_is_next

    def feed(self, data: bytes) -> list[Token]:
        """The tokens that these bytes complete, in order."""
        return [token for byte in data if (token := self._take(byte)) is not None]

    def abandon(self) -> None:
        """Forget a half-heard frame."""
        self._data.clear()
        self._in_data = self._lrc_is_next = False
        self._damage = None

    def _take(self, byte: int) -> Token | None:
        if self._lrc_is_next:
            return self._close(byte)
        if byte == STX:
            self.abandon()
            self._in_data = True
            return None
        if self._in_data:
            self._collect(byte)
            return None
        control = _CONTROLS.get(byte)
        if control is None:
            self.noise_bytes += 1
        return control

    def _collect(self, byte: int) -> None:
        if byte == ETX:
            self._in_data, self._lrc_is_next = False, True
        elif byte < _FIRST_PRINTABLE and byte != FS:
            self._damage = self._damage or Damaged(BAD_FRAME, "byte")
        elif len(self._data) >= MAX_DATA_BYTES:
            self._damage = Damaged("MESSAGE_TOO_LONG", "length")
        else:
            self._data.append(byte)

    def _close(self, byte: int) -> Intact | Damaged:
        data, damage = bytes(self._data), self._damage
        self.abandon()
        if damage:
            return damage
        return open_data(data) if lrc(data) == byte else Damaged(BAD_FRAME, "LRC")
