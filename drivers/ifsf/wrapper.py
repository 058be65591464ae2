"""The serial wrapper of the Millennium boxes: FD, message, FC, the sum of the message as four ASCII hex
digits, FB. Between frames FE ends a turn and FF nn gives it to dispenser nn (devices.md 8, [cap])."""

from drivers.ifsf.codec import HEADER_BYTES, LAST_NODE, Framing, Message, encode, measure, node_of, parse

BEGIN, TAIL, END = 0xFD, 0xFC, 0xFB
TURN_ENDS, TURN_GIVEN = 0xFE, 0xFF
TAIL_BYTES = 6


def sum16(data: bytes) -> int:
    """Sum of all bytes, lowest 16 bits. Two damaged digits that cancel out pass it."""
    return sum(data) & 0xFFFF


class SerialFraming(Framing):
    """Frames are cut by the length in their header, not by their end marks: FB to FF may be data."""

    def measure(self, data: bytes, route: bytes) -> int | None:
        first = data[0]
        if first == TURN_ENDS:
            return 1
        if first == TURN_GIVEN:
            return 2 if len(data) == 1 or data[1] <= LAST_NODE or data[1] == TURN_ENDS else None
        if first != BEGIN:
            return None
        size_bytes = measure(data[1:], route) if len(data) > 1 else HEADER_BYTES
        return None if size_bytes is None else 1 + size_bytes + TAIL_BYTES

    def unwrap(self, frame: bytes) -> Message | None:
        return parse(frame[1:-TAIL_BYTES]) if is_intact(frame) else None

    def is_turn(self, data: bytes) -> bool:
        return data[0] in (TURN_ENDS, TURN_GIVEN)

    def device_address(self, address: str) -> bytes:
        """The number set in the dispenser, and 0: seen for number 1 [cap], else from one program [one].
        Raises ValueError."""
        return bytes((node_of(address), 0))

    def is_from_host(self, message: Message) -> bool:
        return message.sender[1] != 0

    def wrap(self, message: Message) -> bytes:
        """The frame, and the turn given to the dispenser it is for: it answers only then."""
        return frame_of(encode(message)) + bytes((TURN_GIVEN, message.to[0]))


def frame_of(body: bytes) -> bytes:
    check = f"{sum16(body):04X}".encode("ascii")
    return bytes((BEGIN,)) + body + bytes((TAIL,)) + check + bytes((END,))


def is_intact(frame: bytes) -> bool:
    """True if both end marks are where they belong and the sum holds."""
    return len(frame) > TAIL_BYTES and frame == frame_of(frame[1:-TAIL_BYTES])


def framing_of(transport: str) -> Framing:
    return SerialFraming() if transport == "serial" else Framing()
