"""Bytes of a wire, both directions together, cut into frames: for people, so nothing is left out.

Which way a frame goes is told by its shape alone. On RTU a frame is what has a known function's shape and a
right CRC; on TCP the header says how long it is and there is no check value.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import crc16_modbus
from drivers.views import Check, Sender

READS = {1: "coils", 2: "inputs", 3: "holding registers", 4: "input registers"}
WRITE_ONE, WRITE_MANY = {5: "coil", 6: "holding register"}, {15: "coils", 16: "holding registers"}
EXCEPTION_BIT = 0x80
_KNOWN = {*READS, *WRITE_ONE, *WRITE_MANY}
_HEADER_BYTES = 7
_LONGEST_AFTER_HEADER = 254


@dataclass(frozen=True, slots=True)
class Frame:
    """`data` as it was on the wire; `pdu` from the function on; `transaction` None on RTU."""

    data: bytes
    unit: int
    transaction: int | None
    pdu: bytes
    check: Check

    @property
    def function(self) -> int:
        return self.pdu[0] & ~EXCEPTION_BIT

    @property
    def is_refusal(self) -> bool:
        return bool(self.pdu[0] & EXCEPTION_BIT)

    @property
    def sender(self) -> Sender:
        """Who says a frame of this shape; "" where both may."""
        function, size = self.function, len(self.pdu)
        if self.is_refusal:
            return "device"
        if function in READS:
            either = size == 5 and self.pdu[1] == 3 and function in (1, 2)
            return "" if either else "host" if size == 5 else "device"
        if function in WRITE_MANY:
            return "device" if size == 5 else "host"
        return ""


def cut(data: bytes, transport: str) -> Iterator[Frame | bytes]:
    """Frames, and between them the bytes that belong to none. `transport` rtu, tcp, or "" to try both."""
    noise, at = 0, 0
    while at < len(data):
        frame = (transport != "tcp" and _rtu(data[at:])) or (transport != "rtu" and _tcp(data[at:])) or None
        if frame is None:
            at += 1
            continue
        if noise < at:
            yield _remainder(data[noise:at], transport)
        yield frame
        noise = at = at + len(frame.data)
    if noise < at:
        yield _remainder(data[noise:at], transport)


def _remainder(data: bytes, transport: str) -> Frame | bytes:
    """What lies between two frames is a damaged one if it has just the length of one."""
    if transport != "tcp" and len(data) - 3 in _sizes(data[1:]):
        return Frame(data, data[0], None, data[1:-2], Check.WRONG)
    return data


def _rtu(data: bytes) -> Frame | None:
    for size in _sizes(data[1:]):
        frame = data[: size + 3]
        if len(frame) == size + 3 and crc16_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
            return Frame(frame, frame[0], None, frame[1:-2], Check.OK)
    return None


def _tcp(data: bytes) -> Frame | None:
    if len(data) < _HEADER_BYTES + 1:
        return None
    protocol, length = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
    frame = data[: length + 6]
    if protocol or not 2 <= length <= _LONGEST_AFTER_HEADER or len(frame) < length + 6:
        return None
    pdu = frame[_HEADER_BYTES:]
    if (pdu[0] & EXCEPTION_BIT or pdu[0] in _KNOWN) and len(pdu) not in _sizes(pdu):
        return None
    return Frame(frame, frame[6], int.from_bytes(frame[:2], "big"), pdu, Check.NONE)


def _sizes(pdu: bytes) -> tuple[int, ...]:
    """The lengths that a PDU beginning like this may have: () for a function that is not known here."""
    if len(pdu) < 2:
        return ()
    function = pdu[0]
    if function & EXCEPTION_BIT:
        return (2,) if pdu[1] else ()
    if function in READS:
        is_whole = pdu[1] and (function in (1, 2) or pdu[1] % 2 == 0)
        return (5, 2 + pdu[1]) if is_whole else (5,)
    if function in WRITE_MANY:
        return (5, 6 + pdu[5]) if len(pdu) > 5 and pdu[5] else (5,)
    return (5,) if function in WRITE_ONE else ()
