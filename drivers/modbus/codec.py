"""Questions to bytes, bytes to replies: the one door to pymodbus, used for frames and PDUs only.

Modbus over TCP puts a 7-byte header (transaction, protocol 0, length, unit) before the PDU; RTU puts
the unit before it and a CRC-16/MODBUS after it. Both are decoded as a stream: what is fed byte by
byte gives the same replies as what is fed at once, and at most one frame (260 bytes) is kept.
"""

from dataclasses import dataclass, field
from typing import Literal

from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

Transport = Literal["tcp", "rtu"]

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16

_PAIRS: dict[int, tuple[type[ModbusPDU], type[ModbusPDU]]] = {
    READ_HOLDING: (ReadHoldingRegistersRequest, ReadHoldingRegistersResponse),
    READ_INPUT: (ReadInputRegistersRequest, ReadInputRegistersResponse),
    WRITE_ONE: (WriteSingleRegisterRequest, WriteSingleRegisterResponse),
    WRITE_MANY: (WriteMultipleRegistersRequest, WriteMultipleRegistersResponse),
}
_EXCEPTION_BIT = 0x80
_HEADER = 6
_LONGEST_AFTER_HEADER = 254


@dataclass(frozen=True, slots=True)
class Question:
    """A read of `count` registers (3, 4), or a write of `values` (6, 16); addresses as on the wire."""

    unit: int
    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device said. `exception` is 0, or the Modbus exception code (6 is busy).

    `registers` are what was read; `address` and `count` what a write says it wrote (count 1 for function 6).
    `transaction` is 0 on RTU.
    """

    transaction: int
    unit: int
    function: int
    exception: int = 0
    registers: tuple[int, ...] = ()
    address: int = 0
    count: int = 0

    def fits(self, question: Question) -> bool:
        """Unit, function and length (of a read) or address and content (of a write) are those asked for."""
        if (self.unit, self.function) != (question.unit, question.function):
            return False
        if self.exception:
            return True
        if not question.values:
            return len(self.registers) == question.count
        written = question.values if question.function == WRITE_ONE else ()
        return (self.address, self.count, self.registers) == (question.address, question.count, written)


def read(unit: int, function: int, address: int, count: int) -> Question:
    """Read `count` (1 to 125) registers from `address`; function 3 (holding) or 4 (input)."""
    assert function in (READ_HOLDING, READ_INPUT)
    return Question(unit, function, address, count)


def write(unit: int, address: int, values: tuple[int, ...]) -> Question:
    """Write holding registers from `address`: function 6 for one, 16 for more."""
    assert values
    return Question(unit, WRITE_ONE if len(values) == 1 else WRITE_MANY, address, len(values), values)


def encode(question: Question, transport: Transport, transaction: int = 0) -> bytes:
    """The whole frame of a question, `transaction` 0 to 65535 (TCP only)."""
    request_class = _PAIRS[question.function][0]
    request = request_class(
        dev_id=question.unit,
        transaction_id=transaction,
        address=question.address,
        count=question.count,
        registers=list(question.values),
    )
    return _framer(transport, DecodePDU(True)).buildFrame(request)


def reply_size(question: Question, transport: Transport) -> int:
    """Bytes of the frame that answers `question`."""
    pdu = 5 if question.values else 2 + 2 * question.count
    return pdu + (3 if transport == "rtu" else _HEADER + 1)


@dataclass(slots=True)
class Decoder:
    """A stream of bytes in, replies out.

    `bad_frames` counts what looked like a frame and was none, `noise_bytes` what began no frame.
    """

    transport: Transport
    bad_frames: int = 0
    noise_bytes: int = 0
    _kept: bytearray = field(default_factory=bytearray)
    _pdus: DecodePDU = field(default_factory=lambda: DecodePDU(False))

    def feed(self, data: bytes) -> list[Reply]:
        """Take any bytes, give every complete reply in them. Never raises."""
        self._kept += data
        replies: list[Reply] = []
        while (size := self._size_of_next()) is not None and size <= len(self._kept):
            reply = self._reply_in(bytes(self._kept[:size]))
            if reply is None:
                self.bad_frames += 1
                del self._kept[0]
            else:
                replies.append(reply)
                del self._kept[:size]
        return replies

    def clear(self) -> None:
        """Forget what is half heard."""
        self._kept.clear()

    def _size_of_next(self) -> int | None:
        """The size of the frame that the kept bytes begin with, after dropping those that begin none."""
        size = self._size_rtu if self.transport == "rtu" else self._size_tcp
        while len(self._kept) >= 2:
            found = size()
            if found != 0:
                return found
            self.noise_bytes += 1
            del self._kept[0]
        return None

    def _size_rtu(self) -> int | None:
        """Size, None if more bytes are needed to know, 0 if no reply begins like this."""
        function = self._kept[1]
        if function & ~_EXCEPTION_BIT not in _PAIRS:
            return 0
        if len(self._kept) < 3:
            return None
        pdu_class = self._pdus.lookupPduClass(bytes(self._kept))
        return pdu_class.calculateRtuFrameSize(bytes(self._kept)) if pdu_class else 0

    def _size_tcp(self) -> int | None:
        if len(self._kept) < _HEADER + 2:
            return None
        length = int.from_bytes(self._kept[4:6], "big")
        protocol = int.from_bytes(self._kept[2:4], "big")
        function = self._kept[7]
        plausible = protocol == 0 and 3 <= length <= _LONGEST_AFTER_HEADER
        return _HEADER + length if plausible and function & ~_EXCEPTION_BIT in _PAIRS else 0

    def _reply_in(self, frame: bytes) -> Reply | None:
        _, unit, transaction, payload = _framer(self.transport, self._pdus).decode(frame)
        if not payload or not _is_whole(payload):
            return None
        pdu = self._pdus.decode(payload)
        if pdu is None:
            return None
        if pdu.isError():
            return Reply(transaction, unit, pdu.function_code & ~_EXCEPTION_BIT, exception=pdu.exception_code)
        registers = tuple(pdu.registers)
        count = pdu.count or len(registers)
        return Reply(transaction, unit, pdu.function_code, 0, registers, pdu.address, count)


def _is_whole(payload: bytes) -> bool:
    """The PDU is as long as its function and its own byte count say; pymodbus does not insist."""
    function = payload[0]
    if function & _EXCEPTION_BIT:
        return len(payload) == 2 and payload[1] != 0
    if function in (WRITE_ONE, WRITE_MANY):
        return len(payload) == 5
    return payload[1] % 2 == 0 and len(payload) == 2 + payload[1]


def _framer(transport: Transport, pdus: DecodePDU) -> FramerRTU | FramerSocket:
    return FramerRTU(pdus) if transport == "rtu" else FramerSocket(pdus)
