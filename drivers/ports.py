"""The door of pyserial: opens a serial device, a TCP connection or what else a `PortSpec` names.

A `Port` is read with `select` and `os.read` on its descriptor, because pyserial's own reads wait out
their timeout and hide an unplugged converter (libraries.md, pyserial). An unplugged USB converter reads
as `b""`, not as an error, and a closed pseudo-terminal as EIO (both measured): either is `PortGone`,
at once, so that no loop spins on it.
"""

import errno
import os
import select
import socket
import stat
import termios
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

from drivers.events import Monotonic

CONNECT_LIMIT_S = 1.0
PEER_LIMIT_MS = 10_000
"""A TCP peer that acknowledges nothing for this long is gone, even if nobody said so."""
READ_BYTES = 4_096
THROUGH = " -> "

Parity = Literal["none", "even", "odd"]


@dataclass(frozen=True, slots=True)
class PortSpec:
    """Where a line is and how it speaks.

    `device` is a path (use `/dev/serial/by-id/...`: `ttyUSB0` moves) or `socket://host:port`, which is
    plain TCP (serial-over-TCP gateways, Modbus TCP, concentrators), or `udp://group:port`, heard only, with
    `@address` behind it for the interface of that address (without: the one of the default route), or
    `/dev/pos -> /dev/printer`: between two, see `drivers/passthrough.py`, or `ifsf://...`: heartbeats and a
    connection each way, see `drivers/ifsf_road/`. `pty` says that the path is a
    pseudo-terminal: it knows only 8 bits without parity (the kernel says EINVAL to even parity, and to 7 bits
    from the second time on, measured), so neither is set.
    `dtr` and `rts` are set before opening, because a pulse on them resets some devices.
    `listen_only`: writing is our own mistake (an AssertionError), because somebody else is master there.
    `tap` is a second device on which the other direction of the same wire is heard. `echo`: the converter
    hears what it says (two-wire loops, RS-485 without echo suppression); it is taken out of what is read.
    """

    device: str
    baud: int = 9_600
    bytesize: int = 8
    parity: Parity = "none"
    stopbits: int = 1
    pty: bool = False
    dtr: bool = True
    rts: bool = True
    listen_only: bool = False
    tap: str = ""
    echo: bool = False


def only_hears(device: str) -> bool:
    """True where nothing can be said: a group on the network, the place between a POS and its printer."""
    return device.startswith("udp://") or THROUGH in device


class PortRefused(Exception):
    """The port could not be opened. `code` is stable, `remedy` is what a technician can do."""

    def __init__(self, code: str, device: str, reason: str, remedy: str) -> None:
        super().__init__(f"{code}: {device}: {reason}; {remedy}")
        self.code, self.device, self.reason, self.remedy = code, device, reason, remedy


class PortGone(Exception):
    """The open port went away: unplugged, closed by the other side, or it takes no more bytes."""


class Port(Protocol):
    """An open port. Nothing here waits."""

    def fileno(self) -> int:
        """For `select`."""

    def read(self) -> bytes:
        """What has arrived, b"" if nothing has. Raises `PortGone`."""

    def write(self, data: bytes) -> int:
        """Hand over as many bytes as the kernel takes now; returns how many. Raises `PortGone`."""

    def close(self) -> None:
        """Give the port back; harmless if done twice."""


@runtime_checkable
class AttendedPort(Port, Protocol):
    """A port that does something by the clock; it has none of its own."""

    def attend(self, now: Monotonic) -> None:
        """Do what is due; the line calls it at every turn, at least once a second. Raises `PortGone`."""


def open_port(spec: PortSpec) -> Port:
    """Open the port of `spec`, exclusively. Raises `PortRefused`; waits at most `CONNECT_LIMIT_S` for each
    of its devices."""
    from drivers.port_layers import EchoPort, ListenPort, TapPort

    port = _open_one(spec)
    if spec.tap:
        try:
            port = TapPort(port, _open_one(replace(spec, device=spec.tap)))
        except PortRefused:
            port.close()
            raise
    if spec.listen_only:
        return ListenPort(port)
    return EchoPort(port) if spec.echo else port


def _open_one(spec: PortSpec) -> Port:
    if THROUGH in spec.device:
        return _open_between(spec)
    if spec.device.startswith("udp://"):
        from drivers.datagrams import open_datagrams

        return open_datagrams(spec.device)
    if spec.device.startswith("socket://"):
        return _open_socket(spec.device)
    if spec.device.startswith("ifsf://"):
        return _open_road(spec)
    return _open_serial(spec)


