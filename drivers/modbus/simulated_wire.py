"""The slave's end of the wire: requests out of bytes, answers into bytes, made by hand.

Nothing of `codec.py` is used, so that a mistake there cannot answer itself.
"""

import struct
from dataclasses import dataclass

from drivers.checksums import crc16_modbus
from drivers.events import Monotonic

WRITE_MANY = 16
_LONGEST = 260
_GAP_MS = 50
"""On RTU a silence ends every frame (3.5 characters; no real sender pauses this long within one)."""


@dataclass(frozen=True, slots=True)
class Request:
    """`transaction` is 0 on RTU."""

    unit: int
    transaction: int
    pdu: bytes


class SlaveWire:
    """Hears every request on the wire, also those to other units."""

    def __init__(self, *, is_rtu: bool) -> None:
        self._is_rtu = is_rtu
        self._heard = bytearray()
        self._heard_at = Monotonic(0)

    def hear(self, data: bytes, now: Monotonic) -> list[Request]:
        """The requests that are whole now; what is no request is skipped."""
        if self._is_rtu and now - self._heard_at > _GAP_MS:
            self._heard.clear()
        self._heard_at = now
        self._heard += data
        requests = []
        while (request := self._next()) is not None:
            requests.append(request)
        return requests

    def forget(self) -> None:
        self._heard.clear()

    def framed(self, unit: int, transaction: int, pdu: bytes) -> bytes:
        """The whole frame of an answer."""
        if not self._is_rtu:
            return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
        frame = bytes((unit,)) + pdu
        return frame + crc16_modbus(frame).to_bytes(2, "little")

    def _next(self) -> Request | None:
        return self._next_rtu() if self._is_rtu else self._next_tcp()

    def _next_rtu(self) -> Request | None:
        """The first whole frame with a right CRC, wherever it begins: others speak on this wire as well."""
        for at in range(len(self._heard) - 7):
            size = self._size_rtu(at)
            frame = bytes(self._heard[at : at + size])
            if len(frame) == size and crc16_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
                del self._heard[: at + size]
                return Request(frame[0], 0, frame[1:-2])
        del self._heard[:-_LONGEST]
        return None

    def _next_tcp(self) -> Request | None:
        while len(self._heard) >= 8:
            size = self._size_tcp()
            if size > len(self._heard):
                return None
            if size:
                frame = bytes(self._heard[:size])
                del self._heard[:size]
                return Request(frame[6], int.from_bytes(frame[:2], "big"), frame[7:])
            del self._heard[0]
        return None

    def _size_rtu(self, at: int) -> int:
        return 9 + self._heard[at + 6] if self._heard[at + 1] == WRITE_MANY else 8

    def _size_tcp(self) -> int:
        length = int.from_bytes(self._heard[4:6], "big")
        return 6 + length if self._heard[2:4] == b"\0\0" and 2 <= length <= _LONGEST - 6 else 0
