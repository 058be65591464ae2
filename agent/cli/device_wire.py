"""Hearing and asking on an open port, for the commands that need no session. No wait outlives its limit."""

import select
from collections.abc import Callable

from drivers.events import Monotonic
from drivers.ports import AttendedPort, Port, PortGone, wait_writable

_WRITE_LIMIT_S = 1
_ANSWER_PAUSE_MS = 60
"""An answer is over when nothing follows for this long; a USB converter delivers every 16 ms."""
_LONGEST_ANSWER_MS = 2_000
"""What goes on for longer is no answer: somebody else speaks."""
_ATTEND_MS = 500
"""A port that does something by the clock is attended so often (drivers/ports.py)."""

Clock = Callable[[], Monotonic]


def hear(port: Port, clock: Clock, for_ms: int, enough_bytes: int = 65_536) -> bytes:
    """What comes within `for_ms`, at once if `enough_bytes` came. Raises `PortGone`."""
    heard, until = b"", clock() + for_ms
    while len(heard) < enough_bytes and _has_come(port, clock, until):
        heard += port.read()
    return heard


def ask(port: Port, clock: Clock, question: bytes, within_ms: int) -> bytes:
    """Say `question` and return what comes back, an echo with it; b"" after `within_ms` of nothing.

    Raises `PortGone`.
    """
    rest = question
    while rest:
        rest = rest[port.write(rest) :]
        if rest and not wait_writable(port, _WRITE_LIMIT_S):
            raise PortGone("write: the port takes no bytes")
    heard, began = b"", clock()
    until = limit = began + within_ms
    while _has_come(port, clock, until):
        heard += port.read()
        is_echo = question.startswith(heard)
        until = limit if is_echo else min(clock() + _ANSWER_PAUSE_MS, began + _LONGEST_ANSWER_MS)
    return heard


def without_echo(question: bytes, heard: bytes) -> tuple[bytes, bool]:
    """The answer alone, and whether the question came back before it."""
    if heard.startswith(question):
        return heard[len(question) :], True
    return heard, False


def _has_come(port: Port, clock: Clock, until_ms: int) -> bool:
    """Wait for bytes; False at `until_ms`. What the port does by the clock is done meanwhile."""
    while (left_ms := until_ms - clock()) > 0:
        if isinstance(port, AttendedPort):
            port.attend(clock())
            left_ms = min(left_ms, _ATTEND_MS)
        if select.select([port.fileno()], [], [], left_ms / 1_000)[0]:
            return True
    return False
