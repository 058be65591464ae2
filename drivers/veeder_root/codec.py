"""Bytes and frames of the TLS serial interface. Pure: no time, no state of the conversation.

A frame is ASCII: SOH, text, ETX. A reply in computer form ends its text with `&&` and CCCC, the two's
complement of the 16-bit sum of every character from SOH to the second `&`, as four hex digits. A reply in
display form is printed lines without a check value. Layouts: devices.md 11, [cap] and [one].
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

SOH, ETX = 0x01, 0x03
LONGEST_FRAME = 16_384
"""Ten deliveries of each of sixteen tanks, which is as much as a TLS-350 keeps [one]."""
SYSTEM, INVENTORY, DELIVERIES, LAST_DELIVERY, ALARMS = "i101", "i201", "i202", "i20C", "i205"
PRINTED_INVENTORY = "I201"
ALL_TANKS = "00"
NOT_UNDERSTOOD = "9999"

_TEXT = frozenset((*range(0x20, 0x7F), 0x0D, 0x0A))
_REPLY = re.compile(r"(i[0-9A-F]{3})(\d\d)(\d{10})(.*)&&([0-9A-Fa-f]{4})")
_PRINTED = re.compile(r"[\r\n]*(I[0-9A-F]{3})(\d\d)\s*[\r\n](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in computer form whose check value holds; `time` is the console's, yymmddhhmm."""

    function: str
    tank: str
    time: str
    text: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A reply in display form: nothing says whether it is as it was sent."""

    function: str
    tank: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """`9999FF1B`: the console does not know the function, or heard it damaged."""


Frame = Reply | Printed | NotUnderstood


def ask(function: str, tank: str = ALL_TANKS, security_code: str = "") -> bytes:
    """The question `function` about one tank (two digits) or all of them."""
    return b"\x01" + f"{security_code}{function}{tank}".encode("ascii") + b"\x03"


def check_value(text: str) -> str:
    """CCCC of a frame whose text before CCCC is `text`; SOH counts too, `&&` is part of the text."""
    return f"{-(SOH + sum(text.encode('ascii'))) & 0xFFFF:04X}"


def parse(body: str) -> Frame | None:
    """What stands between SOH and ETX; None if it is no reply, or its check value is wrong."""
    if body[:-4] == NOT_UNDERSTOOD:
        return NotUnderstood() if body[-4:].upper() == check_value(NOT_UNDERSTOOD) else None
    if found := _REPLY.fullmatch(body):
        function, tank, time, text, check = found.groups()
        holds = check.upper() == check_value(body[:-4])
        return Reply(function, tank, time, text) if holds else None
    if found := _PRINTED.fullmatch(body):
        function, tank, text = found.groups()
        return Printed(function, tank, tuple(line.rstrip() for line in text.splitlines()))
    return None


class Reader:
    """Collects bytes into the texts between SOH and ETX. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self.torn_frames = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The texts that `data` completes. What lies between frames is dropped, half frames are counted."""
        for byte in data:
            if byte == SOH:
                self.forget()
                self._body = bytearray()
            elif self._body is not None:
                yield from self._within(self._body, byte)

    def _within(self, body: bytearray, byte: int) -> Iterator[str]:
        if byte == ETX:
            self._body = None
            yield body.decode("ascii")
        elif byte in _TEXT and len(body) < LONGEST_FRAME:
            body.append(byte)
        else:
            self.forget()

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self.torn_frames += self._body is not None
        self._body = None
