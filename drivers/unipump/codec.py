"""Bytes and frames of UniPump. Pure: no time, no state of the conversation.

A frame is `10 02`, address, DATA, CRC-16/ARC of address and DATA (low byte first), `10 03`. A byte 10h
between is doubled, those of the CRC too; the CRC is of the bytes before doubling (devices.md 5, [cmp]).
Address 0 is the controller, 30h + n fuelling point n. DATA is ASCII with digits of fixed width.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import crc16_arc

DLE, STX, ETX = 0x10, 0x02, 0x03
LONGEST_FRAME_BYTES = 255
"""The vendor's own library refuses longer ones (NOTES.md)."""
POINTS = 16


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood in a frame whose check value holds: the address byte, and DATA."""

    address: int
    data: bytes

    @property
    def point(self) -> int | None:
        """The fuelling point, or None: the controller itself, or an address that no point has."""
        number = self.address - 0x30
        return number if 1 <= number <= POINTS else None


@dataclass(frozen=True, slots=True)
class State:
    """`S` (this point is locked to us) or `U` (it is not). `pending` is the command that is being carried
    out."""

    is_locked: bool
    nozzle: str
    state: str
    pending: str


@dataclass(frozen=True, slots=True)
class Flow:
    """`A`: fuel flows."""

    transaction: str
    nozzle: str
    volume: str


@dataclass(frozen=True, slots=True)
class Record:
    """`T`: a finished transaction, repeated until it is closed. All digits as they were sent."""

    transaction: str
    nozzle: str
    volume: str
    unit_price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Totals:
    """`C`: what a nozzle has sold in its life."""

    transaction: str
    nozzle: str
    amount: str
    volume: str


def check_address(address: str) -> None:
    """A controller has no address of its own. Raises ValueError for another name than "1"."""
    if address != "1":
        raise ValueError('a controller has no address, its points have: write "1"')


Reply = State | Flow | Record | Totals
_STATE = re.compile(rb"([SU])([0-9])([0-9])([ -~])")
_FLOW = re.compile(rb"A([0-9]{2})([0-9])([0-9]{8})")
_RECORD = re.compile(rb"T([0-9]{2})([0-9])([0-9]{8})([0-9]{4})([0-9]{8})")
_TOTALS = re.compile(rb"C([0-9]{2})([0-9])([0-9]{10})([0-9]{10})")


def state_question() -> bytes:
    """DATA that asks for a point's state; a flowing or finished fuelling is told instead of it."""
    return b"S"


def totals_question(nozzle: str) -> bytes:
    assert len(nozzle) == 1, "a nozzle is one digit"
    return b"T" + nozzle.encode("ascii")


def close(transaction: str) -> bytes:
    """DATA that closes a transaction: the acknowledgement."""
    assert len(transaction) == 2, "a transaction is two digits"
    return b"C" + transaction.encode("ascii")


def encode(point: int, data: bytes) -> bytes:
    """The frame that says `data` to a fuelling point, 1 to 16."""
    assert 1 <= point <= POINTS
    body = bytes([0x30 + point]) + data
    body += crc16_arc(body).to_bytes(2, "little")
    return b"\x10\x02" + body.replace(b"\x10", b"\x10\x10") + b"\x10\x03"


def opened(body: bytes) -> Frame | None:
    """The frame of a body already undoubled (address, DATA, CRC); None if the CRC is wrong."""
    if len(body) < 4 or crc16_arc(body[:-2]) != int.from_bytes(body[-2:], "little"):
        return None
    return Frame(body[0], body[1:-2])


def parse_reply(data: bytes) -> Reply | None:
    """The answer in `data`, or None for anything else (the extended forms are only explained)."""
    if found := _STATE.fullmatch(data):
        code, nozzle, state, pending = _text(found)
        return State(code == "S", nozzle, state, pending)
    if found := _FLOW.fullmatch(data):
        return Flow(*_text(found))
    if found := _RECORD.fullmatch(data):
        return Record(*_text(found))
    if found := _TOTALS.fullmatch(data):
        return Totals(*_text(found))
    return None


def _text(found: re.Match[bytes]) -> tuple[str, ...]:
    return tuple(part.decode("ascii") for part in found.groups())


class Reader:
    """Collects bytes into frames whose CRC holds. Any bytes, any pieces; memory is bounded.

    `bad_frames` counts frames that began and did not end, were too long, or whose CRC was wrong.
    """

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self._after_dle = False
        self.bad_frames = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. What lies between frames is dropped."""
        for byte in data:
            if not self._after_dle:
                self._after_dle = byte == DLE
                if byte != DLE and self._body is not None:
                    self._keep(byte)
                continue
            self._after_dle = self._body is None and byte == DLE
            if (frame := self._escaped(byte)) is not None:
                yield frame

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._body, self._after_dle = None, False

    def _escaped(self, byte: int) -> Frame | None:
        """The byte after a 10h: begin, end, a 10h of the body, or nonsense."""
        if byte == STX:
            self.bad_frames += self._body is not None
            self._body = bytearray()
        elif self._body is not None and byte == DLE:
            self._keep(byte)
        elif self._body is not None:
            body, self._body = bytes(self._body), None
            frame = opened(body) if byte == ETX else None
            self.bad_frames += frame is None
            return frame
        return None

    def _keep(self, byte: int) -> None:
        assert self._body is not None
        self._body.append(byte)
        if len(self._body) > LONGEST_FRAME_BYTES:
            self._body = None
            self.bad_frames += 1
