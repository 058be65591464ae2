"""Bytes and frames: `FC cmd FP data XOR` (devices.md 4.1, [one]). Pure: no time, no memory of what was said.

The XOR covers everything behind FC. There is no length in a frame: each command has a fixed one, another for
the question than for the reply. What is parted here by length and check value alone is right but for one
case in practice: a reply whose beginning is also a whole question is followed by something else than FC.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import xor_lrc
from drivers.zhengxing.commands import Command, Side, lengths, question_bytes, reply_bytes

HEAD = 0xFC
FIRST_POINT, LAST_POINT = 1, 99
STATE_AT, BODY_AT = 3, 3

_LONGEST_STATE = 9
_DONE, _REFUSED = 0xBB, 0xCC


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose check value holds. `data` is all of it: positions are counted from FC."""

    sender: Side
    data: bytes

    @property
    def command(self) -> Command:
        return Command(self.data[1])

    @property
    def point(self) -> int:
        """The fuelling point's number on the line."""
        return self.data[2]


@dataclass(frozen=True, slots=True)
class Piece:
    """A frame, or bytes that are none. `is_torn`: they begin like a frame, and no check value holds."""

    data: bytes
    frame: Frame | None = None
    is_torn: bool = False


def point_of(text: str) -> int:
    """The fuelling point from its decimal number, as in "1". Raises ValueError."""
    point = int(text)
    if not FIRST_POINT <= point <= LAST_POINT:
        raise ValueError(f"{text} is no fuelling point: {FIRST_POINT} to {LAST_POINT}")
    return point


def encode(command: Command, point: int, body: bytes = b"") -> bytes:
    """The bytes of a frame on the wire."""
    covered = bytes((command, point)) + body
    return bytes((HEAD,)) + covered + bytes((xor_lrc(covered),))


def next_piece(data: bytes | bytearray, sides: frozenset[Side], *, is_all: bool) -> Piece | None:
    """What `data` begins with; None if more bytes must come first. `is_all`: no more will come."""
    begin = data.find(HEAD)
    if begin != 0:
        return Piece(bytes(data if begin < 0 else data[:begin])) if data else None
    if len(data) < 2:
        return Piece(bytes(data)) if is_all else None
    possible = lengths(data[1], sides)
    for place, length in enumerate(possible):
        if len(data) < length and not is_all:
            return None
        if _holds(data, length):
            chosen = _the_longer(data, possible[place:], is_all=is_all)
            return (
                None if chosen is None else Piece(bytes(data[:chosen]), _frame(bytes(data[:chosen]), sides))
            )
    return Piece(bytes(data[:1]), is_torn=bool(possible))


class Reader:
    """Collects bytes into frames of the given sides. Any bytes, any pieces; memory is bounded by the longest
    frame."""

    def __init__(self, sides: frozenset[Side]) -> None:
        self._sides = sides
        self._buffer = bytearray()
        self.bad_frames = 0
        self.noise_bytes = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. What is none is counted and dropped."""
        self._buffer += data
        while (piece := next_piece(self._buffer, self._sides, is_all=False)) is not None:
            del self._buffer[: len(piece.data)]
            self.bad_frames += piece.is_torn
            self.noise_bytes += len(piece.data) if piece.frame is None else 0
            if piece.frame is not None:
                yield piece.frame

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._buffer.clear()


def _holds(data: bytes | bytearray, length: int) -> bool:
    return len(data) >= length and xor_lrc(bytes(data[1:length])) == 0


def _the_longer(data: bytes | bytearray, possible: tuple[int, ...], *, is_all: bool) -> int | None:
    """Of a frame that holds and the longer ones that it may be the beginning of, the right one.

    Behind a whole frame the next one begins with FC; None if that is still to come.
    """
    shortest, longer = possible[0], possible[1:]
    if not longer or data[1] == Command.NOTHING:
        return shortest
    if len(data) == shortest:
        return shortest if is_all else None
    if data[shortest] == HEAD:
        return shortest
    if len(data) < longer[-1] and not is_all:
        return None
    return max((length for length in longer if _holds(data, length)), default=shortest)


def _frame(data: bytes, sides: frozenset[Side]) -> Frame:
    if "host" not in sides:
        return Frame("device", data)
    command = Command(data[1])
    may_be_reply = len(data) in reply_bytes(command)
    may_be_question = len(data) == question_bytes(command)
    if may_be_reply and may_be_question:
        return Frame("device" if _answers(command, data) else "host", data)
    return Frame("device" if may_be_reply else "host", data)


def _answers(command: Command, data: bytes) -> bool:
    """Where question and reply are equally long: a price has no BB or CC in it, and no mode is a state."""
    if command is Command.SET_PRICE:
        return data[4] in (_DONE, _REFUSED)
    return 1 <= data[STATE_AT] & 0x0F <= _LONGEST_STATE