class _OpenFile(Protocol):
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class DescriptorPort:
    """A `Port` over anything with a non-blocking descriptor; it owns what it is given."""

    def __init__(self, owner: _OpenFile) -> None:
        self._owner: _OpenFile | None = owner
        self._fd = owner.fileno()

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortGone(f"read: {error.strerror}") from error
        if not data:
            raise PortGone("read: end of file, the other side is unplugged or closed")
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise PortGone(f"write: {error.strerror}") from error

    def close(self) -> None:
        if self._owner is not None:
            owner, self._owner = self._owner, None
            owner.close()


def _open_serial(spec: PortSpec) -> Port:
    import serial

    parity = "none" if spec.pty else spec.parity
    port = serial.Serial()
    port.port = spec.device
    port.baudrate = spec.baud
    port.bytesize = 8 if spec.pty else spec.bytesize
    port.parity = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}[parity]
    port.stopbits = spec.stopbits
    port.timeout = 0
    port.exclusive = True
    port.dtr, port.rts = spec.dtr, spec.rts
    try:
        port.open()
        os.set_blocking(port.fileno(), False)
        _tell_empty_from_gone(port.fileno())
    except (serial.SerialException, termios.error, OSError, ValueError) as error:
        port.close()
        raise _serial_refusal(spec.device, error) from error
    return DescriptorPort(port)


def _tell_empty_from_gone(descriptor: int) -> None:
    """pyserial leaves VMIN at 0, with which an idle terminal reads as end of file; with 1 it says EAGAIN."""
    settings = termios.tcgetattr(descriptor)
    settings[6][termios.VMIN] = 1
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _serial_refusal(device: str, error: Exception) -> PortRefused:
    number = error.args[0] if isinstance(error, termios.error) else getattr(error, "errno", None)
    if number is None and "exclusively" in str(error):
        number = errno.EBUSY
    if os.path.exists(device) and not stat.S_ISCHR(os.stat(device).st_mode):
        number = errno.ENOTTY
    code, remedy = {
        errno.ENOENT: ("PORT_MISSING", "plug the converter in, or name it by /dev/serial/by-id/"),
        errno.ENODEV: ("PORT_MISSING", "plug the converter in again"),
        errno.ENOTTY: ("PORT_NO_DEVICE", "name a serial port: this is none"),
        errno.EACCES: ("PORT_FORBIDDEN", "put the service's user into the group dialout"),
        errno.EBUSY: ("PORT_BUSY", "stop the other program that holds this port"),
        errno.EAGAIN: ("PORT_BUSY", "stop the other program that holds this port"),
        errno.EINVAL: ("PORT_SETTINGS", "check baud, parity and stop bits; pty = true for pseudo-terminals"),
    }.get(number or 0, ("PORT_FAILED", "check cable and converter"))
    return PortRefused(code, device, os.strerror(number) if number else str(error), remedy)


def _open_socket(device: str) -> Port:
    host, _, port_number = device.removeprefix("socket://").rpartition(":")
    if not host or not port_number.isdigit():
        raise PortRefused(
            "PORT_SETTINGS", device, "not socket://host:port", "correct the port in the settings"
        )
    try:
        link = socket.create_connection((host.strip("[]"), int(port_number)), timeout=CONNECT_LIMIT_S)
    except OSError as error:
        remedy = "check the address, the network and that the device listens"
        raise PortRefused("PORT_UNREACHABLE", device, str(error), remedy) from error
    settle(link)
    return DescriptorPort(link)


def settle(link: socket.socket) -> None:
    """A TCP connection as a line needs it: it never waits, sends at once, and notices a dead peer."""
    link.setblocking(False)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_LIMIT_MS)


def _open_between(spec: PortSpec) -> Port:
    from drivers.passthrough import PassThroughPort

    pos, printer = spec.device.split(THROUGH, 1)
    if not (pos.startswith("/") and printer.startswith("/")):
        remedy = "name two device files, or put the agent beside the printer"
        raise PortRefused("PORT_SETTINGS", spec.device, "not /dev/pos -> /dev/printer", remedy)
    return PassThroughPort(
        _open_one(replace(spec, device=pos)), lambda: _open_one(replace(spec, device=printer))
    )


def _open_road(spec: PortSpec) -> Port:
    from drivers.ifsf_road.road import open_road

    if spec.listen_only or spec.tap or spec.echo:
        remedy = "give it to a driver that may speak, without tap and echo"
        raise PortRefused("PORT_SETTINGS", spec.device, "a heartbeat speaks, and nothing wraps it", remedy)
    return open_road(spec.device)


def wait_writable(port: Port, limit_s: float) -> bool:
    """Wait until the kernel takes bytes for `port` again; False if it did not within `limit_s`."""
    _, writable, _ = select.select([], [port.fileno()], [], limit_s)
    return bool(writable)
