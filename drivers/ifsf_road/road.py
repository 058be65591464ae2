"""The road under the driver `ifsf` over TCP: heartbeats both ways, and a connection each way as one stream.

Every node says over UDP where it takes connections, and who is not heard three times is gone. What a
controller says goes over a connection to the device; adapters answer on one of their own, to the address in
the controller's heartbeat (drivers/ifsf/NOTES.md, "The road"). A session knows one stream: so this port says
our heartbeat, hears the device's, connects to where the device says it is, lets its connection in, and joins
what comes from both in the order of arrival.

Nothing here waits or reads a clock: one epoll descriptor stands for all sockets, and what depends on time
happens in `attend`, which the line calls at every turn.
"""

import errno
import select
import socket
from collections import Counter
from contextlib import ExitStack, suppress

from drivers.events import Monotonic
from drivers.ifsf_road.heartbeat import Heartbeat, encode_heartbeat, parse_heartbeat
from drivers.ifsf_road.setting import CONTROLLER_SUBNET, Road, road_of
from drivers.ports import READ_BYTES, PortGone, PortRefused, settle

BEAT_EVERY_MS = 10_000
GONE_AFTER_MS = 31_000
"""Three heartbeats missed, the third by a second: adapter Z judges so of its controller."""
CONNECT_EVERY_MS = 1_000
CONNECT_LATEST_MS = 60_000
CONNECT_LIMIT_MS = 3_000
STOOD_MS = 30_000
"""A connection that the device ended sooner belongs to another controller, perhaps: the next is tried after
twice the time, so that we do not take the pumps from who authorises them."""
WAITING_LIMIT = 8
"""Connections that may wait until the device's heartbeat says whose they are."""
ANY_ADDRESS = "0.0.0.0"


def open_road(device: str) -> "IfsfRoad":
    """The port of `device` as `road_of` reads it. Raises `PortRefused`; never waits."""
    try:
        return IfsfRoad(road_of(device))
    except (ValueError, OverflowError) as error:
        remedy = "write ifsf://192.168.1.5:3500?device=1 with our own address and the device's node"
        raise PortRefused("PORT_SETTINGS", device, str(error), remedy) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            remedy = "another line or program listens there: give every line a TCP port of its own"
            raise PortRefused("PORT_BUSY", device, str(error), remedy) from error
        remedy = "check that the network is up and that the address is one of ours"
        raise PortRefused("PORT_UNREACHABLE", device, str(error), remedy) from error


