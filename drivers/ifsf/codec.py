"""Bytes and messages of the IFSF application layer, the same on TCP, LON and the serial wrapper. Pure.

A message is LNAR(2) LNAO(2) code(1) status(1) length(2), then the length of a database address, the
address, and data (devices.md 8, [cap]). LNAR is who it is for, LNAO who says it: subnet and node each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

HEADER_BYTES = 8
LAST_NODE = 127
LONGEST_BODY_BYTES = 512
"""What follows the header. The longest seen is 64; a longer one than this is taken for damage."""
LONGEST_PLACE_BYTES = 8
DISPENSER, CONTROLLER = 0x01, 0x02
"""Subnets; 09 is a tank gauge's."""
EXTENDED = 0xFF
"""A data length of 255 says that two bytes with the real length follow (one implementation, [one])."""


class Kind(IntEnum):
    """The high three bits of the status byte; the low five are a token that the answer repeats [cap]."""

    READ = 0x00
    ANSWER = 0x20
    WRITE = 0x40
    PUSH_WANTING_ACK = 0x60
    PUSH = 0x80
    ACK = 0xE0


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `place` is the database address; `data` what follows it: ids for a read, fields
    (id, length, bytes) for an answer, a write or a push, a status and (id, status) pairs for an ack."""

    to: bytes
    sender: bytes
    kind: Kind
    token_no: int
    place: bytes
    data: bytes


def node_of(address: str) -> int:
    """The number of a dispenser's node from its decimal digits, as in "1". Raises ValueError."""
    if address not in map(str, range(1, LAST_NODE + 1)):
        raise ValueError(f"{address!r} is no node of a dispenser: 1 to {LAST_NODE}")
    return int(address)


def encode(message: Message) -> bytes:
    body = bytes((len(message.place),)) + message.place + message.data
    header = message.to + message.sender + bytes((0, message.kind | message.token_no))
    return header + len(body).to_bytes(2, "big") + body


def measure(data: bytes, route: bytes) -> int | None:
    """How long the message is that begins with `data`; more than is there if it is not whole yet.

    None: no message begins here. `route` is LNAR and LNAO as they must be, or how they must begin.
    """
    if not _may_begin(data, route):
        return None
    if len(data) < HEADER_BYTES:
        return HEADER_BYTES
    length = int.from_bytes(data[6:8], "big")
    if not 2 <= length <= LONGEST_BODY_BYTES:
        return None
    if len(data) > HEADER_BYTES and not 1 <= data[8] <= min(LONGEST_PLACE_BYTES, length - 1):
        return None
    return HEADER_BYTES + length


def _may_begin(data: bytes, route: bytes) -> bool:
    if data[: len(route)] != route[: len(data)]:
        return False
    has_controller = len(data) < 3 or CONTROLLER in (data[0], data[2])
    code_fits = len(data) < 5 or data[4] == 0
    return has_controller and code_fits and (len(data) < 6 or data[5] & 0xE0 in _KINDS)


def parse(frame: bytes) -> Message | None:
    """The message that `frame` is, whole and nothing else; None if its data does not add up."""
    if measure(frame, b"") != len(frame):
        return None
    place_end = HEADER_BYTES + 1 + frame[8]
    message = Message(
        to=frame[0:2],
        sender=frame[2:4],
        kind=Kind(frame[5] & 0xE0),
        token_no=frame[5] & 0x1F,
        place=frame[9:place_end],
        data=frame[place_end:],
    )
    return message if _adds_up(message) else None


def _adds_up(message: Message) -> bool:
    if message.kind is Kind.ACK:
        return len(message.data) % 2 == 1
    return message.kind is Kind.READ or fields(message.data) is not None


def fields(data: bytes) -> tuple[tuple[int, bytes], ...] | None:
    """(id, bytes) of every field, in order; None if the lengths do not end where the data ends.

    A field of length 0 is a command, a marker, or "I have no such thing" [cap].
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        size_bytes = int.from_bytes(data[at + 1 : at + 2], "big")
        start = at + 2
        if size_bytes == EXTENDED:
            size_bytes, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        if start > len(data) or start + size_bytes > len(data):
            return None
        found.append((data[at], data[start : start + size_bytes]))
        at = start + size_bytes
    return tuple(found)


def field_map(message: Message) -> dict[int, bytes]:
    """The fields of an answer, write or push by id. Of a repeated id the last counts."""
    return dict(fields(message.data) or ())


def is_accepted(ack: Message) -> bool:
    """True if the message was accepted with all its fields; else the first byte or a field's says why not."""
    return not any((ack.data[0], *ack.data[2::2]))


def is_bcd(data: bytes) -> bool:
    return data.hex().isdecimal()


class Framing:
    """How messages follow each other on TCP: bare, with nothing between them and no check value."""

    def measure(self, data: bytes, route: bytes) -> int | None:
        """Bytes of what begins here; more than there are if it is not whole yet; None for noise."""
        return measure(data, route)

    def unwrap(self, frame: bytes) -> Message | None:
        """The message in a measured frame; None if it is damaged."""
        return parse(frame)

    def is_turn(self, data: bytes) -> bool:
        """True if the measured frame only passes the turn (serial wrapper)."""
        return False

    def device_address(self, address: str) -> bytes:
        """The two bytes by which a dispenser is addressed: its subnet and node. Raises ValueError."""
        return bytes((DISPENSER, node_of(address)))

    def is_from_host(self, message: Message) -> bool:
        return message.sender[0] == CONTROLLER

    def wrap(self, message: Message) -> bytes:
        """What a host says on the wire to send `message`."""
        return encode(message)


class Reader:
    """Collects bytes into messages of one route. Any bytes, any pieces; memory is bounded.

    What other nodes say to us on the same connection is whole, and not ours: it counts in `other_frames`.
    """

    def __init__(self, framing: Framing, route: bytes) -> None:
        self._framing = framing
        self._route = route
        self._buffer = bytearray()
        self._in_noise = False
        self.bad_frames = 0
        self.other_frames = 0
        self.turns_heard = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. A run of bytes that are none counts once in `bad_frames`."""
        self._buffer += data
        while self._buffer:
            view = bytes(self._buffer[: HEADER_BYTES + LONGEST_BODY_BYTES + 8])
            size_bytes = self._measure(view)
            if size_bytes is not None and size_bytes > len(view):
                return
            frame = view[: size_bytes or 0]
            if frame and self._framing.is_turn(frame):
                self.turns_heard += 1
                self._pass(len(frame))
            elif frame and (message := self._framing.unwrap(frame)) is not None:
                self._pass(len(frame))
                if (message.to + message.sender).startswith(self._route):
                    yield message
                else:
                    self.other_frames += 1
            else:
                self._skip()

    def _measure(self, view: bytes) -> int | None:
        """Somebody else's is looked for only where a message may begin, not within a damaged one."""
        size_bytes = self._framing.measure(view, self._route)
        if size_bytes is None and not self._in_noise:
            return self._framing.measure(view, self._route[:2])
        return size_bytes

    def forget(self) -> None:
        """Drop a half-heard frame; it counts as a bad one."""
        if self._buffer:
            self.bad_frames += not self._in_noise
            self._buffer.clear()
        self._in_noise = False

    def _pass(self, size_bytes: int) -> None:
        del self._buffer[:size_bytes]
        self._in_noise = False

    def _skip(self) -> None:
        self.bad_frames += not self._in_noise
        self._in_noise = True
        del self._buffer[:1]
