"""What the kernel knows of a serial port beyond its bytes: errors counted, the speed in force, who holds it.

Linux only, as the agent. A pseudo-terminal and a TCP connection count nothing: the answer is None then.
"""

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

_TIOCGICOUNT = 0x545D
_TCGETS2 = 0x802C542A
_COUNTERS = struct.Struct("20i")
"""serial_icounter_struct: cts dsr rng dcd rx tx frame overrun parity brk buf_overrun and nine spare."""
_TERMIOS2 = struct.Struct("4IB19s2I")
"""Flags, line discipline, control characters, speed in and out: also of speeds that have no name."""


@dataclass(frozen=True, slots=True)
class LineCounters:
    """Since the converter was plugged in."""

    framing_errors: int
    overruns: int
    parity_errors: int
    breaks: int

    def since(self, before: "LineCounters") -> "LineCounters":
        return LineCounters(
            self.framing_errors - before.framing_errors,
            self.overruns - before.overruns,
            self.parity_errors - before.parity_errors,
            self.breaks - before.breaks,
        )


@dataclass(frozen=True, slots=True)
class Holder:
    process_id: int
    name: str


def line_counters(descriptor: int) -> LineCounters | None:
    try:
        told = fcntl.ioctl(descriptor, _TIOCGICOUNT, bytes(_COUNTERS.size))
    except OSError:
        return None
    _, _, _, _, _, _, framing, overruns, parity, breaks, buffers = _COUNTERS.unpack(told)[:11]
    return LineCounters(framing, overruns + buffers, parity, breaks)


def line_errors(descriptor: int) -> int | None:
    """Framing and parity errors together."""
    counters = line_counters(descriptor)
    return None if counters is None else counters.framing_errors + counters.parity_errors


def speed(descriptor: int) -> int | None:
    """The speed that the port was really set to."""
    try:
        told = fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size))
    except OSError:
        return None
    return int(_TERMIOS2.unpack(told)[-1])


def holders(path: str, proc: Path = Path("/proc")) -> list[Holder]:
    """Who has `path` open, as far as this user may look (root sees all). Not ourselves."""
    real = os.path.realpath(path)
    folders = sorted(proc.glob("[0-9]*"), key=lambda each: int(each.name))
    others = (folder for folder in folders if int(folder.name) != os.getpid())
    return [Holder(int(folder.name), _name(folder)) for folder in others if _has_open(folder, real)]


def _has_open(folder: Path, real: str) -> bool:
    try:
        descriptors = list((folder / "fd").iterdir())
    except OSError:
        return False
    return any(_target(descriptor) == real for descriptor in descriptors)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text().strip()
    except OSError:
        return "?"
