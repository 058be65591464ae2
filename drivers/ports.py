"""The door of pyserial: opens a serial device, a TCP connection or a UDP group and gives its bytes.

A `Port` is read with `select` and `os.read` on its descriptor, because pyserial's own reads wait out
their timeout and hide an unplugged converter (libraries.md, pyserial). An unplugged USB converter reads
as `b""`, not as an error, and a closed pseudo-terminal as EIO (both measured): either is `PortGone`,
at once, so that no loop spins on it.
"""

import errno
import ipaddress
import os
import select
import socket
import termios
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

from drivers.events import Monotonic

CONNECT_LIMIT_S = 1.0
PEER_LIMIT_MS = 10_000
"""A TCP peer that acknowledges nothing for this long is gone, even if nobody said so."""
READ_BYTES = 4_096
DATAGRAM_BYTES = 65_535
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
    pseudo-terminal: the kernel refuses even parity there (EINVAL, measured), so parity is not set.
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


class PortRefused(Exception):
    """The port could not be opened. `code` is stable, `remedy` is what a technician can do."""

    def __init__(self, code: str, device: str, reason: str, remedy: str) -> None:
        super().__init__(f"{code}: {device}: {reason}; {remedy}")
        self.code, self.device, self.remedy = code, device, remedy


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
        return _open_datagrams(spec.device)
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


class ListenPort:
    """A port that only hears."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self.fileno, self.read, self.close = port.fileno, port.read, port.close

    def write(self, data: bytes) -> int:
        raise AssertionError(f"{len(data)} bytes were to be said where we may only listen")


class DatagramPort:
    """What is sent to a group, heard only. Each datagram is a line: its end is told as LF if it has none."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self.fileno, self.close = receiver.fileno, receiver.close

    def read(self) -> bytes:
        try:
            data = self._receiver.recv(DATAGRAM_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortGone(f"read: {error.strerror}") from error
        return data if data.endswith(b"\n") else data + b"\n"

    def write(self, data: bytes) -> int:
        raise AssertionError(f"{len(data)} bytes were to be said to a group that we only hear")


class TapPort:
    """Both directions of a tapped pair as one stream, in the order in which they were heard.

    One descriptor stands for both (epoll(7): an epoll descriptor is itself readable when one of its own is).
    What is said goes to the first.
    """

    def __init__(self, port: Port, other: Port) -> None:
        self._ports = {port.fileno(): port, other.fileno(): other}
        self._ready = select.epoll(2)
        for descriptor in self._ports:
            self._ready.register(descriptor, select.EPOLLIN)
        self.write = port.write

    def fileno(self) -> int:
        return self._ready.fileno()

    def read(self) -> bytes:
        return b"".join(self._ports[descriptor].read() for descriptor, _ in self._ready.poll(0))

    def close(self) -> None:
        self._ready.close()
        for port in self._ports.values():
            port.close()


class EchoPort:
    """Takes out of what is read what was just written. What differs from it is kept: somebody else spoke."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._expected = b""
        self.fileno, self.close = port.fileno, port.close

    def read(self) -> bytes:
        data = self._port.read()
        same = 0
        while same < min(len(data), len(self._expected)) and data[same] == self._expected[same]:
            same += 1
        self._expected = self._expected[same:] if same == len(data) else b""
        return data[same:]

    def write(self, data: bytes) -> int:
        written = self._port.write(data)
        self._expected = (self._expected + data[:written])[-READ_BYTES:]
        return written


def _open_serial(spec: PortSpec) -> Port:
    import serial

    parity = "none" if spec.pty else spec.parity
    port = serial.Serial()
    port.port = spec.device
    port.baudrate = spec.baud
    port.bytesize = spec.bytesize
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
    code, remedy = {
        errno.ENOENT: ("PORT_MISSING", "plug the converter in, or name it by /dev/serial/by-id/"),
        errno.ENODEV: ("PORT_MISSING", "plug the converter in again"),
        errno.EACCES: ("PORT_FORBIDDEN", "put the service's user into the group dialout"),
        errno.EBUSY: ("PORT_BUSY", "stop the other program that holds this port"),
        errno.EAGAIN: ("PORT_BUSY", "stop the other program that holds this port"),
        errno.EINVAL: ("PORT_SETTINGS", "check baud, parity and stop bits; pty = true for pseudo-terminals"),
    }.get(number or 0, ("PORT_FAILED", "check cable and converter"))
    return PortRefused(code, device, str(error), remedy)


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


def _open_datagrams(device: str) -> Port:
    place, _, interface = device.removeprefix("udp://").partition("@")
    host, _, port_number = place.rpartition(":")
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        group = ipaddress.IPv4Address(host)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.bind((host, int(port_number)))
        if group.is_multicast:
            membership = group.packed + ipaddress.IPv4Address(interface or "0.0.0.0").packed
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except (ValueError, OverflowError) as error:
        receiver.close()
        remedy = "write udp://230.0.0.1:14001, with @ and an address of ours behind it if there are several"
        raise PortRefused("PORT_SETTINGS", device, str(error), remedy) from error
    except OSError as error:
        receiver.close()
        remedy = "check that the network is up and that the address behind @ is one of ours"
        raise PortRefused("PORT_UNREACHABLE", device, str(error), remedy) from error
    receiver.setblocking(False)
    return DatagramPort(receiver)


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