class IfsfRoad:
    """An `AttendedPort`; opening raises `OSError`.

    What is said while there is no connection is lost, as on a cable without a device: the session notices
    the silence. `counters` are for tests and the curious.
    """

    def __init__(self, road: Road) -> None:
        self.counters: Counter[str] = Counter()
        self._road = road
        self._peer = ""
        self._peer_port = 0
        self._out: socket.socket | None = None
        self._out_stands = False
        self._stood_from = Monotonic(0)
        self._early_ends_count = 0
        self._in: socket.socket | None = None
        self._beat_at: Monotonic | None = None
        self._tried_at: Monotonic | None = None
        self._now: Monotonic | None = None
        self._alive_at: Monotonic | None = None
        """The turn before the last sign of life: a second early at most, never late."""
        with ExitStack() as opened:
            self._ready = opened.enter_context(select.epoll())
            self._door = opened.enter_context(
                socket.create_server((road.own, road.tcp_port), backlog=WAITING_LIMIT)
            )
            self._door.setblocking(False)
            self._mouth = opened.enter_context(_hears(road.own, road.udp_port))
            ears = (self._mouth, opened.enter_context(_hears(ANY_ADDRESS, road.udp_port)))
            self._ears = {ear.fileno(): ear for ear in ears}
            for descriptor in self._ears:
                self._ready.register(descriptor, select.EPOLLIN)
            self._opened = opened.pop_all()
        if road.peer:
            self._know(road.peer)

    def fileno(self) -> int:
        return self._ready.fileno()

    def attend(self, now: Monotonic) -> None:
        """What is due by now: our heartbeat, the device's absence, a connection. Raises `PortGone`."""
        if self._beat_at is None or now >= self._beat_at:
            self._say_beat(now)
        self._now = now
        if self._alive_at is not None and now - self._alive_at >= GONE_AFTER_MS:
            raise PortGone("read: the device missed three heartbeats and said nothing")
        self._go_out(now)

    def read(self) -> bytes:
        """What either connection brought, b"" if nothing. Raises `PortGone`."""
        heard = b"".join(self._hear(descriptor) for descriptor, _ in self._ready.poll(0))
        if heard:
            self._alive_at = self._now
        return heard

    def write(self, data: bytes) -> int:
        """To the device's place if we are connected to it, else back on its own connection."""
        link = self._out if self._out_stands else self._in
        if link is None:
            self.counters["SAID_TO_NOBODY"] += 1
            return len(data)
        try:
            return link.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._drop(link)
            return len(data)

    def close(self) -> None:
        self._drop_out()
        self._drop_in()
        self._opened.close()

    def _say_beat(self, now: Monotonic) -> None:
        """Ten seconds after the last was due, so that none is late for the sake of the one before."""
        due = self._beat_at
        if due is None or now - due >= BEAT_EVERY_MS:
            due = now
        self._beat_at = Monotonic(due + BEAT_EVERY_MS)
        us = bytes((CONTROLLER_SUBNET, self._road.node))
        beat = Heartbeat(self._road.own, self._door.getsockname()[1], us, b"\x00")
        try:
            self._mouth.sendto(encode_heartbeat(beat), (self._road.to, self._road.udp_port))
        except OSError:
            self.counters["BEAT_NOT_SENT"] += 1

    def _hear(self, descriptor: int) -> bytes:
        if descriptor in self._ears:
            self._hear_beat(self._ears[descriptor])
        elif descriptor == self._door.fileno():
            self._let_in()
        elif self._out is not None and descriptor == self._out.fileno():
            return self._hear_link(self._out) if self._out_stands else self._connected(self._out)
        elif self._in is not None and descriptor == self._in.fileno():
            return self._hear_link(self._in)
        return b""

    def _hear_beat(self, ear: socket.socket) -> None:
        try:
            datagram, (host, _) = ear.recvfrom(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise PortGone(f"read: {error.strerror}") from error
        beat = parse_heartbeat(datagram)
        if beat is None:
            self.counters["NO_HEARTBEAT"] += 1
        elif beat.node_address not in self._road.devices or {beat.host, self._peer or host} != {host}:
            self.counters["OTHER_HEARTBEAT"] += 1
        else:
            self._hear_device(beat)

    def _hear_device(self, beat: Heartbeat) -> None:
        self._alive_at = self._now
        if not self._peer:
            self._know(beat.host)
        if beat.port != self._peer_port:
            self._peer_port, self._tried_at, self._early_ends_count = beat.port, None, 0
            self._drop_out()

    def _know(self, peer: str) -> None:
        """From now on there is one address that counts; who knocked before waits at the door until then."""
        self._peer = peer
        self._ready.register(self._door.fileno(), select.EPOLLIN)

    def _let_in(self) -> None:
        try:
            link, (host, _) = self._door.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            raise PortGone(f"accept: {error.strerror}") from error
        if host != self._peer:
            self.counters["OTHER_CONNECTION"] += 1
            link.close()
            return
        self._drop_in()
        settle(link)
        self._in = link
        self._ready.register(link.fileno(), select.EPOLLIN)

    def _go_out(self, now: Monotonic) -> None:
        """Begin a connection to the device's place, or give up one that is not answered."""
        waited_ms = CONNECT_LIMIT_MS if self._tried_at is None else now - self._tried_at
        if self._out is not None and not self._out_stands and waited_ms >= CONNECT_LIMIT_MS:
            self.counters["NOT_CONNECTED"] += 1
            self._drop_out()
        if self._out is None and self._peer_port and waited_ms >= self._connect_every_ms():
            self._tried_at = now
            self._connect()

    def _connect_every_ms(self) -> int:
        doublings = min(max(0, self._early_ends_count - 1), 10)
        return min(CONNECT_EVERY_MS << doublings, CONNECT_LATEST_MS)

    def _connect(self) -> None:
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        settle(link)
        try:
            link.bind((self._road.own, 0))
            with suppress(BlockingIOError):  # the answer is not awaited
                link.connect((self._peer, self._peer_port))
        except OSError:
            self.counters["NOT_CONNECTED"] += 1
            link.close()
            return
        self._out = link
        self._ready.register(link.fileno(), select.EPOLLOUT)

    def _connected(self, link: socket.socket) -> bytes:
        if link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.counters["NOT_CONNECTED"] += 1
            self._drop_out()
        else:
            self._out_stands, self._stood_from = True, self._now or Monotonic(0)
            self._ready.modify(link.fileno(), select.EPOLLIN)
        return b""

    def _hear_link(self, link: socket.socket) -> bytes:
        try:
            data = link.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop(link)
        return data

    def _drop(self, link: socket.socket) -> None:
        if link is self._out:
            stood_ms = (self._now or 0) - self._stood_from
            self._early_ends_count = self._early_ends_count + 1 if stood_ms < STOOD_MS else 0
            self._drop_out()
        else:
            self._drop_in()

    def _drop_out(self) -> None:
        link, self._out, self._out_stands = self._out, None, False
        if link is not None:
            link.close()

    def _drop_in(self) -> None:
        link, self._in = self._in, None
        if link is not None:
            link.close()


def _hears(address: str, port: int) -> socket.socket:
    """A socket for heartbeats. Several may share the port: of a broadcast each gets a copy, and what is sent
    to one address goes to the socket that is bound to it."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        ear.bind((address, port))
    except OSError:
        ear.close()
        raise
    ear.setblocking(False)
    return ear
